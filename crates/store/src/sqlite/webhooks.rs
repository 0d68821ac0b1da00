//! Cursors and retries: reading them, and what the committer writes of them.

use async_trait::async_trait;
use postbell_model::{
    DestinationId, DisableReason, Timestamp, WorkspaceEvent, WorkspaceFact, WorkspaceId,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use crate::{Call, Destinations, Position, Progress, Retry, RetryOutcome, StoreError};

use super::errors::read_error;
use super::rows::{self, RowError, blob, integer};
use super::statements::{Query, Statements};
use super::work::Change;
use super::{SqliteStore, calls, event_rows};

#[async_trait]
impl Destinations for SqliteStore {
    async fn cursor(&self, destination: DestinationId) -> Result<Position, StoreError> {
        cursor(&self.readers, destination).await
    }

    async fn advance(
        &self,
        destination: DestinationId,
        progress: Progress,
    ) -> Result<(), StoreError> {
        self.change(Change::Advance {
            destination,
            progress,
        })
        .await
    }

    async fn retries_due(
        &self,
        destination: DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Retry>, StoreError> {
        retries_due(&self.readers, destination, now, limit).await
    }

    async fn next_retry(
        &self,
        destination: DestinationId,
    ) -> Result<Option<Timestamp>, StoreError> {
        next_retry(&self.readers, destination).await
    }

    async fn record_retries(
        &self,
        destination: DestinationId,
        outcomes: Vec<RetryOutcome>,
        calls: Vec<Call>,
    ) -> Result<(), StoreError> {
        self.change(Change::Retries {
            destination,
            outcomes,
            calls,
        })
        .await
    }

    async fn disable(
        &self,
        destination: DestinationId,
        reason: DisableReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(Change::Disable(destination, reason, now))
            .await?;
        // It would be seen a second later; who asked is to see it now.
        if let Err(error) = self.tenants.refresh_once().await {
            tracing::warn!(%error, "the directory can't be read; the last one stands");
        }
        Ok(())
    }
}

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

/// Moves a cursor on, with what failed before it and the calls that were made.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
    statements: &Statements,
    destination: DestinationId,
    progress: &Progress,
) -> Result<(), sqlx::Error> {
    // A cursor never goes back.
    let sql = "UPDATE cursor SET position = ?2 \
        WHERE destination_id = ?1 AND log = 0 AND position < ?2";
    sqlx::query(sql)
        .bind(blob(destination.as_bytes()))
        .bind(integer(progress.cursor.0))
        .execute(&mut *connection)
        .await?;
    let failed: Vec<_> = progress.failed.iter().map(|retry| (retry, true)).collect();
    upsert_retries(connection, statements, destination, &failed).await?;
    calls::write(connection, statements, destination, &progress.calls).await
}

/// Switches a destination off, where it is not off already: the place of the event about it.
pub(super) async fn disable(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    reason: DisableReason,
    at: Timestamp,
) -> Result<Option<Position>, sqlx::Error> {
    let sql = "UPDATE destination SET state = 'disabled' WHERE id = ? AND state = 'active' \
        RETURNING workspace_id, name";
    let disabled: Option<(u32, String)> = sqlx::query_as(sql)
        .bind(blob(destination.as_bytes()))
        .fetch_optional(&mut *connection)
        .await?;
    let Some((workspace, name)) = disabled else {
        return Ok(None);
    };
    sqlx::query("UPDATE directory_version SET version = version + 1")
        .execute(&mut *connection)
        .await?;
    let fact = WorkspaceFact::DestinationDisabled {
        destination,
        name,
        reason,
    };
    let event = WorkspaceEvent::new(WorkspaceId(workspace), at, fact);
    let position = event_rows::append_workspace_event(connection, &event).await?;
    Ok(Some(position))
}

/// Writes retries; a `false` beside one says that it is dead and never due.
async fn upsert_retries(
    connection: &mut SqliteConnection,
    statements: &Statements,
    destination: DestinationId,
    retries: &[(&Retry, bool)],
) -> Result<(), sqlx::Error> {
    let bind = |query: Query<'static>, (retry, again): &(&Retry, bool)| {
        query
            .bind(blob(destination.as_bytes()))
            .bind(integer(retry.position.0))
            .bind(i64::from(retry.document))
            .bind(i64::from(retry.attempts))
            .bind(again.then(|| retry.next_at.as_micros()))
            .bind(retry.last_error.clone())
    };
    for query in statements.retries.batch(retries, bind) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Records what became of retries, and the calls that were made.
pub(super) async fn record_retries(
    connection: &mut SqliteConnection,
    statements: &Statements,
    destination: DestinationId,
    (outcomes, made): (&[RetryOutcome], &[Call]),
) -> Result<(), sqlx::Error> {
    let (mut kept, mut ended) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            RetryOutcome::Delivered { position, document } => ended.push((*position, *document)),
            RetryOutcome::Again(retry) => kept.push((retry, true)),
            RetryOutcome::Dead(retry) => kept.push((retry, false)),
        }
    }
    upsert_retries(connection, statements, destination, &kept).await?;
    let bind = |query: Query<'static>, (position, document): &(Position, u32)| {
        query
            .bind(blob(destination.as_bytes()))
            .bind(integer(position.0))
            .bind(i64::from(*document))
    };
    for query in statements.end_retries.batch(&ended, bind) {
        query.execute(&mut *connection).await?;
    }
    calls::write(connection, statements, destination, made).await
}
