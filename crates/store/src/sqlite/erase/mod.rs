//! Forgetting a recipient: the address goes from every row, and the text of the mail with it where
//! nobody else needs it.
//!
//! That something was sent, when, and what became of it stays, about an address that says nothing.
//! A hash of it would let anybody who has the database try addresses until one fits.
//!
//! Works beside a running server, on what has ended. What waits has to be cancelled first, by
//! whoever has the store. Not reached: copies that others hold (backups, snapshots, webhooks'
//! consumers, the disk's spare blocks), and mail in which the address is mentioned to others.

mod scrub;

use std::path::Path;

use postbell_model::{Address, DeliveryId, MessageId, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{BodyRef, segment};

use super::rows::{self, blob};
use super::{BODIES, BackupError, DATABASE, database};
use scrub::Scrub;

/// What stands in the place of the address. RFC 2606 §2: no such domain is ever there.
const NOBODY: &str = "erased@erased.invalid";
const NOWHERE: &str = "erased.invalid";

/// Deliveries that are changed in one transaction, so that a server waits for none of them long.
const BATCH: i64 = 200;

/// What is known of an address, or was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Deliveries to it that have ended.
    pub deliveries: u64,
    /// Deliveries to it that have not: they have to be cancelled first, and are left alone.
    pub waiting: u64,
    /// The addresses of those, as they are written: in upper or lower case.
    pub spellings: Vec<Address>,
    /// Events of those that have ended.
    pub events: u64,
    /// Messages to it alone.
    pub messages: u64,
    /// Messages to others as well: what they say stays for the others.
    pub shared: u64,
    /// Bodies that were overwritten.
    pub bodies: u64,
}

/// Counts what is known of an address, in one workspace or all. Reads all deliveries.
///
/// # Errors
/// The database can't be read.
pub async fn traces(
    folder: &Path,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<Traces, BackupError> {
    let mut connection = open(folder).await?;
    let (mut traces, _) = find(&mut connection, address, workspace).await?;
    let sql = "SELECT COUNT(*), COALESCE(SUM(others > 0), 0) FROM erasing_message";
    let (messages, shared): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await?;
    traces.messages = (messages - shared).unsigned_abs();
    traces.shared = shared.unsigned_abs();
    connection.close().await?;
    Ok(traces)
}

/// Erases an address from all that has ended. What was done; a second time there is nothing left.
///
/// # Errors
/// Something can't be read or written. What was erased before stays erased; the rest is found again.
pub async fn erase(
    folder: &Path,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<Traces, BackupError> {
    let mut connection = open(folder).await?;
    let (mut traces, mut left) = find(&mut connection, address, workspace).await?;
    let bodies = folder.join(BODIES);
    let scrub = Scrub::of(address);
    while left > 0 {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let deliveries = batch(&mut transaction).await?;
        left = left.saturating_sub(deliveries.len() as u64);
        if deliveries.is_empty() {
            break;
        }
        for (delivery, message) in deliveries {
            forget_events(&mut transaction, delivery, &scrub).await?;
            forget_delivery(&mut transaction, delivery).await?;
            forget_message(&mut transaction, message, &bodies, &mut traces).await?;
        }
        transaction.commit().await?;
    }
    // What was written over is in the write-ahead log until it is emptied, which a reader may put
    // off; the server empties it, too.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(traces)
}

async fn open(folder: &Path) -> Result<SqliteConnection, BackupError> {
    let file = folder.join(DATABASE);
    if !file.exists() {
        return Err(BackupError::NoStore(folder.to_owned()));
    }
    let mut connection = database::writer(&file).await?;
    database::migrate(&mut connection).await?;
    // What is replaced is written over with zeros.
    sqlx::query("PRAGMA secure_delete = ON")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Lists what has ended in a table of this connection: how much there is, and how much of it is
/// to be changed.
async fn find(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<(Traces, u64), BackupError> {
    let tables = "CREATE TEMP TABLE erasing (id BLOB PRIMARY KEY, message_id BLOB); \
        CREATE TEMP TABLE erasing_message (id BLOB PRIMARY KEY, others INTEGER, unended INTEGER)";
    sqlx::raw_sql(tables).execute(&mut *connection).await?;
    let matches = "lower(recipient) = lower(?1) AND (?2 IS NULL OR workspace_id = ?2)";
    let unended = "state IN ('queued', 'held', 'scheduled')";
    let bound = |sql: String| {
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(address.to_string())
            .bind(workspace.map(|workspace| i64::from(workspace.0)))
    };
    let waiting =
        format!("SELECT recipient FROM delivery WHERE {matches} AND {unended} ORDER BY recipient");
    let waiting = bound(waiting).fetch_all(&mut *connection).await?;
    let spelling = |row: &SqliteRow| rows::address(row.try_get(0)?, "delivery.recipient");
    let spellings: Result<Vec<_>, rows::RowError> = waiting.iter().map(spelling).collect();
    let mut spellings = spellings.map_err(|error| BackupError::Damaged(error.to_string()))?;
    spellings.dedup();
    let ended = format!(
        "INSERT INTO erasing SELECT id, message_id FROM delivery WHERE {matches} AND NOT {unended}"
    );
    let ended = bound(ended).execute(&mut *connection).await?;
    let messages = format!(
        "INSERT INTO erasing_message SELECT message_id, \
         SUM(id NOT IN (SELECT id FROM erasing)), SUM({unended}) FROM delivery \
         WHERE message_id IN (SELECT message_id FROM erasing) GROUP BY message_id"
    );
    sqlx::query(sqlx::AssertSqlSafe(messages))
        .execute(&mut *connection)
        .await?;
    let sql = "SELECT COUNT(*) FROM event WHERE delivery_id IN (SELECT id FROM erasing)";
    let events: i64 = sqlx::query_scalar(sql).fetch_one(connection).await?;
    let traces = Traces {
        deliveries: ended.rows_affected(),
        waiting: waiting.len() as u64,
        spellings,
        events: events.unsigned_abs(),
        ..Traces::default()
    };
    let left = traces.deliveries;
    Ok((traces, left))
}

/// The next deliveries to be changed, taken off the list.
async fn batch(
    connection: &mut SqliteConnection,
) -> Result<Vec<(DeliveryId, MessageId)>, BackupError> {
    let sql = "DELETE FROM erasing WHERE id IN (SELECT id FROM erasing LIMIT ?) \
        RETURNING id, message_id";
    let found = sqlx::query(sql).bind(BATCH).fetch_all(connection).await?;
    let read = |row: &SqliteRow| -> Result<_, rows::RowError> {
        let delivery = DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?);
        let message = MessageId::from_bytes(rows::octets(row, 1, "delivery.message_id")?);
        Ok((delivery, message))
    };
    let read: Result<Vec<_>, _> = found.iter().map(read).collect();
    read.map_err(|error| BackupError::Damaged(error.to_string()))
}

/// What was told of a delivery, without what names the recipient; and what is still to be told to
/// its sender, which would.
async fn forget_events(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
    scrub: &Scrub,
) -> Result<(), BackupError> {
    let sql = "SELECT position, payload FROM event WHERE delivery_id = ? AND payload IS NOT NULL";
    let events: Vec<(i64, String)> = sqlx::query_as(sql)
        .bind(blob(delivery.as_bytes()))
        .fetch_all(&mut *connection)
        .await?;
    for (position, payload) in events {
        if let Some(scrubbed) = scrub.payload(&payload) {
            sqlx::query("UPDATE event SET payload = ? WHERE position = ?")
                .bind(scrubbed)
                .bind(position)
                .execute(&mut *connection)
                .await?;
        }
    }
    let of_it = "(SELECT position FROM event WHERE delivery_id = ?)";
    for sql in [
        format!("UPDATE webhook_call SET answer = x'' WHERE position IN {of_it}"),
        format!("UPDATE webhook_retry SET last_error = '' WHERE position IN {of_it}"),
        format!(
            "UPDATE segment SET live = live - (SELECT COUNT(*) FROM report_due r \
             WHERE r.segment = segment.id AND r.position IN {of_it}) \
             WHERE id IN (SELECT segment FROM report_due)"
        ),
        format!("DELETE FROM report_due WHERE position IN {of_it}"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(blob(delivery.as_bytes()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn forget_delivery(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
) -> Result<(), BackupError> {
    let sql = "UPDATE delivery SET recipient = ?, domain = ?, orcpt = NULL WHERE id = ?";
    sqlx::query(sql)
        .bind(NOBODY)
        .bind(NOWHERE)
        .bind(blob(delivery.as_bytes()))
        .execute(connection)
        .await?;
    Ok(())
}

/// What a message says, where it was to nobody else; its text, where nobody waits for it.
async fn forget_message(
    connection: &mut SqliteConnection,
    message: MessageId,
    bodies: &Path,
    traces: &mut Traces,
) -> Result<(), BackupError> {
    let sql = "DELETE FROM erasing_message WHERE id = ? RETURNING others, unended";
    let found: Option<(i64, i64)> = sqlx::query_as(sql)
        .bind(blob(message.as_bytes()))
        .fetch_optional(&mut *connection)
        .await?;
    // Another delivery of the same message came before.
    let Some((others, unended)) = found else {
        return Ok(());
    };
    if others > 0 {
        traces.shared += 1;
    } else {
        traces.messages += 1;
        forget_words(connection, message).await?;
    }
    if unended > 0 {
        return Ok(());
    }
    let sql = "SELECT id, body_segment, body_offset, body_length FROM message WHERE id = ?";
    let row = sqlx::query(sql)
        .bind(blob(message.as_bytes()))
        .fetch_optional(connection)
        .await?;
    let body = row.as_ref().map(body).transpose();
    let body = body.map_err(|error| BackupError::Damaged(error.to_string()))?;
    let Some(body) = body else { return Ok(()) };
    let folder = bodies.to_owned();
    let overwritten = tokio::task::spawn_blocking(move || segment::overwrite(&folder, body)).await;
    let overwritten = overwritten.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let overwritten = overwritten.map_err(|source| BackupError::file(bodies, source))?;
    traces.bodies += u64::from(overwritten);
    Ok(())
}

async fn forget_words(
    connection: &mut SqliteConnection,
    message: MessageId,
) -> Result<(), BackupError> {
    for sql in [
        "UPDATE message SET subject = '', header_message_id = '', instructions = NULL WHERE id = ?",
        "DELETE FROM idempotency WHERE message_id = ?",
    ] {
        sqlx::query(sql)
            .bind(blob(message.as_bytes()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn body(row: &SqliteRow) -> Result<BodyRef, rows::RowError> {
    Ok(BodyRef {
        message: MessageId::from_bytes(rows::octets(row, 0, "message.id")?),
        segment: rows::unsigned(row, 1, "message.body_segment")?,
        offset: rows::unsigned(row, 2, "message.body_offset")?,
        length: rows::number(row, 3, "message.body_length")?,
    })
}
