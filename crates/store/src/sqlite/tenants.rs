//! What operators set up, and the snapshot of it.
//!
//! It has a connection of its own, so that a command can be given beside a running server:
//! SQLite orders the two, and the server sees by a counter that something has changed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::rand;
use postbell_model::suppression::LocalPart;
use postbell_model::{
    Clock, ConfigurationSet, ConfigurationSetId, Credential, Destination, LeftQueue, Secret,
    SendingDomain, SendingLimits, Timestamp, Workspace, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Directory, NewConfigurationSet, NewCredential, Position, StoreError, TenantError, Tenants,
    record,
};

use super::allowances::read_limits;
use super::creations::{Creation, IN_WORKSPACE};
use super::credentials::read_credentials;
use super::domain_keys::read_domain_keys;
use super::domains::read_domains;
use super::egress;
use super::errors::{OpenError, read_error};
use super::rows::{self, RowError};
use super::{
    DATABASE, api_keys, database, destinations, inbound_routes, link_blocks, pauses, places,
    policy, suppression, unusable,
};

// How soon another process's change shows.
const REFRESH: Duration = Duration::from_secs(1);
const TOKEN_KEY_LEN: usize = 32;

/// The tenants of a store, without the store: what a command needs.
#[derive(Debug, Clone)]
pub struct SqliteTenants {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Mutex<Option<SqliteConnection>>,
    directory: ArcSwap<Directory>,
    version: watch::Sender<u64>,
    token_keys: Vec<(u8, Secret)>,
    /// Whether local parts on the suppression list are compared with case.
    exact: AtomicBool,
    list: suppression::ListStatements,
}

impl SqliteTenants {
    /// Opens the database of a folder, and makes it where there is none. A server may be
    /// running on it.
    ///
    /// # Errors
    /// The folder or its database can't be used.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| unusable(folder, source))?;
        let mut connection = database::writer(&folder.join(DATABASE)).await?;
        database::migrate(&mut connection).await?;
        let token_keys = token_keys(&mut connection).await?;
        let exact = suppression::local_part(&mut connection).await? == LocalPart::Exact;
        let (version, directory) = read_directory(&mut connection)
            .await
            .map_err(|error| OpenError::Damaged(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                connection: Mutex::new(Some(connection)),
                directory: ArcSwap::from_pointee(directory),
                version: watch::Sender::new(version),
                token_keys,
                exact: AtomicBool::new(exact),
                list: suppression::ListStatements::new(),
            }),
        })
    }

    /// How local parts on the suppression list are compared.
    pub(super) fn compares(&self) -> LocalPart {
        match self.inner.exact.load(Ordering::Relaxed) {
            true => LocalPart::Exact,
            false => LocalPart::Fold,
        }
    }

    pub(super) fn set_compares(&self, local_part: LocalPart) {
        let exact = local_part == LocalPart::Exact;
        self.inner.exact.store(exact, Ordering::Relaxed);
    }

    /// The statements of the suppression list.
    pub(super) fn list(&self) -> &suppression::ListStatements {
        &self.inner.list
    }

    /// Closes the connection.
    pub async fn close(&self) {
        if let Some(connection) = self.inner.connection.lock().await.take() {
            super::close(connection).await;
        }
    }

    /// Looks every second whether another process has changed anything, or has written events,
    /// until `stop`.
    pub(super) async fn refresh(
        self,
        clock: Arc<dyn Clock>,
        newest: watch::Sender<Position>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = clock.sleep(REFRESH) => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.refresh_once().await {
                tracing::warn!(%error, "the directory can't be read; the last one stands");
            }
            if let Ok(mut connection) = self.connection().await
                && let Ok(found) = places::newest(&mut connection).await
            {
                places::raise(&newest, found);
            }
        }
    }

    /// Takes a new snapshot where something has changed.
    pub(super) async fn refresh_once(&self) -> Result<(), StoreError> {
        let mut guard = self.inner.connection.lock().await;
        let Some(connection) = guard.as_mut() else {
            return Ok(());
        };
        let version = version(connection)
            .await
            .map_err(|error| read_error(&error))?;
        if version != *self.inner.version.borrow() {
            self.load(connection).await?;
        }
        Ok(())
    }

    pub(super) async fn load(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let (version, directory) = read_directory(connection).await?;
        self.inner.directory.store(Arc::new(directory));
        self.inner.version.send_replace(version);
        Ok(())
    }

    /// The connection, for as long as nobody else needs it.
    pub(super) async fn connection(
        &self,
    ) -> Result<MappedMutexGuard<'_, SqliteConnection>, StoreError> {
        let guard = self.inner.connection.lock().await;
        MutexGuard::try_map(guard, Option::as_mut).map_err(|_| super::closed())
    }

    /// Runs one statement, counts the change and takes a new snapshot: the new row's number.
    pub(super) async fn change(
        &self,
        query: super::statements::Query<'_>,
    ) -> Result<Result<i64, StoreError>, sqlx::Error> {
        self.change_all(vec![query]).await
    }

    /// [`SqliteTenants::change`] of several statements, all or none: the last new row's number.
    pub(super) async fn change_all(
        &self,
        queries: Vec<super::statements::Query<'_>>,
    ) -> Result<Result<i64, StoreError>, sqlx::Error> {
        let mut guard = self.inner.connection.lock().await;
        let Some(connection) = guard.as_mut() else {
            return Ok(Err(super::closed()));
        };
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut last = 0;
        for query in queries {
            last = query.execute(&mut *transaction).await?.last_insert_rowid();
        }
        count_change(&mut transaction).await?;
        transaction.commit().await?;
        Ok(self.load(connection).await.map(|()| last))
    }

    /// Runs two statements that change nothing of the snapshot; the row that the second returns.
    pub(super) async fn write(
        &self,
        first: super::statements::Query<'_>,
        second: super::statements::Query<'_>,
    ) -> Result<SqliteRow, StoreError> {
        let mut guard = self.inner.connection.lock().await;
        let connection = guard.as_mut().ok_or_else(super::closed)?;
        let write = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            first.execute(&mut *transaction).await?;
            let row = second.fetch_one(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(row)
        };
        write.await.map_err(|error| store_error(&error))
    }

    /// [`SqliteTenants::change`], where a broken uniqueness means that there is one already.
    pub(super) async fn create(
        &self,
        query: super::statements::Query<'_>,
        kind: &'static str,
        name: &str,
    ) -> Result<i64, TenantError> {
        match self.change(query).await {
            Ok(changed) => Ok(changed?),
            Err(error) if is_unique_violation(&error) => Err(TenantError::Exists {
                kind,
                name: name.to_owned(),
            }),
            Err(error) => Err(store_error(&error).into()),
        }
    }

    pub(super) fn check_set(
        &self,
        workspace: WorkspaceId,
        set: ConfigurationSetId,
    ) -> Result<(), TenantError> {
        let directory = self.directory();
        let found = directory
            .configuration_set(set)
            .filter(|set| set.workspace == workspace);
        found
            .map(|_| ())
            .ok_or(TenantError::NoSuchConfigurationSet(set))
    }
}

#[async_trait]
impl Tenants for SqliteTenants {
    fn directory(&self) -> Arc<Directory> {
        self.inner.directory.load_full()
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }

    async fn create_workspace(&self, name: &str, now: Timestamp) -> Result<Workspace, TenantError> {
        let sql = "INSERT INTO workspace (name, created_at) VALUES (?, ?)";
        let query = sqlx::query(sql).bind(name.to_owned()).bind(now.as_micros());
        let id = self.create(query, "workspace", name).await?;
        Ok(Workspace {
            id: WorkspaceId(row_number(id)?),
            name: name.to_owned(),
            limits: SendingLimits::default(),
            created_at: now,
        })
    }

    async fn create_configuration_set(
        &self,
        set: NewConfigurationSet,
        now: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        let sql = format!(
            "INSERT INTO configuration_set (workspace_id, name, max_retries, expire_after, \
             reports, created_at, tracking, source_ipv4, source_ipv6, ehlo_name) \
             SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? {IN_WORKSPACE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::from(set.workspace.0))
            .bind(set.name.clone())
            .bind(set.max_retries.map(i64::from))
            .bind(set.expire_after.map(micros))
            .bind(set.reports)
            .bind(now.as_micros())
            .bind(record::write_tracking(&set.tracking));
        let query = egress::bind(query, &set.egress).bind(i64::from(set.workspace.0));
        let creation = Creation {
            kind: "configuration set",
            name: &set.name,
            event: None,
            gone: TenantError::NoSuchWorkspace(set.workspace),
        };
        let id = self.create_in(query, creation).await?;
        Ok(ConfigurationSet {
            id: ConfigurationSetId(row_number(id)?),
            workspace: set.workspace,
            name: set.name,
            max_retries: set.max_retries,
            expire_after: set.expire_after,
            reports: set.reports,
            egress: set.egress,
            tracking: set.tracking,
            created_at: now,
        })
    }

    async fn change_configuration_set(&self, set: ConfigurationSet) -> Result<(), TenantError> {
        self.write_set(set).await
    }

    async fn add_domain(&self, domain: SendingDomain) -> Result<(), TenantError> {
        self.check_set(domain.workspace, domain.configuration_set)?;
        if let Some(taken) = self.directory().domain(&domain.name) {
            let workspace = taken.workspace;
            return Err(TenantError::DomainTaken {
                domain: domain.name,
                workspace,
            });
        }
        self.insert_domain(&domain).await
    }

    async fn create_destination(&self, destination: Destination) -> Result<(), TenantError> {
        if let Some(set) = destination.configuration_set {
            self.check_set(destination.workspace, set)?;
        }
        let query = destinations::insert(&destination);
        let creation = Creation {
            kind: "destination",
            name: &destination.name,
            event: None,
            gone: destination.configuration_set.map_or(
                TenantError::NoSuchWorkspace(destination.workspace),
                TenantError::NoSuchConfigurationSet,
            ),
        };
        self.create_in(query, creation).await.map(drop)
    }

    async fn create_credential(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<Credential, TenantError> {
        self.insert_credential(new, now).await
    }

    async fn revoke_credential(
        &self,
        username: &str,
        left: LeftQueue,
        now: Timestamp,
    ) -> Result<(), TenantError> {
        self.set_revoked(username, left, now).await
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        self.inner.token_keys.clone()
    }
}

/// Counts a change of the directory, for other processes to see.
pub(super) async fn count_change(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let count = "UPDATE directory_version SET version = version + 1";
    sqlx::query(count).execute(connection).await?;
    Ok(())
}

pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    use super::errors::{Trouble, trouble};
    match trouble(error) {
        Trouble::Busy => StoreError::Busy,
        Trouble::Full => StoreError::Full,
        Trouble::Rule | Trouble::Fatal => StoreError::Refused(error.to_string().into()),
    }
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn row_number(id: i64) -> Result<u32, StoreError> {
    u32::try_from(id).map_err(|_| StoreError::Refused("there are too many of these".into()))
}

async fn version(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let version: i64 = sqlx::query_scalar("SELECT version FROM directory_version")
        .fetch_one(connection)
        .await?;
    Ok(version.unsigned_abs())
}

/// The keys, made where there are none yet.
async fn token_keys(connection: &mut SqliteConnection) -> Result<Vec<(u8, Secret)>, OpenError> {
    let keys = written_token_keys(connection).await?;
    // To write where nothing is missing would wait for whoever writes.
    if !keys.is_empty() {
        return Ok(keys);
    }
    let mut fresh = [0; TOKEN_KEY_LEN];
    rand::fill(&mut fresh).map_err(|_| sqlx::Error::Protocol("no random numbers".into()))?;
    let sql = "INSERT INTO token_key (id, secret) SELECT 0, ? \
        WHERE NOT EXISTS (SELECT 1 FROM token_key)";
    sqlx::query(sql)
        .bind(fresh.to_vec())
        .execute(&mut *connection)
        .await?;
    written_token_keys(connection).await
}

async fn written_token_keys(
    connection: &mut SqliteConnection,
) -> Result<Vec<(u8, Secret)>, OpenError> {
    let sql = "SELECT id, secret FROM token_key ORDER BY id";
    let keys: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql).fetch_all(connection).await?;
    let keys = keys
        .into_iter()
        .filter_map(|(id, key)| Some((u8::try_from(id).ok()?, key)));
    Ok(keys.map(|(id, key)| (id, Secret::new(key))).collect())
}

async fn read_directory(connection: &mut SqliteConnection) -> Result<(u64, Directory), RowError> {
    let mut look = connection.begin().await?;
    let version = version(&mut look).await?;
    let workspaces = read_all(
        &mut look,
        "SELECT id, name, created_at, rate, quota FROM workspace WHERE removed_at IS NULL",
        |row| {
            Ok(Workspace {
                id: WorkspaceId(rows::number(row, 0, "workspace.id")?),
                name: row.try_get(1)?,
                created_at: rows::time(row, 2)?,
                limits: read_limits(row, 3)?,
            })
        },
    );
    let workspaces = workspaces.await?;
    let domains = read_domains(&mut look).await?;
    let sets = "SELECT id, workspace_id, name, max_retries, expire_after, created_at, reports, \
        source_ipv4, source_ipv6, ehlo_name, tracking FROM configuration_set WHERE removed_at IS NULL";
    let sets = read_all(&mut look, sets, read_set).await?;
    let destinations = destinations::read(&mut look).await?;
    let credentials = read_credentials(&mut look).await?;
    let keys = read_domain_keys(&mut look).await?;
    let api_keys = api_keys::read(&mut look).await?;
    let routes = inbound_routes::read(&mut look).await?;
    let sending = pauses::read(&mut look).await?;
    let verified = policy::read_verified(&mut look).await?;
    let blocks = link_blocks::read(&mut look).await?;
    look.rollback().await?;
    let directory = Directory::new(workspaces, domains, sets, destinations)
        .with_credentials(credentials)
        .with_domain_keys(keys)
        .with_api_keys(api_keys)
        .with_inbound_routes(routes)
        .with_sending(sending)
        .with_verified_addresses(verified)
        .with_link_blocks(blocks);
    Ok((version, directory))
}

pub(super) async fn read_all<T>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    read: impl Fn(&SqliteRow) -> Result<T, RowError>,
) -> Result<Vec<T>, RowError> {
    sqlx::query(sql)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read_set(row: &SqliteRow) -> Result<ConfigurationSet, RowError> {
    let max_retries: Option<i64> = row.try_get(3)?;
    let expire_after: Option<i64> = row.try_get(4)?;
    Ok(ConfigurationSet {
        id: ConfigurationSetId(rows::number(row, 0, "configuration_set.id")?),
        workspace: WorkspaceId(rows::number(row, 1, "configuration_set.workspace_id")?),
        name: row.try_get(2)?,
        max_retries: max_retries
            .map(|max| u32::try_from(max).map_err(|_| RowError::Column("max_retries")))
            .transpose()?,
        expire_after: expire_after.map(|micros| Duration::from_micros(micros.unsigned_abs())),
        reports: row.try_get(6)?,
        egress: egress::read(row)?,
        tracking: record::read_tracking(row.try_get(10)?).ok_or(RowError::Column("tracking"))?,
        created_at: rows::time(row, 5)?,
    })
}
