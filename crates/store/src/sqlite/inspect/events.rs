//! Stretches of the log, by what they are about.

use postbell_model::Timestamp;
use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite};

use crate::{EventFilter, EventsFound, From, Position, StoreError};

use super::super::errors::read_error;
use super::super::event_rows;
use super::super::rows::integer;

pub(super) async fn events(
    pool: &SqlitePool,
    filter: &EventFilter,
    from: From,
    limit: usize,
) -> Result<EventsFound, StoreError> {
    let newest = newest(pool).await?;
    let since = match filter.since {
        Some(since) => before(pool, since, newest).await?,
        None => Position(0),
    };
    let after = match from {
        From::After(position) => position.max(since),
        From::Newest => since,
    };
    let mut query = select();
    query.push(" WHERE e.position > ");
    query.push_bind(integer(after.0));
    query.push(" AND e.position <= ");
    query.push_bind(integer(newest.0));
    push(&mut query, filter);
    query.push(match from {
        From::After(_) => " ORDER BY e.position LIMIT ",
        From::Newest => " ORDER BY e.position DESC LIMIT ",
    });
    query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let found = query.build().fetch_all(pool).await;
    let found = found.map_err(|error| read_error(&error))?;
    let last = found.last().map(event_rows::position).transpose()?;
    let mut events: Vec<_> = found.iter().filter_map(event_rows::readable).collect();
    if from == From::Newest {
        events.reverse();
    }
    let full = found.len() == limit && matches!(from, From::After(_));
    Ok(EventsFound {
        read_to: match last {
            Some(last) if full => last,
            _ => newest.max(after),
        },
        events,
    })
}

fn select() -> QueryBuilder<Sqlite> {
    let columns = event_rows::logged_columns();
    QueryBuilder::new(format!(
        "SELECT {columns} FROM {}",
        event_rows::LOGGED_TABLES
    ))
}

fn push(query: &mut QueryBuilder<Sqlite>, filter: &EventFilter) {
    if let Some(workspace) = filter.workspace {
        query.push(" AND e.workspace_id = ");
        query.push_bind(i64::from(workspace.0));
    }
    if !filter.kinds.is_empty() {
        query.push(" AND e.kind IN (");
        let mut kinds = query.separated(", ");
        for kind in &filter.kinds {
            kinds.push_bind(kind.name());
        }
        query.push(")");
    }
    if let Some(recipient) = &filter.recipient {
        query.push(" AND d.recipient = ");
        query.push_bind(recipient.as_str().to_owned());
    }
    if let Some(domain) = &filter.domain {
        query.push(" AND d.domain = ");
        query.push_bind(domain.as_str().to_owned());
    }
}

async fn newest(pool: &SqlitePool) -> Result<Position, StoreError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(position) FROM event")
        .fetch_one(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(Position(newest.unwrap_or(0).unsigned_abs()))
}

/// The place before the first event that is not older than `since`: positions order the commits
/// and commits follow the clock, so halving finds it.
async fn before(
    pool: &SqlitePool,
    since: Timestamp,
    newest: Position,
) -> Result<Position, StoreError> {
    let (mut low, mut high) = (0, newest.0);
    while low < high {
        let middle = low + (high - low) / 2;
        match at(pool, Position(middle + 1)).await? {
            Some(time) if time < since => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(Position(low))
}

/// The time of the first event that is not before a place.
async fn at(pool: &SqlitePool, position: Position) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT at FROM event WHERE position >= ? ORDER BY position LIMIT 1";
    let at: Option<i64> = sqlx::query_scalar(sql)
        .bind(integer(position.0))
        .fetch_optional(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(at.map(Timestamp::from_micros))
}
