//! The log of calls to destinations, and what was given up.

use std::time::Duration;

use postbell_model::{DestinationId, EventId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{
    Backlog, CALLS_KEPT, Call, CallAnswer, DeadLetter, LoggedCall, Position, StoreError, WhichCalls,
};

use super::errors::read_error;
use super::rows::{self, RowError, blob, integer};
use super::statements::{Query, Statements};
use super::{event_rows, places};

/// Adds calls to the log, and takes the oldest out.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    statements: &Statements,
    destination: DestinationId,
    calls: &[Call],
) -> Result<(), sqlx::Error> {
    if calls.is_empty() {
        return Ok(());
    }
    let last = "SELECT COALESCE(MAX(number), 0) FROM webhook_call WHERE destination_id = ?";
    let last: i64 = sqlx::query_scalar(last)
        .bind(blob(destination.as_bytes()))
        .fetch_one(&mut *connection)
        .await?;
    let numbered: Vec<_> = (last + 1..).zip(calls).collect();
    let bind = |query, row: &(i64, &Call)| bind(query, destination, *row);
    for query in statements.calls.batch(&numbered, bind) {
        query.execute(&mut *connection).await?;
    }
    let newest = last.saturating_add_unsigned(calls.len() as u64);
    sqlx::query("DELETE FROM webhook_call WHERE destination_id = ? AND number <= ?")
        .bind(blob(destination.as_bytes()))
        .bind(newest - i64::from(CALLS_KEPT))
        .execute(connection)
        .await?;
    Ok(())
}

fn bind(
    query: Query<'static>,
    destination: DestinationId,
    (number, call): (i64, &Call),
) -> Query<'static> {
    let (status, error, body) = match &call.answer {
        CallAnswer::Status { status, body } => (Some(i64::from(*status)), None, body.clone()),
        CallAnswer::Failure(why) => (None, Some(why.clone()), Vec::new()),
    };
    query
        .bind(blob(destination.as_bytes()))
        .bind(number)
        .bind(call.at.as_micros())
        .bind(integer(call.position.0))
        .bind(i64::from(call.document))
        .bind(i64::from(call.attempt))
        .bind(i64::try_from(call.took.as_micros()).unwrap_or(i64::MAX))
        .bind(status)
        .bind(error)
        .bind(body)
        .bind(call.next_at.map(Timestamp::as_micros))
}

/// The last calls, the newest first.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    which: WhichCalls,
    limit: usize,
) -> Result<Vec<LoggedCall>, StoreError> {
    let sql = "SELECT c.at, c.position, c.document, c.attempt, c.took, c.status, c.error, \
        c.answer, c.next_at, e.id, e.kind FROM webhook_call c \
        LEFT JOIN event e ON e.position = c.position WHERE c.destination_id = ? \
        AND (? OR c.status IS NULL OR c.status NOT BETWEEN 200 AND 299) \
        ORDER BY c.number DESC LIMIT ?";
    let found = sqlx::query(sql)
        .bind(blob(destination.as_bytes()))
        .bind(which == WhichCalls::All)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read_call).collect::<Result<_, _>>()?)
}

fn read_call(row: &SqliteRow) -> Result<LoggedCall, RowError> {
    let status: Option<u16> = row.try_get(5)?;
    let next_at: Option<i64> = row.try_get(8)?;
    let answer = match status {
        Some(status) => CallAnswer::Status {
            status,
            body: row.try_get(7)?,
        },
        None => CallAnswer::Failure(row.try_get::<Option<String>, _>(6)?.unwrap_or_default()),
    };
    let call = Call {
        at: rows::time(row, 0)?,
        position: Position(rows::unsigned(row, 1, "webhook_call.position")?),
        document: rows::number(row, 2, "webhook_call.document")?,
        attempt: rows::number(row, 3, "webhook_call.attempt")?,
        took: Duration::from_micros(rows::unsigned(row, 4, "webhook_call.took")?),
        answer,
        next_at: next_at.map(Timestamp::from_micros),
    };
    let event = match read_event_id(row, 9)? {
        Some(id) => Some((id, event_rows::kind(row, 10)?)),
        None => None,
    };
    Ok(LoggedCall { call, event })
}

fn read_event_id(row: &SqliteRow, at: usize) -> Result<Option<EventId>, RowError> {
    match row.try_get::<Option<&[u8]>, _>(at)? {
        Some(_) => Ok(Some(EventId::from_bytes(rows::octets(
            row, at, "event.id",
        )?))),
        None => Ok(None),
    }
}

/// What was given up, the oldest event first.
pub(super) async fn read_dead(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let sql = "SELECT r.position, r.document, r.attempts, r.last_error, e.id, e.kind, e.at \
        FROM webhook_retry r LEFT JOIN event e ON e.position = r.position \
        WHERE r.destination_id = ? AND r.next_at IS NULL ORDER BY r.position, r.document LIMIT ?";
    let found = sqlx::query(sql)
        .bind(blob(destination.as_bytes()))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read_letter).collect::<Result<_, _>>()?)
}

fn read_letter(row: &SqliteRow) -> Result<DeadLetter, RowError> {
    let event = match read_event_id(row, 4)? {
        Some(id) => Some((id, event_rows::kind(row, 5)?, rows::time(row, 6)?)),
        None => None,
    };
    Ok(DeadLetter {
        position: Position(rows::unsigned(row, 0, "webhook_retry.position")?),
        document: rows::number(row, 1, "webhook_retry.document")?,
        attempts: rows::number(row, 2, "webhook_retry.attempts")?,
        last_error: row.try_get(3)?,
        event,
    })
}

/// How far a destination is behind.
pub(super) async fn backlog(
    connection: &mut SqliteConnection,
    destination: DestinationId,
) -> Result<Backlog, StoreError> {
    let newest = places::newest(connection).await?;
    let cursor = cursor(connection, destination).await?;
    let sql = "SELECT COUNT(next_at), COUNT(*) - COUNT(next_at) FROM webhook_retry \
        WHERE destination_id = ?";
    let (retries, dead): (i64, i64) = sqlx::query_as(sql)
        .bind(blob(destination.as_bytes()))
        .fetch_one(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(Backlog {
        cursor,
        newest,
        retries: retries.unsigned_abs(),
        dead: dead.unsigned_abs(),
    })
}

/// How far a destination has come.
pub(super) async fn cursor(
    connection: &mut SqliteConnection,
    destination: DestinationId,
) -> Result<Position, StoreError> {
    let sql = "SELECT position FROM cursor WHERE destination_id = ? AND log = 0";
    let position: Option<i64> = sqlx::query_scalar(sql)
        .bind(blob(destination.as_bytes()))
        .fetch_optional(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(Position(position.unwrap_or(0).unsigned_abs()))
}
