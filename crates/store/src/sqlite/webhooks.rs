//! Reading cursors and retries.

use postbell_model::{DestinationId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::{Position, Retry, StoreError};

use super::errors::read_error;
use super::rows::{self, RowError, blob};

/// How far a destination has come; the beginning for one that is unknown.
pub(super) async fn cursor(
    pool: &SqlitePool,
    destination: DestinationId,
) -> Result<Position, StoreError> {
    let sql = "SELECT position FROM cursor WHERE destination_id = ? AND log = 0";
    let position: Option<i64> = sqlx::query_scalar(sql)
        .bind(blob(destination.as_bytes()))
        .fetch_optional(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(Position(position.unwrap_or(0).unsigned_abs()))
}

/// Retries that are due.
pub(super) async fn retries_due(
    pool: &SqlitePool,
    destination: DestinationId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Retry>, StoreError> {
    let sql = "SELECT position, document, attempts, next_at, last_error FROM webhook_retry \
        WHERE destination_id = ? AND next_at <= ? ORDER BY next_at LIMIT ?";
    let found = sqlx::query(sql)
        .bind(blob(destination.as_bytes()))
        .bind(now.as_micros())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read_retry).collect::<Result<_, _>>()?)
}

/// When the next retry is due.
pub(super) async fn next_retry(
    pool: &SqlitePool,
    destination: DestinationId,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT MIN(next_at) FROM webhook_retry \
        WHERE destination_id = ? AND next_at IS NOT NULL";
    let next: Option<i64> = sqlx::query_scalar(sql)
        .bind(blob(destination.as_bytes()))
        .fetch_one(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(next.map(Timestamp::from_micros))
}

fn read_retry(row: &SqliteRow) -> Result<Retry, RowError> {
    Ok(Retry {
        position: Position(rows::unsigned(row, 0, "webhook_retry.position")?),
        document: rows::number(row, 1, "webhook_retry.document")?,
        attempts: rows::number(row, 2, "webhook_retry.attempts")?,
        next_at: rows::time(row, 3)?,
        last_error: row.try_get(4)?,
    })
}
