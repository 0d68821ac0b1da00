//! The store on SQLite: one writer, a pool of readers, bodies in segment files beside it.

mod allowances;
mod api_keys;
mod backup;
mod calls;
mod certificates;
mod changes;
mod claims;
mod committer;
mod config_sets;
mod creations;
mod credentials;
mod database;
mod destinations;
mod domain_keys;
mod domain_removals;
mod domain_settings;
mod domains;
mod egress;
mod engagement;
mod erase;
mod errors;
mod event_rows;
mod forwards;
mod idempotency;
mod inbound;
mod inbound_routes;
mod inspect;
mod intake;
mod lanes;
mod link_blocks;
mod links;
mod opening;
mod operate;
mod options;
mod pauses;
mod places;
#[cfg(test)]
mod plans;
mod policy;
mod purge;
mod queue;
mod removals;
mod replays;
mod reports;
mod revocations;
mod rows;
mod sampler;
mod scheduled;
mod script;
mod settle;
mod shared;
mod slim;
mod statements;
mod suppression;
mod tenants;
mod transaction;
mod verify;
mod webhooks;
mod work;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::{
    Clock, ConfigurationSet, Credential, Destination, LeftQueue, Secret, SendingDomain, Timestamp,
    Workspace,
};
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{
    Bodies, BodyRef, Claimed, Directory, Intake, NewConfigurationSet, NewCredential, Position,
    Store, StoreError, StoreMetrics, Stored, Submission, TenantError, Tenants, segment,
};

pub use backup::{
    BackupError, Counts, FileSum, Manifest, Progress as BackupProgress, Restored, back_up, restore,
};
pub use erase::{Traces, erase, traces};
pub use errors::OpenError;
pub use inspect::SqliteInspector;
pub use options::SqliteOptions;
pub use tenants::SqliteTenants;
pub use verify::{Fault as StoreFault, Verified, verify};

use committer::Committer;
use engagement::DueStatements;
use event_rows::EventQueries;
use lanes::{ClaimQueries, KnownLanes};
use opening::{lock, newest, segments, shared, unusable};
use sampler::Sampler;
use script::Script;
use shared::Shared;
use statements::{BatchStatement, Statements};
use work::{Change, Work};

const DATABASE: &str = "postbell.db";
const BODIES: &str = "bodies";
/// How long new mail waits for room among what is to be committed.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// A store in a folder of this machine. One process serves from it at a time.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    /// Taken away when the store closes, which ends the committer.
    work: Mutex<Option<mpsc::Sender<Work>>>,
    readers: SqlitePool,
    /// For looks through a long stretch.
    lookups: SqlitePool,
    tenants: SqliteTenants,
    newest: watch::Receiver<Position>,
    fresh: Mutex<Option<mpsc::Receiver<Claimed>>>,
    claim_queries: ClaimQueries,
    event_queries: EventQueries,
    due_statements: DueStatements,
    kept_links: BatchStatement,
    bodies: PathBuf,
    refresher: CancellationToken,
    committer_done: watch::Receiver<()>,
    metrics: StoreMetrics,
    clock: Arc<dyn Clock>,
    /// From when on it knows what operators have set up.
    opened_at: Timestamp,
    /// Held until the store is closed.
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Opens or makes the store of a folder. Its tasks run on `tasks` until [`Store::close`].
    ///
    /// # Errors
    /// Another process serves from the folder, or the folder or its database can't be used.
    pub async fn open(
        folder: &Path,
        options: SqliteOptions,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Result<Self, OpenError> {
        let lock = lock(folder)?;
        let opened_at = clock.now();
        let tenants = SqliteTenants::open(folder).await?;
        let file = folder.join(DATABASE);
        let mut writer = database::writer(&file).await?;
        let readers = database::readers(&file).await?;
        let bodies = folder.join(BODIES);
        let segments = segments(&mut writer, &bodies, options.segment_octets).await?;
        let newest = watch::Sender::new(newest(&mut writer).await?);
        let shared = shared(&mut writer, &options, tenants.clone(), opened_at).await?;
        let metrics = StoreMetrics::default();
        metrics.hits(0, shared.hits.waiting());
        let (work, waiting) = mpsc::channel(options.commit_queue);
        let (fresh, offered) = mpsc::channel(options.fresh_deliveries);
        let (newest_seen, newest_elsewhere) = (newest.subscribe(), newest.clone());
        let committer = Committer {
            connection: writer,
            segments,
            statements: Statements::new(tenants.list().clone()),
            script: Script::new(),
            known_lanes: KnownLanes::default(),
            shared: Arc::clone(&shared),
            work: waiting,
            newest,
            fresh,
            to_offer: Vec::new(),
            removals: TaskTracker::new(),
            full: false,
            short: false,
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
        };
        let (done, committer_done) = watch::channel(());
        // A thread of its own: it writes and syncs bodies itself, and sessions don't stand in its
        // way. A runtime of its own: a thread of theirs would be woken for each time that it waits.
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(OpenError::Thread)?;
        tasks.spawn_blocking(move || {
            runtime.block_on(committer.run());
            drop(done);
        });
        let refresher = CancellationToken::new();
        let refreshing = tenants.clone();
        let sampler = Sampler {
            readers: readers.clone(),
            folder: folder.to_owned(),
            metrics: metrics.clone(),
            clock: Arc::clone(&clock),
        };
        tasks.spawn(sampler.run(refresher.clone()));
        let list = Arc::clone(&shared);
        tasks.spawn(list.watch_list(readers.clone(), Arc::clone(&clock), refresher.clone()));
        tasks.spawn(refreshing.refresh(Arc::clone(&clock), newest_elsewhere, refresher.clone()));
        let watching = Arc::clone(&shared);
        let known = tenants.directory();
        tasks.spawn(watching.watch_pauses(known, refresher.clone()));
        Ok(Self {
            shared,
            work: Mutex::new(Some(work)),
            readers,
            lookups: database::lookups(&file),
            claim_queries: ClaimQueries::new(tenants.list().look.clone()),
            tenants,
            newest: newest_seen,
            fresh: Mutex::new(Some(offered)),
            event_queries: EventQueries::new(),
            due_statements: DueStatements::new(),
            kept_links: BatchStatement::new(links::KEPT.0, links::KEPT.1, links::KEPT.2),
            bodies,
            refresher,
            committer_done,
            metrics,
            clock,
            opened_at,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// What it measures.
    pub const fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    fn committer(&self) -> Result<mpsc::Sender<Work>, StoreError> {
        if let Some(reason) = self.shared.stopped() {
            return Err(StoreError::Stopped(reason));
        }
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.clone().ok_or_else(closed)
    }

    async fn change(&self, change: Change) -> Result<(), StoreError> {
        self.changed(change).await.map(drop)
    }

    async fn changed(&self, change: Change) -> Result<u64, StoreError> {
        let (answer, answered) = oneshot::channel();
        let work = Work::Change(change, answer);
        self.committer()?
            .send(work)
            .await
            .map_err(|_| self.gone())?;
        answered.await.map_err(|_| self.gone())?
    }

    /// Hands new mail to the committer. Where there is no room, a moment's patience costs less
    /// than a refusal and the whole message once more.
    async fn hand_in(&self, work: Work) -> Result<(), StoreError> {
        let committer = self.committer()?;
        match timeout(ROOM_PATIENCE, committer.send(work)).await {
            Ok(sent) => sent.map_err(|_| self.gone()),
            Err(_) => Err(StoreError::Busy),
        }
    }

    /// The committer has ended without an answer.
    fn gone(&self) -> StoreError {
        self.shared
            .stopped()
            .map_or_else(closed, StoreError::Stopped)
    }
}

fn closed() -> StoreError {
    StoreError::Stopped("it was closed".into())
}

#[async_trait]
impl Intake for SqliteStore {
    async fn accept(&self, batch: Vec<Submission>) -> Vec<Result<Stored, StoreError>> {
        let mut answers = Vec::with_capacity(batch.len());
        for submission in batch {
            let (answer, answered) = oneshot::channel();
            let sent = self.hand_in(Work::Accept(submission, answer)).await;
            answers.push((sent, answered));
        }
        let mut results = Vec::with_capacity(answers.len());
        for (sent, answered) in answers {
            results.push(match sent {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(self.gone())),
                Err(error) => Err(error),
            });
        }
        results
    }
}

#[async_trait]
impl Bodies for SqliteStore {
    async fn body(&self, body: BodyRef) -> Result<Bytes, StoreError> {
        read_body(&self.bodies, body).await
    }
}

async fn read_body(bodies: &Path, body: BodyRef) -> Result<Bytes, StoreError> {
    let folder = bodies.to_owned();
    let read = tokio::task::spawn_blocking(move || segment::read(&folder, body)).await;
    read.map_err(|error| StoreError::Read(error.to_string().into()))?
}

#[async_trait]
impl Tenants for SqliteStore {
    fn directory(&self) -> Arc<Directory> {
        self.tenants.directory()
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        self.tenants.directory_changed()
    }

    async fn create_workspace(&self, name: &str, now: Timestamp) -> Result<Workspace, TenantError> {
        self.tenants.create_workspace(name, now).await
    }

    async fn create_configuration_set(
        &self,
        set: NewConfigurationSet,
        now: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        self.tenants.create_configuration_set(set, now).await
    }

    async fn change_configuration_set(&self, set: ConfigurationSet) -> Result<(), TenantError> {
        self.tenants.change_configuration_set(set).await
    }

    async fn add_domain(&self, domain: SendingDomain) -> Result<(), TenantError> {
        self.tenants.add_domain(domain).await
    }

    async fn create_destination(&self, destination: Destination) -> Result<(), TenantError> {
        self.tenants.create_destination(destination).await
    }

    async fn create_credential(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<Credential, TenantError> {
        self.tenants.create_credential(new, now).await
    }

    async fn revoke_credential(
        &self,
        username: &str,
        left: LeftQueue,
        now: Timestamp,
    ) -> Result<(), TenantError> {
        self.tenants.revoke_credential(username, left, now).await
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        self.tenants.token_keys()
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.shared.failure()
    }

    async fn close(&self) {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.refresher.cancel();
        let mut done = self.committer_done.clone();
        // Ends with the committer, which drops the other half.
        while done.changed().await.is_ok() {}
        self.readers.close().await;
        self.lookups.close().await;
        self.tenants.close().await;
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// Closes a connection whose work is done.
async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database was not closed cleanly; it recovers at the next start");
    }
}
