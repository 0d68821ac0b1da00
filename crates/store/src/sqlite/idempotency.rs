//! Keys that make a second submission of the same message known.

use std::collections::HashMap;

use postbell_model::{MessageId, Timestamp, WorkspaceId};
use sqlx::SqliteConnection;

use crate::{IdempotencyKey, Submission};

use super::rows::{self, blob};

// Keys removed with each that is written: more than one, so that their number falls.
const REMOVED: i64 = 4;

/// What was found about the submissions of a batch, by the message that each would be.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<MessageId, MessageId>);

impl Known {
    /// The earlier message with the same key.
    pub(super) fn earlier(&self, submission: &Submission) -> Option<MessageId> {
        self.0.get(&submission.message.id).copied()
    }
}

/// Looks up the keys of a batch. The committer alone writes them, so what is found holds until
/// its commit.
pub(super) async fn known(
    connection: &mut SqliteConnection,
    submissions: impl Iterator<Item = &Submission>,
) -> Result<Known, sqlx::Error> {
    let mut known = Known::default();
    let mut of_batch: HashMap<(WorkspaceId, &str), MessageId> = HashMap::new();
    for submission in submissions {
        let Some(IdempotencyKey { key, .. }) = &submission.idempotency else {
            continue;
        };
        let message = &submission.message;
        let in_batch = of_batch.get(&(message.workspace, key)).copied();
        let earlier = match in_batch {
            Some(earlier) => Some(earlier),
            None => find(connection, (message.workspace, key), message.accepted_at).await?,
        };
        match earlier {
            Some(earlier) => {
                known.0.insert(message.id, earlier);
            }
            None => {
                of_batch.insert((message.workspace, key), message.id);
            }
        }
    }
    Ok(known)
}

/// The message that was accepted with a key, while the key is kept.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    (workspace, key): (WorkspaceId, &str),
    now: Timestamp,
) -> Result<Option<MessageId>, sqlx::Error> {
    let sql = "SELECT message_id FROM idempotency \
        WHERE workspace_id = ? AND key = ? AND expires_at > ?";
    let found = sqlx::query(sql)
        .bind(i64::from(workspace.0))
        .bind(key)
        .bind(now.as_micros())
        .fetch_optional(connection)
        .await?;
    // An id that can't be read makes nothing known: the key is written anew.
    Ok(found
        .and_then(|row| rows::octets(&row, 0, "idempotency.message_id").ok())
        .map(MessageId::from_bytes))
}

/// Writes the key of a submission, and removes some that have expired.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    submission: &Submission,
) -> Result<(), sqlx::Error> {
    let Some(IdempotencyKey { key, until }) = &submission.idempotency else {
        return Ok(());
    };
    let message = &submission.message;
    forget(connection, message.accepted_at, REMOVED).await?;
    let insert = "INSERT OR REPLACE INTO idempotency (workspace_id, key, message_id, expires_at) \
        VALUES (?, ?, ?, ?)";
    sqlx::query(insert)
        .bind(i64::from(message.workspace.0))
        .bind(key.as_str())
        .bind(blob(message.id.as_bytes()))
        .bind(until.as_micros())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes keys that have expired, at most so many: how many.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let sql = "DELETE FROM idempotency WHERE (workspace_id, key) IN \
        (SELECT workspace_id, key FROM idempotency WHERE expires_at <= ? \
         ORDER BY expires_at LIMIT ?)";
    let removed = sqlx::query(sql)
        .bind(now.as_micros())
        .bind(limit)
        .execute(connection)
        .await?;
    Ok(removed.rows_affected())
}
