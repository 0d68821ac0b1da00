//! How addresses are compared, which is the same for all entries: it stands in the database, so that a
//! command beside the server compares as the server does.

use std::collections::HashMap;

use postbell_model::suppression::LocalPart;
use postbell_model::{Address, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::super::rows;
use super::super::statements::{BatchStatement, Query};
use super::rows::Key;

// Entries that are read at a time.
const STRETCH: i64 = 2_048;
/// Keys that begin with a quotation mark.
const QUOTED: &str = "key >= '\"' AND key < '#'";

/// How the keys of the list are made.
pub(in crate::sqlite) async fn local_part(
    connection: &mut SqliteConnection,
) -> Result<LocalPart, sqlx::Error> {
    let name: String = sqlx::query_scalar("SELECT local_part FROM suppression_keys")
        .fetch_one(connection)
        .await?;
    Ok(match name.as_str() {
        "exact" => LocalPart::Exact,
        _ => LocalPart::Fold,
    })
}

const fn name(local_part: LocalPart) -> &'static str {
    match local_part {
        LocalPart::Fold => "fold",
        LocalPart::Exact => "exact",
    }
}

/// Brings what an older program has written to what is looked for, in the caller's transaction: entries
/// get the numbers that they are looked up by, and keys lose quotes that they do without.
pub(in crate::sqlite) async fn bring_up(
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    put_hashes(connection).await?;
    let local_part = local_part(connection).await?;
    rekey_all(connection, local_part, QUOTED).await?;
    let sql = format!("DELETE FROM soft_bounce WHERE {QUOTED}");
    let forget = sqlx::query(AssertSqlSafe(sql));
    forget.execute(&mut *connection).await?;
    unquote_verified(connection).await
}

/// Verified addresses are found as the list is by default.
async fn unquote_verified(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let sql = format!("SELECT workspace_id, key FROM verified_address WHERE {QUOTED}");
    let found = sqlx::query(AssertSqlSafe(sql));
    for row in found.fetch_all(&mut *connection).await? {
        let (workspace, key) = (row.try_get::<i64, _>(0)?, row.try_get::<&str, _>(1)?);
        let Ok(address) = rows::address(key, "verified_address.key") else {
            continue;
        };
        // One that is there under its other key already is there twice, and either may go.
        let sql =
            "UPDATE OR REPLACE verified_address SET key = ? WHERE workspace_id = ? AND key = ?";
        let unquote = sqlx::query(sql)
            .bind(LocalPart::Fold.key(&address))
            .bind(workspace)
            .bind(key.to_owned());
        unquote.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn put_hashes(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let statement = BatchStatement::new(
        "UPDATE suppression SET hash = v.column2 FROM",
        2,
        "AS v WHERE suppression.id = v.column1",
    );
    let mut after = 0;
    loop {
        let sql = "SELECT id, workspace_id, key FROM suppression WHERE id > ? ORDER BY id LIMIT ?";
        let found = sqlx::query(sql)
            .bind(after)
            .bind(STRETCH)
            .fetch_all(&mut *connection)
            .await?;
        let Some(last) = found.last() else {
            return Ok(());
        };
        after = last.try_get(0)?;
        let bind = |query: Query<'static>, (id, key): &(i64, Key)| query.bind(*id).bind(key.hash());
        let keys: Result<Vec<_>, sqlx::Error> = found.iter().map(numbered).collect();
        for query in statement.batch(&keys?, bind) {
            query.execute(&mut *connection).await?;
        }
    }
}

/// Whether an entry has the number that it is looked up by: columns as [`numbered`] reads them, and
/// the number.
pub(in crate::sqlite) fn is_found(row: &SqliteRow) -> Result<bool, sqlx::Error> {
    let (_, key) = numbered(row)?;
    Ok(row.try_get::<Option<i64>, _>(3)? == Some(key.hash()))
}

fn numbered(row: &SqliteRow) -> Result<(i64, Key), sqlx::Error> {
    let text = row.try_get(2)?;
    let workspace = workspace(row, 1)?;
    Ok((row.try_get(0)?, Key { workspace, text }))
}

fn workspace(row: &SqliteRow, at: usize) -> Result<WorkspaceId, sqlx::Error> {
    let id: i64 = row.try_get(at)?;
    Ok(WorkspaceId(u32::try_from(id).unwrap_or_default()))
}

/// Makes all keys anew, in the caller's transaction: how many have changed. Entries that become one
/// are one from then on, which holds for as long as any of them.
pub(super) async fn make_anew(
    connection: &mut SqliteConnection,
    local_part: LocalPart,
) -> Result<u64, sqlx::Error> {
    let changed = rekey_all(connection, local_part, "true").await?;
    sqlx::query("DELETE FROM soft_bounce")
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE suppression_keys SET local_part = ?")
        .bind(name(local_part))
        .execute(connection)
        .await?;
    Ok(changed)
}

/// Makes the keys anew of those of the entries: how many have changed.
async fn rekey_all(
    connection: &mut SqliteConnection,
    local_part: LocalPart,
    which: &str,
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    let mut after = 0;
    loop {
        let sql = format!(
            "SELECT id, key, COALESCE(address, key), workspace_id FROM suppression \
             WHERE id > ? AND {which} ORDER BY id LIMIT ?"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(STRETCH)
            .fetch_all(&mut *connection)
            .await?;
        let Some(last) = found.last() else {
            return Ok(changed);
        };
        after = last.try_get(0)?;
        let mut others = Vec::new();
        for row in &found {
            let (id, key, text) = (row.try_get(0)?, row.try_get::<&str, _>(1)?, row.try_get(2)?);
            let Ok(address) = rows::address(text, "suppression.address") else {
                continue;
            };
            let workspace = workspace(row, 3)?;
            let other = Key::of(workspace, &address, local_part);
            if other.text != key {
                others.push(Rekeyed {
                    id,
                    key: other,
                    address,
                });
            }
        }
        changed += others.len() as u64;
        rekey(connection, &others).await?;
    }
}

/// An entry with its other key.
struct Rekeyed {
    id: i64,
    key: Key,
    address: Address,
}

async fn rekey(connection: &mut SqliteConnection, others: &[Rekeyed]) -> Result<(), sqlx::Error> {
    // What stands there already keeps its key: it is told by the rows that are not changed.
    let statement = BatchStatement::new(
        "UPDATE OR IGNORE suppression SET key = v.column2, address = v.column3, \
         hash = v.column4 FROM",
        4,
        "AS v WHERE suppression.id = v.column1 RETURNING id, key",
    );
    let bind = |query: Query<'static>, other: &Rekeyed| {
        let address = other.address.as_str();
        query
            .bind(other.id)
            .bind(other.key.text.clone())
            .bind((address != other.key.text).then(|| address.to_owned()))
            .bind(other.key.hash())
    };
    let mut done = HashMap::new();
    for query in statement.batch(others, bind) {
        for row in query.fetch_all(&mut *connection).await? {
            done.insert(row.try_get::<i64, _>(0)?, row.try_get::<String, _>(1)?);
        }
    }
    let kept = others
        .iter()
        .filter(|other| done.get(&other.id) != Some(&other.key.text));
    for other in kept {
        merge(connection, other).await?;
    }
    Ok(())
}

/// One entry takes in another, of an address that is the same now: how long it holds, and what was
/// wished.
async fn merge(connection: &mut SqliteConnection, other: &Rekeyed) -> Result<(), sqlx::Error> {
    let merge = "UPDATE suppression SET expires_at = CASE WHEN suppression.expires_at IS NULL \
        OR gone.expires_at IS NULL THEN NULL ELSE MAX(suppression.expires_at, gone.expires_at) END \
        FROM suppression AS gone WHERE gone.id = ?1 \
        AND suppression.workspace_id = gone.workspace_id AND suppression.key = ?2 \
        AND suppression.stream = gone.stream";
    let wish = "UPDATE suppression SET cause = gone.cause, since = gone.since, \
        event_id = gone.event_id FROM suppression AS gone WHERE gone.id = ?1 \
        AND gone.cause IN ('COMPLAINT', 'UNSUBSCRIBE') \
        AND suppression.workspace_id = gone.workspace_id AND suppression.key = ?2 \
        AND suppression.stream = gone.stream \
        AND suppression.cause NOT IN ('COMPLAINT', 'UNSUBSCRIBE')";
    for sql in [merge, wish] {
        let text = other.key.text.clone();
        let merged = sqlx::query(sql).bind(other.id).bind(text);
        merged.execute(&mut *connection).await?;
    }
    sqlx::query("DELETE FROM suppression WHERE id = ?")
        .bind(other.id)
        .execute(connection)
        .await?;
    Ok(())
}
