//! Forgetting a recipient: the address goes from every row, and the text of the mail with it where
//! nobody else needs it.
//!
//! The same goes for mail that came in from it, to it, or about what was sent to it.
//!
//! That something was sent, when, and what became of it stays, about an address that says nothing.
//! A hash of it would let anybody who has the database try addresses until one fits.
//!
//! On the suppression list stays what the recipient has wished, and what somebody has put there: it is
//! the one way to heed it. That the address is dead goes.
//!
//! Works beside a running server, on what has ended. What waits has to be cancelled first, by
//! whoever has the store. Not reached: copies that others hold (backups, snapshots, webhooks'
//! consumers, the disk's spare blocks), and mail in which the address is mentioned to others.

mod compare;
mod forget;
mod inbound;
mod list;
mod scrub;

use std::path::Path;

use postbell_model::{Address, DeliveryId, MessageId, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use super::rows;
use super::{BODIES, BackupError, DATABASE, database};
pub(super) use forget::NOBODY;
use forget::forget;
use scrub::Scrub;

/// Deliveries that are changed in one transaction, so that a server waits for none of them long.
const BATCH: i64 = 16;

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
    /// Messages that came in from it, to it, or about a delivery to it.
    pub inbound: u64,
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
    let mut traces = find(&mut connection, address, workspace).await?;
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
    let mut traces = find(&mut connection, address, workspace).await?;
    let bodies = folder.join(BODIES);
    let scrub = Scrub::of(address);
    loop {
        let deliveries = batch(&mut connection).await?;
        if deliveries.is_empty() {
            break;
        }
        forget(&mut connection, &deliveries, (&bodies, &scrub), &mut traces).await?;
    }
    traces.inbound = 0;
    inbound::forget(&mut connection, (address, &scrub), folder, &mut traces).await?;
    list::forget(&mut connection, address, workspace).await?;
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
    compare::register(&mut connection).await?;
    Ok(connection)
}

/// Lists what has ended in a table of this connection: how much there is.
async fn find(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<Traces, BackupError> {
    let tables = "CREATE TEMP TABLE erasing (id BLOB PRIMARY KEY, message_id BLOB); \
        CREATE TEMP TABLE erasing_message (id BLOB PRIMARY KEY, others INTEGER, needed INTEGER)";
    sqlx::raw_sql(tables).execute(&mut *connection).await?;
    let matches = "recipient = ?1 COLLATE address AND (?2 IS NULL OR workspace_id = ?2)";
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
    let slim = format!(
        "INSERT OR IGNORE INTO erasing SELECT id, message_id FROM slim_delivery WHERE {matches}"
    );
    let slim = bound(slim).execute(&mut *connection).await?;
    let inbound = inbound::find(connection, address, workspace).await?;
    let messages = format!(
        "INSERT INTO erasing_message SELECT message_id, \
         SUM(id NOT IN (SELECT id FROM erasing)), SUM({unended}) FROM delivery \
         WHERE message_id IN (SELECT message_id FROM erasing) GROUP BY message_id"
    );
    sqlx::query(sqlx::AssertSqlSafe(messages))
        .execute(&mut *connection)
        .await?;
    // A report about somebody else brings the message back.
    let reports = "UPDATE erasing_message SET needed = needed + 1 WHERE id IN (SELECT d.message_id \
        FROM report_due r JOIN event e ON e.position = r.position \
        JOIN delivery d ON d.id = e.delivery_id WHERE d.id NOT IN (SELECT id FROM erasing))";
    sqlx::query(reports).execute(&mut *connection).await?;
    let sql = "SELECT COUNT(*) FROM event WHERE delivery_id IN (SELECT id FROM erasing)";
    let events: i64 = sqlx::query_scalar(sql).fetch_one(connection).await?;
    Ok(Traces {
        deliveries: ended.rows_affected() + slim.rows_affected(),
        inbound,
        waiting: waiting.len() as u64,
        spellings,
        events: events.unsigned_abs(),
        ..Traces::default()
    })
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
