//! The end of the mail of domains that were removed.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use postbell_model::{DeliveryState, RejectReason, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{
    Action, DeliveryFilter, DomainRemoval, DomainRemovals, Holder, Operate, Operated, StoreError,
    Tenants,
};

use super::errors::read_error;
use super::rows::{self, RowError, integer};
use super::tenants::store_error;
use super::{SqliteStore, inspect};

// How long a door may let mail in that knows of no removal: the directory is read anew every
// second, and a message that was being decided on takes a moment more.
const UNAWARE: Duration = Duration::from_secs(5);

// How long what came of a removal can be asked.
const KEPT: Duration = Duration::from_hours(24);

const COLUMNS: &str = "id, workspace_id, domain, removed_at, rejected, ended_at";

#[async_trait]
impl DomainRemovals for SqliteStore {
    async fn reject_removed_beside(
        &self,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<usize, StoreError> {
        let mut open = 0;
        for removal in self.removals().await? {
            if !self.reject(&removal, now, holder).await? {
                open += 1;
            }
        }
        Ok(open)
    }
}

impl SqliteStore {
    async fn removals(&self) -> Result<Vec<DomainRemoval>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM domain_removal WHERE ended_at IS NULL ORDER BY id"
        ));
        let found = sqlx::query(sql).fetch_all(&self.readers).await;
        let found = found.map_err(|error| read_error(&error))?;
        Ok(found.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Rejects what waits of one domain: whether that was the last.
    async fn reject(
        &self,
        removal: &DomainRemoval,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<bool, StoreError> {
        self.tenants.refresh_once().await?;
        let directory = self.tenants.directory();
        // Mail of the same domain, added anew by the same workspace, is none of this; nor is what
        // is accepted from now on, since it may be added anew while this runs.
        let added_anew = directory.domain(&removal.domain);
        let added_anew = added_anew.filter(|domain| domain.workspace == removal.workspace);
        let filter = DeliveryFilter {
            workspace: Some(removal.workspace),
            sender_domain: Some(removal.domain.clone()),
            accepted_before: Some(added_anew.map_or(now, |domain| domain.created_at)),
            ..DeliveryFilter::default()
        };
        let done = self.reject_waiting(&filter, now, holder).await?;
        let over = done.left_alone == 0 && now >= removal.removed_at.after(UNAWARE);
        if over || done.changed > 0 {
            self.note(removal, done.changed, over.then_some(now))
                .await?;
        }
        Ok(over)
    }

    /// Lane by lane, whose order the index has; what is scheduled is in none.
    async fn reject_waiting(
        &self,
        filter: &DeliveryFilter,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<Operated, StoreError> {
        let action = Action::Reject(RejectReason::DomainDeleted);
        let of_state = |states: &[DeliveryState]| DeliveryFilter {
            states: states.to_vec(),
            ..filter.clone()
        };
        let in_lanes = of_state(&[DeliveryState::Queued, DeliveryState::Held]);
        let depths = inspect::depths(&self.readers, &in_lanes).await?;
        let domains: BTreeSet<_> = depths.into_iter().map(|depth| depth.lane.domain).collect();
        let scheduled = of_state(&[DeliveryState::Scheduled]);
        let mut done = self.operate(&scheduled, &action, now).await?;
        for domain in domains {
            let lane = DeliveryFilter {
                domain: Some(domain),
                ..in_lanes.clone()
            };
            let in_lane = self.operate_beside(&lane, &action, now, holder).await?;
            done.changed += in_lane.changed;
            done.left_alone += in_lane.left_alone;
        }
        Ok(done)
    }

    async fn note(
        &self,
        removal: &DomainRemoval,
        rejected: u64,
        ended_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let mut connection = self.tenants.connection().await?;
        let noted = note(&mut connection, (removal.id, rejected), ended_at).await;
        noted.map_err(|error| store_error(&error))
    }
}

/// Adds to what came of a removal; once it has ended, the oldest ones are forgotten.
async fn note(
    connection: &mut SqliteConnection,
    (id, rejected): (u64, u64),
    ended_at: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    let sql = "UPDATE domain_removal SET rejected = rejected + ?, ended_at = ? WHERE id = ?";
    sqlx::query(sql)
        .bind(integer(rejected))
        .bind(ended_at.map(Timestamp::as_micros))
        .bind(integer(id))
        .execute(&mut *connection)
        .await?;
    if let Some(now) = ended_at {
        sqlx::query("DELETE FROM domain_removal WHERE ended_at < ?")
            .bind(now.before(KEPT).as_micros())
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// What became of a removal.
pub(super) async fn one(
    connection: &mut SqliteConnection,
    id: u64,
) -> Result<Option<DomainRemoval>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM domain_removal WHERE id = ?"));
    let found = sqlx::query(sql)
        .bind(integer(id))
        .fetch_optional(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.as_ref().map(read).transpose()?)
}

fn read(row: &SqliteRow) -> Result<DomainRemoval, RowError> {
    let ended_at: Option<i64> = row.try_get(5)?;
    Ok(DomainRemoval {
        id: rows::unsigned(row, 0, "domain_removal.id")?,
        workspace: WorkspaceId(rows::number(row, 1, "domain_removal.workspace_id")?),
        domain: rows::domain(row.try_get(2)?, "domain_removal.domain")?,
        removed_at: rows::time(row, 3)?,
        rejected: rows::unsigned(row, 4, "domain_removal.rejected")?,
        ended_at: ended_at.map(Timestamp::from_micros),
    })
}
