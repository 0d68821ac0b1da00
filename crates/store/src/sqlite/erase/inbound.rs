//! Mail that came in from an address, to it, or about a delivery to it: what it says goes, that it
//! came stays.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use postbell_model::{Address, InboundId, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::{BodyRef, segment};

use super::super::BackupError;
use super::super::rows::{self, RowError, blob, integer};
use super::super::{BODIES, inbound};
use super::forget::NOBODY;
use super::scrub::Scrub;
use super::{BATCH, Traces};

/// How far apart the ids of one reception can be.
const AT_ONCE: Duration = Duration::from_mins(1);

/// Lists the messages, and the events that tell what they say, in tables of this connection: how
/// many messages there are. After the deliveries were listed.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<u64, BackupError> {
    let tables = "CREATE TEMP TABLE erasing_inbound (id BLOB PRIMARY KEY, name TEXT UNIQUE, \
        begun INTEGER); \
        CREATE TEMP TABLE erasing_event (position INTEGER PRIMARY KEY)";
    sqlx::raw_sql(tables).execute(&mut *connection).await?;
    let sql = "INSERT INTO erasing_inbound SELECT id, NULL, 0 FROM inbound \
        WHERE (from_mailbox = ?1 COLLATE address OR mail_from = ?1 COLLATE address \
        OR recipient = ?1 COLLATE address OR delivery_id IN (SELECT id FROM erasing)) \
        AND (?2 IS NULL OR workspace_id = ?2)";
    let found = sqlx::query(sql)
        .bind(address.to_string())
        .bind(workspace.map(|workspace| i64::from(workspace.0)))
        .execute(&mut *connection)
        .await?;
    name(connection).await?;
    // What they say stands in the log of their deliveries, and of their workspaces.
    let tells = "CASE WHEN json_valid(e.payload) THEN COALESCE(e.payload ->> '$.inbound', \
        e.payload ->> '$.late.inbound') END IN (SELECT name FROM erasing_inbound)";
    for of in [
        "e.delivery_id IN (SELECT delivery_id FROM inbound \
         WHERE id IN (SELECT id FROM erasing_inbound))",
        "e.delivery_id IS NULL AND e.sequence = 0 AND e.kind = 'Received'",
    ] {
        let sql = format!(
            "INSERT OR IGNORE INTO erasing_event SELECT e.position FROM event e \
             WHERE {of} AND {tells}"
        );
        let listed = sqlx::query(AssertSqlSafe(sql));
        listed.execute(&mut *connection).await?;
    }
    Ok(found.rows_affected())
}

/// Notes the id of each as events write it.
async fn name(connection: &mut SqliteConnection) -> Result<(), BackupError> {
    let sql = "SELECT id FROM erasing_inbound WHERE name IS NULL LIMIT ?";
    loop {
        let found = sqlx::query(sql).bind(BATCH).fetch_all(&mut *connection);
        let ids = read_ids(&found.await?)?;
        if ids.is_empty() {
            return Ok(());
        }
        for id in ids {
            sqlx::query("UPDATE erasing_inbound SET name = ? WHERE id = ?")
                .bind(id.to_string())
                .bind(blob(id.as_bytes()))
                .execute(&mut *connection)
                .await?;
        }
    }
}

/// Erases what was listed. The events first: by the messages all is found again.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    (address, scrub): (&Address, &Scrub),
    folder: &Path,
    traces: &mut Traces,
) -> Result<(), BackupError> {
    while forget_events(connection, scrub).await? {}
    let mut overwritten = HashSet::new();
    loop {
        let messages = next(connection).await?;
        if messages.is_empty() {
            traces.bodies += overwritten.len() as u64;
            return Ok(());
        }
        for id in &messages {
            overwritten.extend(overwrite(connection, *id, folder).await?);
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for id in &messages {
            forget_one(&mut transaction, *id, address).await?;
        }
        transaction.commit().await?;
        traces.inbound += messages.len() as u64;
    }
}

/// The next few events: whether there were any.
async fn forget_events(
    connection: &mut SqliteConnection,
    scrub: &Scrub,
) -> Result<bool, BackupError> {
    let sql = "DELETE FROM erasing_event WHERE position IN \
        (SELECT position FROM erasing_event LIMIT ?) RETURNING position";
    let positions: Vec<i64> = sqlx::query_scalar(sql)
        .bind(BATCH)
        .fetch_all(&mut *connection)
        .await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for position in &positions {
        let sql = "SELECT payload FROM event WHERE position = ? AND payload IS NOT NULL";
        let payload: Option<String> = sqlx::query_scalar(sql)
            .bind(position)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(payload) = payload else { continue };
        sqlx::query("UPDATE event SET payload = ? WHERE position = ?")
            .bind(scrub.mail(&payload))
            .bind(position)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(!positions.is_empty())
}

/// The next few messages. They stay on the list, which says whose octets nobody else has.
async fn next(connection: &mut SqliteConnection) -> Result<Vec<InboundId>, BackupError> {
    let sql = "UPDATE erasing_inbound SET begun = 1 WHERE id IN \
        (SELECT id FROM erasing_inbound WHERE begun = 0 LIMIT ?) RETURNING id";
    read_ids(&sqlx::query(sql).bind(BATCH).fetch_all(connection).await?)
}

fn read_ids(rows: &[SqliteRow]) -> Result<Vec<InboundId>, BackupError> {
    let ids = rows.iter().map(|row| rows::octets(row, 0, "inbound.id"));
    let ids: Result<Vec<_>, RowError> = ids.collect();
    let ids = ids.map_err(|error| BackupError::Damaged(error.to_string()))?;
    Ok(ids.into_iter().map(InboundId::from_bytes).collect())
}

/// Writes over the octets of a message; `None` where they are gone, or another address of ours got
/// them as well, which keeps them.
async fn overwrite(
    connection: &mut SqliteConnection,
    id: InboundId,
    folder: &Path,
) -> Result<Option<BodyRef>, BackupError> {
    let sql = format!("SELECT {} FROM inbound i WHERE i.id = ?", inbound::COLUMNS);
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(blob(id.as_bytes()))
        .fetch_optional(&mut *connection)
        .await?;
    let body = row.as_ref().map(read_body).transpose();
    let body = body.map_err(|error| BackupError::Damaged(error.to_string()))?;
    let Some(body) = body else { return Ok(None) };
    if is_shared(connection, id, body).await? {
        return Ok(None);
    }
    let bodies = folder.join(BODIES);
    let at = bodies.clone();
    let overwritten = tokio::task::spawn_blocking(move || segment::overwrite(&bodies, body)).await;
    let overwritten = overwritten.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let overwritten = overwritten.map_err(|source| BackupError::file(&at, source))?;
    Ok(overwritten.then_some(body))
}

/// Whether somebody else has the octets of a message as well.
async fn is_shared(
    connection: &mut SqliteConnection,
    id: InboundId,
    body: BodyRef,
) -> Result<bool, BackupError> {
    // Ids order by time, and those of one reception are made at once.
    let (from, to) = (id.made_at().before(AT_ONCE), id.made_at().after(AT_ONCE));
    let sql = "SELECT EXISTS (SELECT 1 FROM inbound WHERE id > ? AND id < ? AND body_segment = ? \
        AND body_offset = ? AND id NOT IN (SELECT id FROM erasing_inbound))";
    let shared = sqlx::query_scalar(sql)
        .bind(blob(InboundId::lowest_at(from).as_bytes()))
        .bind(blob(InboundId::lowest_at(to).as_bytes()))
        .bind(integer(body.segment))
        .bind(integer(body.offset));
    Ok(shared.fetch_one(connection).await?)
}

fn read_body(row: &SqliteRow) -> Result<BodyRef, RowError> {
    Ok(inbound::read_mail(row)?.1)
}

/// What is kept of a message beside its octets; it is not forwarded any more.
async fn forget_one(
    connection: &mut SqliteConnection,
    id: InboundId,
    address: &Address,
) -> Result<(), BackupError> {
    let sql = "DELETE FROM forward_due WHERE inbound_id = ? RETURNING segment";
    let segment = sqlx::query(sql)
        .bind(blob(id.as_bytes()))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = segment {
        sqlx::query("UPDATE segment SET live = live - 1 WHERE id = ?")
            .bind(row.try_get::<i64, _>(0)?)
            .execute(&mut *connection)
            .await?;
    }
    // No file has the number 0.
    let sql = "UPDATE inbound SET mail_from = '', from_mailbox = '', subject = '', \
        header_message_id = NULL, body_segment = 0, \
        recipient = CASE WHEN recipient = ? COLLATE address THEN ? ELSE recipient END WHERE id = ?";
    sqlx::query(sql)
        .bind(address.to_string())
        .bind(NOBODY)
        .bind(blob(id.as_bytes()))
        .execute(connection)
        .await?;
    Ok(())
}
