//! Replays: events that are made due again for a destination, a stretch of the log at a time, so
//! that nobody waits long for the database.

use postbell_model::{Audience, DestinationId, Timestamp};
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, SqliteConnection};

use crate::{Position, Replay, ReplayOf, StoreError};

use super::errors::read_error;
use super::rows::{blob, integer};
use super::tenants::store_error;
use super::{calls, places};

// Positions, or dead letters, in one transaction.
const STRETCH: u64 = 10_000;
const WHY: &str = "replayed by an operator";

/// How many events, or dead letters, a replay is about.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    replay: &Replay,
) -> Result<u64, StoreError> {
    let count: i64 = match range(connection, destination, replay).await? {
        None => {
            let sql = "SELECT COUNT(*) FROM webhook_retry WHERE destination_id = ? \
                AND next_at IS NULL";
            let query = sqlx::query_scalar(sql).bind(blob(destination.as_bytes()));
            query.fetch_one(connection).await
        }
        Some(range) => {
            let mut query = QueryBuilder::new("SELECT COUNT(*) FROM event e");
            push_which(&mut query, replay, range);
            query.build_query_scalar().fetch_one(connection).await
        }
    }
    .map_err(|error| read_error(&error))?;
    Ok(count.unsigned_abs())
}

/// Makes them due; counts in `done` what is done so far.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    replay: &Replay,
    (now, done): (Timestamp, &mut u64),
) -> Result<(), StoreError> {
    let Some((mut from, to)) = range(connection, destination, replay).await? else {
        return revive(connection, destination, (now, done)).await;
    };
    while from < to {
        let end = Position(from.0.saturating_add(STRETCH)).min(to);
        let mut query = insert(destination, replay.documents, now);
        push_which(&mut query, replay, (from, end));
        query.push(
            " ON CONFLICT (destination_id, position, document) DO UPDATE SET \
             attempts = 0, next_at = excluded.next_at",
        );
        let made = query.build().execute(&mut *connection).await;
        let made = made.map_err(|error| store_error(&error))?;
        *done += made.rows_affected() / u64::from(replay.documents.max(1));
        from = end;
    }
    Ok(())
}

/// Where in the log the events lie; `None`: it is about what was given up.
async fn range(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    replay: &Replay,
) -> Result<Option<(Position, Position)>, StoreError> {
    let newest = places::newest(connection).await?;
    let (from, to) = match replay.events {
        ReplayOf::Dead => return Ok(None),
        ReplayOf::Event(id) => {
            let found = places::of_event(connection, id).await?.unwrap_or_default();
            (Position(found.0.saturating_sub(1)), found)
        }
        ReplayOf::Since { since, until } => {
            let from = places::before(connection, since, newest).await?;
            let to = match until {
                Some(until) => places::before(connection, until, newest).await?,
                None => newest,
            };
            (from, to)
        }
    };
    // What comes after the cursor is told anyway.
    let cursor = calls::cursor(connection, destination).await?;
    Ok(Some((from, to.min(cursor))))
}

fn insert(destination: DestinationId, documents: u32, now: Timestamp) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "INSERT INTO webhook_retry (destination_id, position, document, attempts, next_at, \
         last_error) SELECT ",
    );
    query.push_bind(blob(destination.as_bytes()));
    query.push(", e.position, n.column1, 0, ");
    query.push_bind(now.as_micros());
    query.push(", ");
    query.push_bind(WHY);
    query.push(" FROM event e JOIN (");
    query.push_values(0..documents.max(1), |mut row, number| {
        row.push_bind(i64::from(number));
    });
    query.push(") AS n");
    query
}

fn push_which(query: &mut QueryBuilder<Sqlite>, replay: &Replay, (from, to): (Position, Position)) {
    query.push(" WHERE e.position > ");
    query.push_bind(integer(from.0));
    query.push(" AND e.position <= ");
    query.push_bind(integer(to.0));
    match replay.audience {
        Audience::Set(set) => {
            query.push(" AND e.configuration_set_id = ");
            query.push_bind(i64::from(set.0));
        }
        Audience::Workspace(workspace) => {
            query.push(" AND e.workspace_id = ");
            query.push_bind(i64::from(workspace.0));
        }
    }
    if let Some(kinds) = &replay.kinds {
        query.push(" AND e.kind IN (");
        let mut names = query.separated(", ");
        for kind in kinds {
            names.push_bind(kind.name());
        }
        query.push(")");
    }
}

/// Makes due what was given up.
async fn revive(
    connection: &mut SqliteConnection,
    destination: DestinationId,
    (now, done): (Timestamp, &mut u64),
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE webhook_retry SET attempts = 0, next_at = ?1 WHERE destination_id = ?2 \
         AND (position, document) IN (SELECT position, document FROM webhook_retry \
         WHERE destination_id = ?2 AND next_at IS NULL LIMIT {STRETCH})"
    );
    loop {
        let revived = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(now.as_micros())
            .bind(blob(destination.as_bytes()))
            .execute(&mut *connection)
            .await
            .map_err(|error| store_error(&error))?;
        match revived.rows_affected() {
            0 => return Ok(()),
            revived => *done += revived,
        }
    }
}
