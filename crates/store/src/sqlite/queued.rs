//! What waits for a domain, as people ask for it beside a running server.

use postbell_model::{Domain, Timestamp, WorkspaceId};
use sqlx::Row;

use super::closed;
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, store_error};
use crate::StoreError;

/// What is queued for one domain of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedLane {
    /// Whose mail it is.
    pub workspace: WorkspaceId,
    /// Deliveries that are queued.
    pub deliveries: u64,
    /// When the first of them is due; a delivery in flight is due again where its process dies.
    pub next_at: Timestamp,
}

impl SqliteTenants {
    /// The lanes of a domain. Costs a look at each queued delivery of it.
    ///
    /// # Errors
    /// The database can't be read.
    pub async fn queued_for(&self, domain: &Domain) -> Result<Vec<QueuedLane>, StoreError> {
        let sql = "SELECT l.workspace_id, COUNT(*), MIN(d.next_at) FROM lane l \
            JOIN delivery d ON d.workspace_id = l.workspace_id AND d.domain = l.domain \
            AND d.state = 'queued' WHERE l.domain = ? GROUP BY l.workspace_id";
        let mut guard = self.connection().await;
        let connection = guard.as_mut().ok_or_else(closed)?;
        let query = sqlx::query(sql).bind(domain.as_str().to_owned());
        let found = query.fetch_all(connection).await;
        let found = found.map_err(|error| store_error(&error))?;
        let lane = |row: &sqlx::sqlite::SqliteRow| -> Result<_, RowError> {
            let deliveries: i64 = row.try_get(1)?;
            Ok(QueuedLane {
                workspace: WorkspaceId(rows::number(row, 0, "lane.workspace_id")?),
                deliveries: deliveries.unsigned_abs(),
                next_at: rows::time(row, 2)?,
            })
        };
        let lanes = found.iter().map(lane).collect::<Result<_, _>>();
        lanes.map_err(|error: RowError| StoreError::Corrupt(error.to_string().into()))
    }
}
