//! How much may be handed in, and what was taken of it.

use async_trait::async_trait;
use postbell_model::{SendingLimits, WorkspaceId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows::RowError;
use super::tenants::{SqliteTenants, store_error};
use super::{SqliteStore, rows};
use crate::{Account, Allowances, StoreError, TenantError, Tenants};

// Older days are of no use to anybody.
const DAYS_KEPT: u32 = 32;

#[async_trait]
impl Allowances for SqliteTenants {
    async fn set_workspace_limits(
        &self,
        workspace: WorkspaceId,
        limits: SendingLimits,
    ) -> Result<(), TenantError> {
        let directory = self.directory();
        if !directory.workspaces().iter().any(|w| w.id == workspace) {
            return Err(TenantError::NoSuchWorkspace(workspace));
        }
        let sql = "UPDATE workspace SET rate = ?, quota = ? WHERE id = ?";
        let query = sqlx::query(sql)
            .bind(limits.rate.map(i64::from))
            .bind(limits.quota.map(i64::from))
            .bind(i64::from(workspace.0));
        self.change(query).await.map_err(|e| store_error(&e))??;
        Ok(())
    }

    async fn set_credential_limits(
        &self,
        username: &str,
        limits: SendingLimits,
    ) -> Result<(), TenantError> {
        if self.directory().credential(username).is_none() {
            return Err(TenantError::NoSuchCredential(username.to_owned()));
        }
        let sql = "UPDATE credential SET rate = ?, quota = ? WHERE username = ?";
        let query = sqlx::query(sql)
            .bind(limits.rate.map(i64::from))
            .bind(limits.quota.map(i64::from))
            .bind(username.to_owned());
        self.change(query).await.map_err(|e| store_error(&e))??;
        Ok(())
    }

    async fn take(&self, account: Account, day: u32, count: u32) -> Result<u64, StoreError> {
        let (kind, id) = match account {
            Account::Workspace(id) => ("workspace", id.0),
            Account::Credential(id) => ("credential", id.0),
        };
        let forget = sqlx::query("DELETE FROM usage WHERE day < ?")
            .bind(i64::from(day.saturating_sub(DAYS_KEPT)));
        let sql = "INSERT INTO usage (day, kind, id, recipients) VALUES (?, ?, ?, ?) \
            ON CONFLICT (day, kind, id) DO UPDATE SET recipients = recipients + excluded.recipients \
            RETURNING recipients";
        let take = sqlx::query(sql)
            .bind(i64::from(day))
            .bind(kind)
            .bind(i64::from(id))
            .bind(i64::from(count));
        let row = self.write(forget, take).await?;
        Ok(rows::unsigned(&row, 0, "usage.recipients")?)
    }
}

#[async_trait]
impl Allowances for SqliteStore {
    async fn set_workspace_limits(
        &self,
        workspace: WorkspaceId,
        limits: SendingLimits,
    ) -> Result<(), TenantError> {
        self.tenants.set_workspace_limits(workspace, limits).await
    }

    async fn set_credential_limits(
        &self,
        username: &str,
        limits: SendingLimits,
    ) -> Result<(), TenantError> {
        self.tenants.set_credential_limits(username, limits).await
    }

    async fn take(&self, account: Account, day: u32, count: u32) -> Result<u64, StoreError> {
        self.tenants.take(account, day, count).await
    }
}

/// Reads `rate` and `quota`, which stand at `at` and behind it.
pub(super) fn read_limits(row: &SqliteRow, at: usize) -> Result<SendingLimits, RowError> {
    let limit = |at| -> Result<Option<u32>, RowError> {
        let limit: Option<i64> = row.try_get(at)?;
        let limit = limit.map(u32::try_from).transpose();
        limit.map_err(|_| RowError::Column("rate or quota"))
    };
    Ok(SendingLimits {
        rate: limit(at)?,
        quota: limit(at + 1)?,
    })
}
