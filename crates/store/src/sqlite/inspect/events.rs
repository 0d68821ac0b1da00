//! Stretches of the log, by what they are about.

use postbell_model::EventId;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use crate::{EventFilter, EventsFound, From, Logged, Position, StoreError};

use super::super::errors::read_error;
use super::super::event_rows;
use super::super::places;
use super::super::rows::integer;

pub(super) async fn events(
    pool: &SqlitePool,
    filter: &EventFilter,
    from: From,
    limit: usize,
) -> Result<EventsFound, StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| read_error(&error))?;
    let newest = places::newest(&mut connection).await?;
    let since = match filter.since {
        Some(since) => places::before(&mut connection, since, newest).await?,
        None => Position(0),
    };
    let after = match from {
        From::After(position) => position.max(since),
        From::Newest => since,
    };
    let mut query = QueryBuilder::new(event_rows::select());
    query.push(" AND e.position > ");
    query.push_bind(integer(after.0));
    query.push(" AND e.position <= ");
    query.push_bind(integer(newest.0));
    push(&mut query, filter);
    query.push(match from {
        From::After(_) => " ORDER BY e.position LIMIT ",
        From::Newest => " ORDER BY e.position DESC LIMIT ",
    });
    query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let found = query.build().fetch_all(&mut *connection).await;
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

/// The event of an id.
pub(super) async fn one(pool: &SqlitePool, id: EventId) -> Result<Option<Logged>, StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| read_error(&error))?;
    let Some(position) = places::of_event(&mut connection, id).await? else {
        return Ok(None);
    };
    let sql = format!("{} AND e.position = ?", event_rows::select());
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(integer(position.0))
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.as_ref().map(event_rows::read_logged).transpose()?)
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
        query.push(format!(
            " AND COALESCE(d.recipient, l.recipient, {IN_PAYLOAD}) = "
        ));
        query.push_bind(recipient.as_str().to_owned());
    }
    if let Some(domain) = &filter.domain {
        query.push(" AND (d.domain = ");
        query.push_bind(domain.as_str().to_owned());
        // The domain of an address stands in it as domains are written, so its end tells.
        let end = format!("@{domain}");
        query.push(format!(
            " OR (d.id IS NULL AND substr(COALESCE(l.recipient, {IN_PAYLOAD}), -length("
        ));
        query.push_bind(end.clone());
        query.push(")) = ");
        query.push_bind(end);
        query.push("))");
    }
}

/// The address that an event about a workspace is about: it stands in its payload alone, which is
/// read where the kind has one and nothing else tells.
const IN_PAYLOAD: &str = "CASE \
    WHEN e.kind = 'Received' AND json_valid(e.payload) \
    THEN json_extract(e.payload, '$.recipient') \
    WHEN e.kind IN ('SuppressionAdded', 'SuppressionRemoved') AND json_valid(e.payload) \
    THEN json_extract(e.payload, '$.address') END";
