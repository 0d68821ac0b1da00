//! Every body that is still needed, read and checked against its checksum.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use postbell_model::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, SqliteConnection};

use crate::{BodyRef, StoreError, segment};

use super::super::rows::{self, RowError};
use super::super::{BODIES, DATABASE, OpenError, database};
use super::Verified;

/// Bodies that are read by one call.
const BATCH: usize = 256;

/// Bodies of deliveries that have not ended, and of messages that a report is to bring back; and
/// those that came in and are kept, or are to be forwarded.
const NEEDED: &str = "SELECT m.id, m.body_segment, m.body_offset, m.body_length FROM message m \
    WHERE m.id IN (SELECT message_id FROM delivery WHERE state IN ('queued', 'held', 'scheduled')) \
    OR m.id IN (SELECT d.message_id FROM report_due r JOIN event e ON e.position = r.position \
    JOIN delivery d ON d.id = e.delivery_id) \
    UNION SELECT i.body_id, i.body_segment, i.body_offset, i.body_length FROM inbound i \
    JOIN segment s ON s.id = i.body_segment WHERE s.kept_at IS NOT NULL \
    OR i.id IN (SELECT inbound_id FROM forward_due) ORDER BY 2, 3";

/// A body that can't be read, and why.
type Unreadable = (MessageId, StoreError);

pub(super) async fn check(
    connection: &mut SqliteConnection,
    folder: &Path,
    verified: &mut Verified,
) -> Result<(), OpenError> {
    let mut unreadable = Vec::new();
    let mut told = Vec::new();
    let mut found = sqlx::query(NEEDED).fetch(&mut *connection).chunks(BATCH);
    while let Some(chunk) = found.next().await {
        let mut bodies = Vec::with_capacity(chunk.len());
        for row in chunk {
            match body(&row?) {
                Ok(body) => bodies.push(body),
                Err(error) => told.push(format!("a message can't be read: {error}")),
            }
        }
        verified.bodies += bodies.len() as u64;
        unreadable.extend(read_all(folder.join(BODIES), bodies).await);
    }
    drop(found);
    told.extend(still_needed(folder, unreadable, verified.is_backup).await?);
    verified.all_wrong("bodies", told);
    Ok(())
}

fn body(row: &SqliteRow) -> Result<BodyRef, RowError> {
    Ok(BodyRef {
        message: MessageId::from_bytes(rows::octets(row, 0, "message.id")?),
        segment: rows::unsigned(row, 1, "message.body_segment")?,
        offset: rows::unsigned(row, 2, "message.body_offset")?,
        length: rows::number(row, 3, "message.body_length")?,
    })
}

async fn read_all(folder: PathBuf, bodies: Vec<BodyRef>) -> Vec<Unreadable> {
    let first = bodies.first().copied();
    let read = tokio::task::spawn_blocking(move || {
        let wrong = |body: &BodyRef| Some((body.message, segment::read(&folder, *body).err()?));
        bodies.iter().filter_map(wrong).collect::<Vec<_>>()
    });
    match (read.await, first) {
        (Ok(unreadable), _) => unreadable,
        (Err(error), Some(body)) => {
            vec![(body.message, StoreError::Read(error.to_string().into()))]
        }
        (Err(_), None) => Vec::new(),
    }
}

/// What is wrong indeed: beside a running server a file may have gone since the look, with the
/// last delivery that needed it.
async fn still_needed(
    folder: &Path,
    unreadable: Vec<Unreadable>,
    is_backup: bool,
) -> Result<Vec<String>, OpenError> {
    if unreadable.is_empty() || is_backup {
        return Ok(unreadable
            .into_iter()
            .map(|(_, why)| why.to_string())
            .collect());
    }
    let mut now = database::reader(&folder.join(DATABASE)).await?;
    let rows = sqlx::query(NEEDED).fetch_all(&mut now).await?;
    // It was only read from.
    let _closed = now.close().await;
    let needed = rows.iter().filter_map(|row| Some(body(row).ok()?.message));
    let needed: HashSet<_> = needed.collect();
    let wrong = unreadable.into_iter().filter(|(id, _)| needed.contains(id));
    Ok(wrong.map(|(_, why)| why.to_string()).collect())
}
