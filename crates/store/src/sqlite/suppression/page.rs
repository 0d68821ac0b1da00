//! Reading the list for whoever asks.

use futures_util::TryStreamExt;
use postbell_model::suppression::{LocalPart, Suppression};
use postbell_model::{Address, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::{StoreError, SuppressionFilter, SuppressionPage};

use super::super::errors::read_error;
use super::super::statements::Query;
use super::rows::{ENTRY_COLUMNS, HOLD_AT, hold_of, place_of, readable_entry, stream};
use super::{Hold, Key, ListStatements, keys};

/// The entries of an address that hold.
pub(super) async fn of(
    connection: &mut SqliteConnection,
    (workspace, address): (WorkspaceId, &Address),
    now: Timestamp,
) -> Result<Vec<Suppression>, StoreError> {
    let local_part = keys::local_part(connection).await;
    let local_part = local_part.map_err(|error| read_error(&error))?;
    let key = Key::of(workspace, address, local_part);
    let sql = format!(
        "SELECT {ENTRY_COLUMNS} FROM suppression WHERE workspace_id = ? AND key = ? \
         AND (expires_at IS NULL OR expires_at > ?) ORDER BY stream"
    );
    let query = key.bind(sqlx::query(AssertSqlSafe(sql)));
    let found = query.bind(now.as_micros()).fetch_all(connection).await;
    let found = found.map_err(|error| read_error(&error))?;
    Ok(found.iter().filter_map(readable_entry).collect())
}

/// For each address the entry that keeps it from getting mail of a stream.
pub(super) async fn suppressed(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    (workspace, stream): (WorkspaceId, Option<&str>),
    addresses: &[Address],
    (local_part, now): (LocalPart, Timestamp),
) -> Result<Vec<Option<Suppression>>, StoreError> {
    let rows = addresses.iter().enumerate();
    let rows = rows.map(|(at, to)| (at, Key::of(workspace, to, local_part)));
    let rows: Vec<_> = rows.collect();
    let bind = |query: Query<'static>, (at, key): &(usize, Key)| key.seek(*at, query);
    let mut found = vec![None; addresses.len()];
    for query in statements.entries.batch(&rows, bind) {
        let entries = query.fetch_all(&mut *connection).await;
        for row in &entries.map_err(|error| read_error(&error))? {
            let at = place_of(row, rows.len()).unwrap_or(usize::MAX);
            let (Some(asked), Some((_, key))) = (addresses.get(at), rows.get(at)) else {
                continue;
            };
            if !key.is_of(row) {
                continue;
            }
            let hold = hold_of(row, HOLD_AT);
            if found[at].is_none() && hold.holds(stream, now) {
                found[at] = Some(whole(row, hold, (key, asked)));
            }
        }
    }
    Ok(found)
}

/// The whole of an entry that was looked for. What can't be read of it is as it was asked for.
fn whole(
    row: &SqliteRow,
    Hold { by, expires_at }: Hold,
    (key, asked): (&Key, &Address),
) -> Suppression {
    let address = match row.try_get::<Option<&str>, _>(8).unwrap_or_default() {
        // As a rule it is asked for as it stands there.
        None if key.text == asked.as_str() => None,
        text => Address::parse(text.unwrap_or(&key.text)).ok(),
    };
    Suppression {
        workspace: key.workspace,
        address: address.unwrap_or_else(|| asked.clone()),
        scope: by.scope,
        cause: by.cause,
        since: by.since,
        event: by.event,
        expires_at,
        note: row.try_get(9).unwrap_or_default(),
    }
}

/// A page of the list.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    filter: &SuppressionFilter,
    page: &SuppressionPage,
) -> Result<Vec<Suppression>, StoreError> {
    let mut query = QueryBuilder::new(format!(
        "SELECT {ENTRY_COLUMNS} FROM suppression INDEXED BY suppression_key \
         WHERE workspace_id = "
    ));
    query.push_bind(i64::from(filter.workspace.0));
    push_filter(&mut query, filter);
    if let Some((address, scope)) = &page.after {
        let local_part = keys::local_part(connection).await;
        let local_part = local_part.map_err(|error| read_error(&error))?;
        query.push(" AND (key, stream) > (");
        query.push_bind(local_part.key(address));
        query.push(", ");
        query.push_bind(stream(scope).to_owned());
        query.push(")");
    }
    query.push(" ORDER BY key, stream");
    // Without LIMIT, as a page that is not full is the last one: what can't be read takes no room.
    let mut found = query.build().fetch(connection);
    let mut entries = Vec::new();
    while entries.len() < page.limit
        && let Some(row) = found.try_next().await.map_err(|error| read_error(&error))?
    {
        entries.extend(readable_entry(&row));
    }
    Ok(entries)
}

/// Workspace, time. Each from an index: to read of every entry when it ends takes many times as long, and
/// those that have ended are few, since they are removed.
pub(in crate::sqlite) const COUNT: &str = "SELECT (SELECT COUNT(*) FROM suppression \
    WHERE workspace_id = ?1) - (SELECT COUNT(*) FROM suppression INDEXED BY suppression_expiry \
    WHERE expires_at <= ?2 AND workspace_id = ?1)";

/// How many entries of a list hold.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let count: Result<i64, _> = sqlx::query_scalar(COUNT)
        .bind(i64::from(workspace.0))
        .bind(now.as_micros())
        .fetch_one(connection)
        .await;
    Ok(count.map_err(|error| read_error(&error))?.unsigned_abs())
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &SuppressionFilter) {
    query.push(" AND (expires_at IS NULL OR expires_at > ");
    query.push_bind(filter.holds_at.as_micros());
    query.push(")");
    if let Some(cause) = filter.cause {
        query.push(" AND cause = ");
        query.push_bind(cause.name());
    }
    if let Some(scope) = &filter.scope {
        query.push(" AND stream = ");
        query.push_bind(stream(scope).to_owned());
    }
    if let Some(domain) = &filter.domain {
        let ending = format!("@{}", domain.as_str().to_ascii_lowercase());
        query.push(" AND substr(key, -length(");
        query.push_bind(ending.clone());
        query.push(")) = ");
        query.push_bind(ending);
    }
    if let Some(since) = filter.since {
        query.push(" AND since >= ");
        query.push_bind(since.as_micros());
    }
}
