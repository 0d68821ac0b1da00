//! Verified addresses, and what sandboxes have sent.

use std::sync::Arc;

use async_trait::async_trait;
use postbell_model::suppression::LocalPart;
use postbell_model::{Address, MessageId, Sender, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{
    Directory, SandboxTaking, Sandboxes, StoreError, TenantError, Tenants, VERIFIED_MAX,
    VerifiedAddresses,
};

use super::super::SqliteStore;
use super::super::errors::read_error;
use super::super::idempotency;
use super::super::rows::{self, RowError};
use super::super::statements::Query;
use super::super::tenants::{SqliteTenants, count_change, read_all, store_error};

// Older days are of no use to anybody.
const DAYS_KEPT: u32 = 32;

#[async_trait]
impl VerifiedAddresses for SqliteTenants {
    async fn verify_address(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        now: Timestamp,
    ) -> Result<bool, TenantError> {
        let directory = self.directory_of(workspace)?;
        let is_there = directory.is_verified_address(workspace, address);
        if !is_there && directory.verified_addresses_of(workspace).len() >= VERIFIED_MAX {
            return Err(TenantError::TooManyVerified(VERIFIED_MAX));
        }
        let sql = "INSERT INTO verified_address (workspace_id, key, address, added_at) \
            SELECT ?, ?, ?, ? WHERE EXISTS \
            (SELECT 1 FROM workspace WHERE id = ? AND removed_at IS NULL) \
            ON CONFLICT (workspace_id, key) DO NOTHING";
        let query = sqlx::query(sql)
            .bind(i64::from(workspace.0))
            .bind(LocalPart::Fold.key(address))
            .bind(address.as_str().to_owned())
            .bind(now.as_micros())
            .bind(i64::from(workspace.0));
        self.change_verified(query).await
    }

    async fn forget_address(
        &self,
        workspace: WorkspaceId,
        address: &Address,
    ) -> Result<bool, TenantError> {
        self.directory_of(workspace)?;
        let sql = "DELETE FROM verified_address WHERE workspace_id = ? AND key = ?";
        let query = sqlx::query(sql)
            .bind(i64::from(workspace.0))
            .bind(LocalPart::Fold.key(address));
        self.change_verified(query).await
    }
}

impl SqliteTenants {
    /// The snapshot, which has this workspace.
    fn directory_of(&self, workspace: WorkspaceId) -> Result<Arc<Directory>, TenantError> {
        let directory = self.directory();
        match directory.workspace(workspace) {
            Some(_) => Ok(directory),
            None => Err(TenantError::NoSuchWorkspace(workspace)),
        }
    }

    /// Runs the statement, and takes a new snapshot; whether a row has changed.
    async fn change_verified(&self, query: Query<'static>) -> Result<bool, TenantError> {
        let mut connection = self.connection().await?;
        let changed = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let changed = query.execute(&mut *transaction).await?.rows_affected() > 0;
            if changed {
                count_change(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(changed)
        };
        let changed = changed.await.map_err(|error| store_error(&error))?;
        self.load(&mut connection).await?;
        Ok(changed)
    }
}

#[async_trait]
impl Sandboxes for SqliteTenants {
    async fn take_in_sandbox(&self, taking: SandboxTaking) -> Result<u32, StoreError> {
        let mut connection = self.connection().await?;
        // A sandbox that has sent all that it may costs no write.
        let place = (taking.day, taking.workspace, domain(&taking.sender));
        let taken = taken(&mut connection, &place).await?;
        if taking.granted(taken) == 0 {
            return Ok(0);
        }
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| store_error(&error))?;
        // Another process may have taken some meanwhile.
        let granted = taking.granted(self::taken(&mut transaction, &place).await?);
        let written = async {
            sqlx::query("DELETE FROM sandbox_usage WHERE day < ?")
                .bind(i64::from(taking.day.saturating_sub(DAYS_KEPT)))
                .execute(&mut *transaction)
                .await?;
            let sql = "INSERT INTO sandbox_usage (day, workspace_id, domain, recipients) \
                VALUES (?, ?, ?, ?) ON CONFLICT (day, workspace_id, domain) \
                DO UPDATE SET recipients = recipients + excluded.recipients";
            let (day, workspace, domain) = place;
            sqlx::query(sql)
                .bind(i64::from(day))
                .bind(i64::from(workspace.0))
                .bind(domain)
                .bind(i64::from(granted))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        written.await.map_err(|error| store_error(&error))?;
        Ok(granted)
    }

    async fn give_back_in_sandbox(&self, taking: SandboxTaking) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let sql = "UPDATE sandbox_usage SET recipients = MAX(recipients - ?, 0) \
            WHERE day = ? AND workspace_id = ? AND domain = ?";
        let given = sqlx::query(sql)
            .bind(i64::from(taking.count))
            .bind(i64::from(taking.day))
            .bind(i64::from(taking.workspace.0))
            .bind(domain(&taking.sender))
            .execute(&mut *connection)
            .await;
        given.map(drop).map_err(|error| store_error(&error))
    }

    async fn sent_before(
        &self,
        workspace: WorkspaceId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        let mut connection = self.connection().await?;
        let found = idempotency::find(&mut connection, (workspace, key), now).await;
        found.map_err(|error| read_error(&error))
    }

    async fn taken_in_sandbox(
        &self,
        workspace: WorkspaceId,
        sender: &Sender,
        day: u32,
    ) -> Result<u32, StoreError> {
        let mut connection = self.connection().await?;
        taken(&mut connection, &(day, workspace, domain(sender))).await
    }
}

#[async_trait]
impl Sandboxes for SqliteStore {
    async fn take_in_sandbox(&self, taking: SandboxTaking) -> Result<u32, StoreError> {
        self.tenants.take_in_sandbox(taking).await
    }

    async fn give_back_in_sandbox(&self, taking: SandboxTaking) -> Result<(), StoreError> {
        self.tenants.give_back_in_sandbox(taking).await
    }

    async fn sent_before(
        &self,
        workspace: WorkspaceId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        let found = idempotency::find(&mut reader, (workspace, key), now).await;
        found.map_err(|error| read_error(&error))
    }

    async fn taken_in_sandbox(
        &self,
        workspace: WorkspaceId,
        sender: &Sender,
        day: u32,
    ) -> Result<u32, StoreError> {
        self.tenants.taken_in_sandbox(workspace, sender, day).await
    }
}

#[async_trait]
impl VerifiedAddresses for SqliteStore {
    async fn verify_address(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        now: Timestamp,
    ) -> Result<bool, TenantError> {
        self.tenants.verify_address(workspace, address, now).await
    }

    async fn forget_address(
        &self,
        workspace: WorkspaceId,
        address: &Address,
    ) -> Result<bool, TenantError> {
        self.tenants.forget_address(workspace, address).await
    }
}

/// As the column has it.
fn domain(sender: &Sender) -> String {
    match sender {
        Sender::Workspace(_) => String::new(),
        Sender::Domain(domain) => domain.as_str().to_owned(),
    }
}

async fn taken(
    connection: &mut SqliteConnection,
    (day, workspace, domain): &(u32, WorkspaceId, String),
) -> Result<u32, StoreError> {
    let sql = "SELECT COALESCE(SUM(recipients), 0) FROM sandbox_usage \
        WHERE day = ? AND workspace_id = ? AND domain = ?";
    let row = sqlx::query(sql)
        .bind(i64::from(*day))
        .bind(i64::from(workspace.0))
        .bind(domain)
        .fetch_one(connection)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(rows::number(&row, 0, "sandbox_usage.recipients")?)
}

/// Reads all verified addresses.
pub(in crate::sqlite) async fn read_verified(
    connection: &mut SqliteConnection,
) -> Result<Vec<(WorkspaceId, Address)>, RowError> {
    let sql = "SELECT workspace_id, address FROM verified_address ORDER BY workspace_id, key";
    read_all(connection, sql, |row: &SqliteRow| {
        let workspace = WorkspaceId(rows::number(row, 0, "verified_address.workspace_id")?);
        let address = rows::address(row.try_get(1)?, "verified_address.address")?;
        Ok((workspace, address))
    })
    .await
}
