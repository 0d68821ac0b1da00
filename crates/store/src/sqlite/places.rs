//! Where in the log a moment or an event stands.

use std::time::Duration;

use postbell_model::{EventId, Timestamp};
use sqlx::SqliteConnection;
use tokio::sync::watch;

use crate::{Position, StoreError};

use super::errors::read_error;
use super::rows::{blob, integer};

// How far an event's place may lie from that of the moment in its id: what is recorded late.
const SLACK: Duration = Duration::from_hours(1);

/// Tells those who wait for events of a newer one. Two connections write events, and who comes
/// late must not take back what was told.
pub(super) fn raise(newest: &watch::Sender<Position>, found: Position) {
    newest.send_if_modified(|newest| {
        let is_newer = found > *newest;
        *newest = found.max(*newest);
        is_newer
    });
}

/// The newest event's place.
pub(super) async fn newest(connection: &mut SqliteConnection) -> Result<Position, StoreError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(position) FROM event")
        .fetch_one(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(Position(newest.unwrap_or(0).unsigned_abs()))
}

/// The place before the first event that is not older than `since`: positions order the commits
/// and commits follow the clock, so halving finds it.
pub(super) async fn before(
    connection: &mut SqliteConnection,
    since: Timestamp,
    newest: Position,
) -> Result<Position, StoreError> {
    let (mut low, mut high) = (0, newest.0);
    while low < high {
        let middle = low + (high - low) / 2;
        match at(connection, Position(middle + 1)).await? {
            Some(time) if time < since => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(Position(low))
}

/// The time of the first event that is not before a place.
async fn at(
    connection: &mut SqliteConnection,
    position: Position,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT at FROM event WHERE position >= ? ORDER BY position LIMIT 1";
    let at: Option<i64> = sqlx::query_scalar(sql)
        .bind(integer(position.0))
        .fetch_optional(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(at.map(Timestamp::from_micros))
}

/// The place of an event. Its id tells when it was made: what is near that is looked at first,
/// then all.
pub(super) async fn of_event(
    connection: &mut SqliteConnection,
    id: EventId,
) -> Result<Option<Position>, StoreError> {
    let newest = newest(connection).await?;
    let from = before(connection, id.made_at().before(SLACK), newest).await?;
    let to = before(connection, id.made_at().after(SLACK), newest).await?;
    for (from, to) in [(from, to), (Position(0), newest)] {
        let sql = "SELECT position FROM event WHERE position > ? AND position <= ? AND id = ?";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .bind(integer(from.0))
            .bind(integer(to.0))
            .bind(blob(id.as_bytes()))
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| read_error(&error))?;
        if let Some(found) = found {
            return Ok(Some(Position(found.unsigned_abs())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_taken_back() {
        let newest = watch::Sender::new(Position(3));
        let mut seen = newest.subscribe();
        raise(&newest, Position(5));
        assert!(seen.has_changed().unwrap());
        assert_eq!(*seen.borrow_and_update(), Position(5));
        raise(&newest, Position(4));
        raise(&newest, Position(5));
        assert!(!seen.has_changed().unwrap());
        assert_eq!(*seen.borrow(), Position(5));
    }
}
