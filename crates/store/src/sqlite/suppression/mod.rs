//! The suppression list: kept by whoever has the database, looked up by every mail.
//!
//! New mail is looked up in the transaction that takes it, and what waits when it is claimed, each by
//! one look for a whole batch. Nothing is kept in memory that another process could make stale; what
//! was claimed before an entry came is found by [`Recent`].

mod arrivals;
mod follow;
mod keys;
mod list;
mod look;
mod page;
mod purge;
mod recent;
mod rows;
#[cfg(test)]
mod tests;
mod watch;

use async_trait::async_trait;
use postbell_model::suppression::{LocalPart, Scope, Suppression};
use postbell_model::{Address, Domain, Timestamp, WorkspaceEvent, WorkspaceFact, WorkspaceId};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::{
    Listed, OpenError, StoreError, SuppressionFilter, SuppressionOptions, SuppressionPage,
    Suppressions, TenantError,
};

use super::SqliteStore;
use super::errors::read_error;
use super::tenants::{SqliteTenants, store_error};

pub(super) use arrivals::{Sought, end_arrivals};
pub(super) use follow::{Follow, Rules, follow, is_heeded};
pub(super) use keys::{bring_up, is_found, local_part};
pub(super) use list::News;
use list::{Added, NewEntry, add, tell};
pub(super) use look::{Holds, is_exempt, of_lane};
#[cfg(test)]
pub(super) use page::COUNT;
pub(super) use purge::{ListOver, remove_some};
pub(super) use recent::Recent;
use rows::{ENTRY_COLUMNS, readable_entry};
pub(super) use rows::{HOLDS, Hold, Key, ListStatements, OF_KEYS};
pub(super) use watch::newest;

impl SqliteTenants {
    /// Puts entries on the list.
    async fn add(&self, new: Vec<Suppression>, now: Timestamp) -> Result<Added, TenantError> {
        let mut connection = self.connection().await?;
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| store_error(&error))?;
        check_workspaces(&mut transaction, &new).await?;
        let new = new.into_iter().map(|entry| NewEntry { entry, at: now });
        let new: Vec<_> = new.collect();
        let added = async {
            let local_part = local_part(&mut transaction).await?;
            let added = add(&mut transaction, self.list(), local_part, &new).await?;
            transaction.commit().await?;
            Ok(added)
        };
        Ok(added.await.map_err(|error| store_error(&error))?)
    }

    /// Compares addresses like this from now on.
    pub(super) async fn compare(&self, local_part: LocalPart) -> Result<(), OpenError> {
        if self.compares() == local_part {
            return Ok(());
        }
        let mut guard = self.connection().await;
        let connection = guard.as_mut().map_err(|_| OpenError::Closed)?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let changed = keys::make_anew(&mut transaction, local_part).await?;
        transaction.commit().await?;
        self.set_compares(local_part);
        tracing::info!(
            entries = changed,
            "addresses of the suppression list are compared in another way from now on"
        );
        Ok(())
    }
}

/// A list is that of a workspace that is there.
async fn check_workspaces(
    connection: &mut SqliteConnection,
    new: &[Suppression],
) -> Result<(), TenantError> {
    let mut workspaces: Vec<_> = new.iter().map(|entry| entry.workspace).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    for workspace in workspaces {
        check_workspace(connection, workspace).await?;
    }
    Ok(())
}

async fn check_workspace(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
) -> Result<(), TenantError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM workspace WHERE id = ? AND removed_at IS NULL)";
    let found: Result<bool, _> = sqlx::query_scalar(sql)
        .bind(i64::from(workspace.0))
        .fetch_one(connection)
        .await;
    if found.map_err(|error| store_error(&error))? {
        return Ok(());
    }
    Err(TenantError::NoSuchWorkspace(workspace))
}

#[async_trait]
impl Suppressions for SqliteTenants {
    async fn suppress(
        &self,
        new: Vec<Suppression>,
        now: Timestamp,
    ) -> Result<Vec<Listed>, TenantError> {
        Ok(self.add(new, now).await?.listed)
    }

    async fn unsuppress(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        scope: Option<&Scope>,
        now: Timestamp,
    ) -> Result<Vec<Suppression>, TenantError> {
        let mut connection = self.connection().await?;
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| store_error(&error))?;
        check_workspace(&mut transaction, workspace).await?;
        let sql = format!(
            "DELETE FROM suppression WHERE workspace_id = ?1 AND key = ?2 \
             AND (?3 IS NULL OR stream = ?3) RETURNING {ENTRY_COLUMNS}"
        );
        let removed = async {
            let local_part = local_part(&mut transaction).await?;
            let key = Key::of(workspace, address, local_part);
            let query = key.bind(sqlx::query(AssertSqlSafe(sql)));
            let query = query.bind(scope.map(|scope| rows::stream(scope).to_owned()));
            query.fetch_all(&mut *transaction).await
        };
        let removed = removed.await.map_err(|error| store_error(&error))?;
        // What can't be read kept its address from getting mail all the same, and goes as well.
        let removed = removed.iter().filter_map(readable_entry);
        let mut removed: Vec<_> = removed.collect();
        removed.retain(|entry| entry.expires_at.is_none_or(|expires_at| expires_at > now));
        let events = removed.iter().map(|entry| {
            let fact = WorkspaceFact::SuppressionRemoved(Box::new(entry.clone()));
            WorkspaceEvent::new(workspace, now, fact)
        });
        let events: Vec<_> = events.collect();
        let told = async {
            tell(&mut transaction, self.list(), &events).await?;
            transaction.commit().await
        };
        told.await.map_err(|error| store_error(&error))?;
        Ok(removed)
    }

    async fn suppressions_of(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        now: Timestamp,
    ) -> Result<Vec<Suppression>, StoreError> {
        let mut connection = self.connection().await?;
        page::of(&mut connection, (workspace, address), now).await
    }

    async fn suppressed(
        &self,
        workspace: WorkspaceId,
        stream: Option<&str>,
        addresses: &[Address],
        now: Timestamp,
    ) -> Result<Vec<Option<Suppression>>, StoreError> {
        let mut connection = self.connection().await?;
        let (whose, how) = ((workspace, stream), (self.compares(), now));
        page::suppressed(&mut connection, self.list(), whose, addresses, how).await
    }

    async fn suppression_page(
        &self,
        filter: &SuppressionFilter,
        page: &SuppressionPage,
    ) -> Result<Vec<Suppression>, StoreError> {
        let mut connection = self.connection().await?;
        page::page(&mut connection, filter, page).await
    }

    async fn suppression_count(
        &self,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut connection = self.connection().await?;
        page::count(&mut connection, workspace, now).await
    }

    fn local_part(&self) -> LocalPart {
        self.compares()
    }
}

#[async_trait]
impl Suppressions for SqliteStore {
    async fn suppress(
        &self,
        new: Vec<Suppression>,
        now: Timestamp,
    ) -> Result<Vec<Listed>, TenantError> {
        let added = self.tenants.add(new, now).await?;
        // What waits in memory knows of it before anybody is told that it is done.
        self.shared.recent().put(&added.news);
        Ok(added.listed)
    }

    async fn unsuppress(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        scope: Option<&Scope>,
        now: Timestamp,
    ) -> Result<Vec<Suppression>, TenantError> {
        self.tenants
            .unsuppress(workspace, address, scope, now)
            .await
    }

    async fn suppressions_of(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        now: Timestamp,
    ) -> Result<Vec<Suppression>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        page::of(&mut reader, (workspace, address), now).await
    }

    async fn suppressed(
        &self,
        workspace: WorkspaceId,
        stream: Option<&str>,
        addresses: &[Address],
        now: Timestamp,
    ) -> Result<Vec<Option<Suppression>>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        let (list, whose) = (self.tenants.list(), (workspace, stream));
        let how = (self.tenants.compares(), now);
        page::suppressed(&mut reader, list, whose, addresses, how).await
    }

    async fn suppression_page(
        &self,
        filter: &SuppressionFilter,
        page: &SuppressionPage,
    ) -> Result<Vec<Suppression>, StoreError> {
        let mut reader = self.lookups.acquire().await.map_err(|e| read_error(&e))?;
        page::page(&mut reader, filter, page).await
    }

    async fn suppression_count(
        &self,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut reader = self.lookups.acquire().await.map_err(|e| read_error(&e))?;
        page::count(&mut reader, workspace, now).await
    }

    fn local_part(&self) -> LocalPart {
        self.tenants.local_part()
    }
}

impl SqliteStore {
    /// Keeps the suppression list like this from now on; before anything is accepted. Where local
    /// parts are compared in another way, the keys of all entries are made anew: a minute or so for
    /// ten million.
    ///
    /// # Errors
    /// The database can't be used.
    pub async fn suppressing(self, options: SuppressionOptions) -> Result<Self, OpenError> {
        self.tenants.compare(options.local_part).await?;
        self.shared.set_soft_bounces(options.soft_bounces);
        Ok(self)
    }

    /// With addresses that are simulated: what becomes of mail to this domain puts nobody on the
    /// list.
    #[must_use]
    pub fn simulating(self, domain: Option<Domain>) -> Self {
        if let Some(domain) = domain {
            self.shared.set_simulator(domain);
        }
        self
    }
}
