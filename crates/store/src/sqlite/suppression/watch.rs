//! Hearing of what another process puts on the list.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, WorkspaceId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::super::rows::{self, RowError};
use super::super::shared::Shared;
use super::rows::Key;

// How soon it is heard of.
const EVERY: Duration = Duration::from_secs(1);
// Entries that are read at a time.
const STRETCH: i64 = 4_096;

impl Shared {
    /// Looks every second what is new on the list, until `stop`.
    pub(in crate::sqlite) async fn watch_list(
        self: Arc<Self>,
        readers: SqlitePool,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = clock.sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.learn_list(&readers).await {
                tracing::warn!(%error, "what is new on the suppression list can't be read");
            }
        }
    }

    /// Learns what is new, where something is: else what is claimed now and was just taken off the
    /// list would be given back again and again.
    pub(in crate::sqlite) async fn catch_up(
        &self,
        readers: &SqlitePool,
    ) -> Result<(), sqlx::Error> {
        if self.recent().is_behind() {
            self.learn_list(readers).await?;
        }
        Ok(())
    }

    /// Learns what is new.
    pub(super) async fn learn_list(&self, readers: &SqlitePool) -> Result<(), sqlx::Error> {
        loop {
            let known_to = self.recent().known_to();
            // What was put there before the look and is not found by it was taken off again.
            let put_to = self.recent().highest();
            let sql = "SELECT id, workspace_id, key FROM suppression WHERE id > ? \
                ORDER BY id LIMIT ?";
            let found = sqlx::query(sql)
                .bind(known_to)
                .bind(STRETCH)
                .fetch_all(readers)
                .await?;
            let last = found.last().map_or(Ok(known_to), |row| row.try_get(0))?;
            let entries: Vec<_> = found.iter().filter_map(|row| read(row).ok()).collect();
            if has_room(&found) {
                self.recent().learn(&entries, put_to.max(last));
                return Ok(());
            }
            self.recent().learn(&entries, last);
        }
    }
}

/// Whether a stretch had room for more.
fn has_room(found: &[SqliteRow]) -> bool {
    i64::try_from(found.len()).is_ok_and(|count| count < STRETCH)
}

fn read(row: &SqliteRow) -> Result<(i64, Key), RowError> {
    let workspace = WorkspaceId(rows::number(row, 1, "suppression.workspace_id")?);
    let text = row.try_get(2)?;
    Ok((row.try_get(0)?, Key { workspace, text }))
}

/// The number of the newest entry.
pub(in crate::sqlite) async fn newest(
    connection: &mut SqliteConnection,
) -> Result<i64, sqlx::Error> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(id) FROM suppression")
        .fetch_one(connection)
        .await?;
    Ok(newest.unwrap_or(0))
}
