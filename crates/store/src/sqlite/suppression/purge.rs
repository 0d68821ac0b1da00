//! Removing entries that hold no longer, and those of workspaces that are gone.
//!
//! Nothing is told of it: when an entry expires was told as it was put there.

use postbell_model::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::StoreError;

use super::super::SqliteStore;
use super::super::errors::read_error;

/// Entries that are removed in one transaction.
const STRETCH: i64 = 256;

const EXPIRED: &str = "SELECT id FROM suppression INDEXED BY suppression_expiry \
    WHERE expires_at IS NOT NULL AND expires_at <= ?1";
const OF_NOBODY: &str = "SELECT s.id FROM workspace w \
    CROSS JOIN suppression s INDEXED BY suppression_key ON s.workspace_id = w.id \
    WHERE w.removed_at IS NOT NULL";
/// Counts that nothing was added to for long.
const FADED: &str = "SELECT workspace_id, key FROM soft_bounce INDEXED BY soft_bounce_last \
    WHERE last_at < ?2";

/// What of the list is over.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct ListOver {
    /// Entries that have expired then.
    pub expired_at: Timestamp,
    /// Soft bounces before this; `None`: none.
    pub counted_before: Option<Timestamp>,
}

impl ListOver {
    fn counted_before(self) -> i64 {
        self.counted_before.map_or(i64::MIN, Timestamp::as_micros)
    }
}

impl SqliteStore {
    /// Whether anything is.
    pub(in crate::sqlite) async fn is_list_over(&self, over: ListOver) -> Result<bool, StoreError> {
        let sql = format!("SELECT EXISTS ({EXPIRED}) OR EXISTS ({OF_NOBODY}) OR EXISTS ({FADED})");
        let found = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(over.expired_at.as_micros())
            .bind(over.counted_before())
            .fetch_one(&self.readers)
            .await;
        found.map_err(|error| read_error(&error))
    }
}

/// Removes some of it: how many entries.
pub(in crate::sqlite) async fn remove_some(
    connection: &mut SqliteConnection,
    over: ListOver,
) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    for (table, found) in [
        ("suppression WHERE id IN", EXPIRED),
        ("suppression WHERE id IN", OF_NOBODY),
        ("soft_bounce WHERE (workspace_id, key) IN", FADED),
    ] {
        let sql = format!("DELETE FROM {table} ({found} LIMIT ?3)");
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(over.expired_at.as_micros())
            .bind(over.counted_before())
            .bind(STRETCH)
            .execute(&mut *connection)
            .await?;
        removed += done.rows_affected();
    }
    Ok(removed)
}
