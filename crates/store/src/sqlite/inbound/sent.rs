//! Deliveries that what came in is about: by their id, or by what came back of their message.
//!
//! Message-IDs have no index, which every message would pay for: a report without any token of ours
//! is rare, and tells a stretch of time. Messages are ordered by theirs, so that the stretch is
//! read, on a connection of its own, so much of it at a time that whoever gives up waiting ends it.

use std::time::Duration;

use postbell_model::{Address, DeliveryId, MessageId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::{SENT_MAX, Sent, SentSearch, StoreError};

use super::super::errors::read_error;
use super::super::rows::{self, RowError, blob};
use super::super::slim;

/// A stretch with more messages than these is not read.
pub(in crate::sqlite) const SCAN: i64 = 1_000_000;
/// Messages that are read in one statement.
const PAGE: i64 = 20_000;

/// Where the message begins in [`select`].
const MESSAGE_AT: usize = 3;

fn select() -> String {
    format!(
        "SELECT d.id, d.recipient, d.state, {} FROM delivery d \
         JOIN message m ON m.id = d.message_id",
        rows::MESSAGE_COLUMNS
    )
}

fn select_slim() -> String {
    format!("SELECT {} FROM slim_delivery l", slim::COLUMNS)
}

pub(in crate::sqlite) async fn one(
    pool: &SqlitePool,
    id: DeliveryId,
) -> Result<Option<Sent>, StoreError> {
    let find = |sql: String| {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(blob(id.as_bytes()));
        query.fetch_optional(pool)
    };
    let full = find(select() + " WHERE d.id = ?").await;
    if let Some(row) = full.map_err(|error| read_error(&error))? {
        return Ok(Some(read(&row)?));
    }
    let slim = find(select_slim() + " WHERE l.id = ?").await;
    let slim = slim.map_err(|error| read_error(&error))?;
    Ok(slim.as_ref().map(slim::read_sent).transpose()?)
}

pub(super) async fn by_message_id(
    pool: &SqlitePool,
    search: &SentSearch,
) -> Result<Vec<Sent>, StoreError> {
    let mut reader = pool.acquire().await.map_err(|error| read_error(&error))?;
    let found = find(&mut reader, search, SCAN).await;
    found.map_err(|error| match error {
        RowError::Sql(error) => read_error(&error),
        other => other.into(),
    })
}

/// Those that fit, where the stretch has at most so many messages.
async fn find(
    reader: &mut SqliteConnection,
    search: &SentSearch,
    scan: i64,
) -> Result<Vec<Sent>, RowError> {
    let full = Stretch::of("message", search);
    let slim = Stretch::of("slim_delivery", search);
    if full.length(reader, scan).await? + slim.length(reader, scan).await? > scan {
        return Ok(Vec::new());
    }
    let mut sent = Vec::new();
    for id in full.with(reader, &search.header_message_id).await? {
        of_message(reader, MessageId::from_bytes(id), &mut sent).await?;
    }
    for id in slim.with(reader, &search.header_message_id).await? {
        let sql = select_slim() + " WHERE l.id = ?";
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id.to_vec());
        let row = query.fetch_optional(&mut *reader).await?;
        sent.extend(row.as_ref().map(slim::read_sent).transpose()?);
    }
    if let Some(recipient) = &search.recipient {
        sent.retain(|sent| is_same(&sent.recipient, recipient));
    }
    sent.truncate(SENT_MAX);
    Ok(sent)
}

/// Reports write addresses in upper or lower case as they like.
fn is_same(one: &Address, other: &Address) -> bool {
    one.as_str().to_lowercase() == other.as_str().to_lowercase()
}

/// The rows of a table whose ids were made between two moments.
struct Stretch {
    table: &'static str,
    from: Vec<u8>,
    until: Vec<u8>,
}

impl Stretch {
    fn of(table: &'static str, search: &SentSearch) -> Self {
        let after = search.until.after(Duration::from_millis(1));
        Self {
            table,
            from: blob(MessageId::lowest_at(search.from).as_bytes()),
            until: blob(MessageId::lowest_at(after).as_bytes()),
        }
    }

    /// How many rows it has; one more than `most` where there are more.
    async fn length(&self, reader: &mut SqliteConnection, most: i64) -> Result<i64, sqlx::Error> {
        let mut from = self.from.clone();
        let mut length = 0;
        while let Some((count, last)) = self.page(reader, &from).await? {
            length += count;
            if length > most {
                break;
            }
            from = last;
        }
        Ok(length)
    }

    /// How many rows a page after an id has, and its last id.
    async fn page(
        &self,
        reader: &mut SqliteConnection,
        after: &[u8],
    ) -> Result<Option<(i64, Vec<u8>)>, sqlx::Error> {
        let sql = format!(
            "SELECT COUNT(*), MAX(id) FROM (SELECT id FROM {} WHERE id > ? AND id < ? \
             ORDER BY id LIMIT {PAGE})",
            self.table
        );
        let (count, last): (i64, Option<Vec<u8>>) = sqlx::query_as(AssertSqlSafe(sql))
            .bind(after.to_vec())
            .bind(self.until.clone())
            .fetch_one(reader)
            .await?;
        Ok(last.map(|last| (count, last)))
    }

    /// The ids of the rows with this Message-ID, as many as anybody wants.
    async fn with(
        &self,
        reader: &mut SqliteConnection,
        header_message_id: &str,
    ) -> Result<Vec<[u8; 16]>, RowError> {
        let sql = format!(
            "SELECT id FROM {} WHERE id > ? AND id <= ? AND header_message_id = ? LIMIT ?",
            self.table
        );
        let (mut from, mut found) = (self.from.clone(), Vec::new());
        while found.len() < SENT_MAX
            && let Some((_, last)) = self.page(reader, &from).await?
        {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(from)
                .bind(last.clone())
                .bind(header_message_id.to_owned())
                .bind(i64::try_from(SENT_MAX).unwrap_or(i64::MAX))
                .fetch_all(&mut *reader)
                .await?;
            for row in &rows {
                found.push(rows::octets(row, 0, "id")?);
            }
            from = last;
        }
        Ok(found)
    }
}

/// Adds the deliveries of a message, which were made in its millisecond.
async fn of_message(
    reader: &mut SqliteConnection,
    message: MessageId,
    sent: &mut Vec<Sent>,
) -> Result<(), RowError> {
    let sql = select() + " WHERE d.id >= ? AND d.id < ? AND d.message_id = ? ORDER BY d.id";
    let later = message.made_at().after(Duration::from_millis(1));
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(blob(DeliveryId::lowest_at(message.made_at()).as_bytes()))
        .bind(blob(DeliveryId::lowest_at(later).as_bytes()))
        .bind(blob(message.as_bytes()))
        .fetch_all(reader)
        .await?;
    for row in &found {
        sent.push(read(row)?);
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Sent, RowError> {
    let state = row.try_get::<&str, _>(2)?.parse();
    Ok(Sent {
        delivery: DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?),
        recipient: rows::address(row.try_get(1)?, "delivery.recipient")?,
        state: state.map_err(|_| RowError::Column("delivery.state"))?,
        message: rows::read_message(row, MESSAGE_AT)?.0,
    })
}

#[cfg(test)]
mod tests {
    use postbell_model::Timestamp;

    use super::super::super::database::{migrate, writer};
    use super::*;

    #[tokio::test]
    async fn a_stretch_that_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = writer(&folder.path().join("sent.db")).await.unwrap();
        migrate(&mut database).await.unwrap();
        let at = Timestamp::from_micros(1_790_000_000_000_000);
        for _ in 0..3 {
            let sql = "INSERT INTO slim_delivery VALUES \
                (?1, ?1, 1, 1, 'a@example.com', 'delivered', 2, '<1@example.org>', 0, NULL, NULL)";
            let insert = sqlx::query(sql).bind(blob(DeliveryId::new(at).as_bytes()));
            insert.execute(&mut database).await.unwrap();
        }
        let search = SentSearch {
            header_message_id: "<1@example.org>".to_owned(),
            recipient: None,
            from: at,
            until: at,
        };
        let found = find(&mut database, &search, 3).await.unwrap();
        assert_eq!(found.len(), 3);
        let found = find(&mut database, &search, 2).await.unwrap();
        assert!(found.is_empty());
    }
}
