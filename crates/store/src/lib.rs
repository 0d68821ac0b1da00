//! Durable state as one trait of transitions.
//!
//! A [`Store`] is made of narrow parts and a stage is given the part that it needs, so that a
//! door cannot settle and a delivery worker cannot accept. Methods are verbs of the domain, each
//! one transaction and batch-shaped. Nothing outside this crate knows which database there is.
//!
//! **Promises.** When [`Intake::accept`] has answered, body, deliveries and their first event
//! are on disk. A delivery's state, the record of its attempt and its event change in one
//! transaction. A failed sync is never retried: everyone waiting gets [`StoreError::Stopped`],
//! the store takes nothing more, and [`Store::failure`] says why.
//!
//! **Claims.** What is in flight is known to the process that does it and is never stored. The
//! row of a delivery always says when to try again if the process dies, so that a restart needs
//! no repair.

#![warn(missing_docs)]

pub mod api_key;
mod certificates;
mod directory;
mod domains;
mod engagement;
mod error;
mod inbound;
mod links;
mod metrics;
mod operator;
pub mod password;
mod record;
mod reputation;
mod retention;
mod sandbox;
pub mod scram;
mod seal;
mod segment;
mod sqlite;
mod suppression;
mod tenancy;
mod types;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::{
    Audience, ConfigurationSet, Credential, DeliveryId, Destination, DestinationId, DisableReason,
    Domain, DomainKey, Lane, LeftQueue, Secret, SendingDomain, SendingLimits, Timestamp, Workspace,
    WorkspaceId,
};
use tokio::sync::{mpsc, watch};

pub use certificates::*;
pub use directory::{Directory, Paused};
pub use domains::*;
pub use engagement::*;
pub use error::{SettleError, StoreError, TenantError};
pub use inbound::*;
pub use links::*;
pub use metrics::StoreMetrics;
pub use operator::*;
pub use reputation::{Counted, Reputation};
pub use retention::{KeptSince, PurgeRound, Purged, Retention};
pub use sandbox::*;
pub use seal::{SealError, SealingKey};
pub use sqlite::{
    BackupError, BackupProgress, Counts, FileSum, Manifest, OpenError, Restored, SqliteInspector,
    SqliteOptions, SqliteStore, SqliteTenants, StoreFault, Traces, Verified, back_up, erase,
    restore, traces, verify,
};
pub use suppression::*;
pub use tenancy::*;
pub use types::*;
pub use webhooks::*;

/// Where mail comes in.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Commits submissions with their deliveries and first events; answers after the sync, one
    /// outcome for each submission at its place.
    ///
    /// A submission that breaks a rule fails alone, with [`StoreError::Refused`]. One whose key
    /// is that of an earlier one is [`Stored::Known`], also within a batch.
    async fn accept(&self, batch: Vec<Submission>) -> Vec<Result<Stored, StoreError>>;
}

/// What is to be delivered.
#[async_trait]
pub trait Queue: Send + Sync {
    /// The channel on which freshly accepted deliveries are offered, bodies as shared bytes.
    /// The first call gets it, later ones get `None`.
    ///
    /// It is offered once its `accept` is answered, and counts as claimed from before. What finds the channel full is not offered: it is due
    /// in its lane at once.
    fn fresh(&self) -> Option<mpsc::Receiver<Claimed>>;

    /// Lanes that have something due at `now`, longest due first, at most `limit`. Those of a
    /// paused workspace are not among them.
    ///
    /// # Errors
    /// The database can't be read.
    async fn lanes_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Lane>, StoreError>;

    /// Queues scheduled deliveries whose time has come at `now`, at most `limit`, each with its
    /// `Send`. How many there were: `limit` says that there may be more.
    ///
    /// # Errors
    /// The database can't be read, or the store has stopped.
    async fn send_scheduled(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// When the next lane or scheduled delivery is due: the time to sleep until, or earlier.
    /// `None`: nothing waits that is not in flight.
    ///
    /// # Errors
    /// The database can't be read.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Rings when a delivery was queued without being offered, or something was resumed:
    /// [`Queue::next_due`] may be sooner.
    fn queued(&self) -> watch::Receiver<u64>;

    /// Takes up to `limit` due deliveries of a lane that nobody has in flight, oldest due first.
    /// Each is in flight until it is settled or released. Those whose recipient is on the
    /// suppression list end instead, with their event, and are not among them.
    ///
    /// A lane without anything due is put to sleep until its next delivery is. What is from a
    /// paused domain is passed over.
    ///
    /// # Errors
    /// The database can't be read. A single row that can't be read is held and reported instead.
    async fn claim(
        &self,
        lane: &Lane,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// Records outcomes: state, attempt and event of each in one transaction, synced before the
    /// answer. Ends the claims. One outcome for each settlement at its place.
    async fn settle(&self, batch: Vec<Settlement>) -> Vec<Result<(), SettleError>>;

    /// Gives claims back without an attempt having been made: due again at `at`, in this or
    /// another process.
    ///
    /// # Errors
    /// The store has stopped.
    async fn release(&self, claims: Vec<DeliveryId>, at: Timestamp) -> Result<(), StoreError>;

    /// Whether the recipient of a delivery in flight may have been put on the suppression list since
    /// it was claimed: then it is not to be attempted but released, and the next claim looks it up.
    /// Asked right before an attempt; costs no I/O. What this process has put there shows at once,
    /// and another one's entries within a second or two.
    fn suppressed_meanwhile(&self, _claimed: &Claimed) -> bool {
        false
    }
}

/// The bodies of messages, as submitted.
#[async_trait]
pub trait Bodies: Send + Sync {
    /// Reads a body, checked against its checksum.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the stored octets are not those accepted.
    async fn body(&self, body: BodyRef) -> Result<Bytes, StoreError>;
}

/// The log of events, and what each destination has of it.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// The position of the newest event; rings when there is a newer one.
    fn newest(&self) -> watch::Receiver<Position>;

    /// Events after `after` in the order of the log that an audience hears of, with the facts of
    /// their messages: at most `limit` of them.
    ///
    /// # Errors
    /// The database can't be read.
    async fn events_after(
        &self,
        audience: Audience,
        after: Position,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// One event, for a retry; `None` where it is no longer kept.
    ///
    /// # Errors
    /// The database can't be read.
    async fn event(&self, position: Position) -> Result<Option<Logged>, StoreError>;
}

/// Events that senders are perhaps to be told of (RFC 3464), each until it was dealt with.
///
/// Which they are, [`postbell_model::report::called_for`] says; they are noted in the transaction
/// that records the event, and their messages' bodies are kept.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Rings when there is one more.
    fn reports_noted(&self) -> watch::Receiver<u64>;

    /// Those that were not dealt with, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database can't be read. One that can't be read is logged and given up instead.
    async fn reports_due(&self, limit: usize) -> Result<Vec<ReportDue>, StoreError>;

    /// Takes them off the list and lets their bodies go. Those that are not on it change nothing.
    ///
    /// # Errors
    /// The store has stopped.
    async fn end_reports(&self, ended: Vec<ReportEnd>) -> Result<(), StoreError>;
}

/// What became of events at their destinations.
#[async_trait]
pub trait Destinations: Send + Sync {
    /// How far a destination has come. A new destination begins at the newest event.
    ///
    /// # Errors
    /// The database can't be read.
    async fn cursor(&self, destination: DestinationId) -> Result<Position, StoreError>;

    /// Moves a cursor on, puts what failed before it into the retry table and adds to the log of
    /// calls, in one transaction.
    ///
    /// # Errors
    /// The store has stopped.
    async fn advance(
        &self,
        destination: DestinationId,
        progress: Progress,
    ) -> Result<(), StoreError>;

    /// Retries of a destination that are due at `now`, oldest due first.
    ///
    /// # Errors
    /// The database can't be read.
    async fn retries_due(
        &self,
        destination: DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Retry>, StoreError>;

    /// When a destination's next retry is due; `None`: it has none.
    ///
    /// # Errors
    /// The database can't be read.
    async fn next_retry(&self, destination: DestinationId)
    -> Result<Option<Timestamp>, StoreError>;

    /// Records what became of retries (delivered, due again, or dead) and the calls that were
    /// made.
    ///
    /// # Errors
    /// The store has stopped.
    async fn record_retries(
        &self,
        destination: DestinationId,
        outcomes: Vec<RetryOutcome>,
        calls: Vec<Call>,
    ) -> Result<(), StoreError>;

    /// Switches a destination off, with an event about its workspace in the same transaction; its
    /// cursor stands. One that is off already stays as it is.
    ///
    /// # Errors
    /// The store has stopped.
    async fn disable(
        &self,
        destination: DestinationId,
        reason: DisableReason,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// What an operator sets up. Small, read at every message, seldom changed: handed out as one
/// snapshot.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// The snapshot of the moment; a look costs no I/O. Another process's change shows in it
    /// within a second or two.
    fn directory(&self) -> Arc<Directory>;

    /// Rings when there is a newer snapshot.
    fn directory_changed(&self) -> watch::Receiver<u64>;

    /// Makes a workspace.
    ///
    /// # Errors
    /// The name is taken.
    async fn create_workspace(&self, name: &str, now: Timestamp) -> Result<Workspace, TenantError>;

    /// Makes a configuration set.
    ///
    /// # Errors
    /// The workspace has one of this name.
    async fn create_configuration_set(
        &self,
        set: NewConfigurationSet,
        now: Timestamp,
    ) -> Result<ConfigurationSet, TenantError>;

    /// Changes what a configuration set says of retries, expiry, reports and egress; mail that was
    /// accepted before is not affected. Its name, workspace and age stay as they are.
    ///
    /// # Errors
    /// There is no such set in its workspace.
    async fn change_configuration_set(&self, set: ConfigurationSet) -> Result<(), TenantError>;

    /// Adds a domain to a workspace, with a `DomainCreated`.
    ///
    /// # Errors
    /// A workspace has it already.
    async fn add_domain(&self, domain: SendingDomain) -> Result<(), TenantError>;

    /// Makes a destination.
    ///
    /// # Errors
    /// The configuration set has one of this name.
    async fn create_destination(&self, destination: Destination) -> Result<(), TenantError>;

    /// Makes a credential.
    ///
    /// # Errors
    /// The username is taken, perhaps by one that was revoked, or there is no such workspace.
    async fn create_credential(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<Credential, TenantError>;

    /// Takes a credential out of use, for good, and notes what is to become of its waiting
    /// deliveries: see [`Revocations`]. Once more is no error.
    ///
    /// # Errors
    /// There is no such credential.
    async fn revoke_credential(
        &self,
        username: &str,
        left: LeftQueue,
        now: Timestamp,
    ) -> Result<(), TenantError>;

    /// The keys that tokens are made with, made with the database. Key id and secret.
    fn token_keys(&self) -> Vec<(u8, Secret)>;
}

/// How much workspaces and credentials may hand in, and what was taken of it.
#[async_trait]
pub trait Allowances: Send + Sync {
    /// Sets the limits of a workspace.
    ///
    /// # Errors
    /// There is no such workspace.
    async fn set_workspace_limits(
        &self,
        workspace: WorkspaceId,
        limits: SendingLimits,
    ) -> Result<(), TenantError>;

    /// Sets the limits of a credential.
    ///
    /// # Errors
    /// There is no such credential.
    async fn set_credential_limits(
        &self,
        username: &str,
        limits: SendingLimits,
    ) -> Result<(), TenantError>;

    /// Takes so many recipients out of an account's quota of a day, and gives how many were taken
    /// on that day, these included. On disk when it answers, so callers take many at a time.
    ///
    /// # Errors
    /// The store can't write now.
    async fn take(&self, account: Account, day: u32, count: u32) -> Result<u64, StoreError>;
}

/// The keys that mail is signed with. They stand in the directory.
#[async_trait]
pub trait DomainKeys: Send + Sync {
    /// Adds keys, all or none.
    ///
    /// # Errors
    /// A domain is not there, or has a key of this selector.
    async fn add_domain_keys(&self, keys: Vec<DomainKey>) -> Result<(), TenantError>;

    /// A pending key signs from now on, and the one of its algorithm that did so retires. A key
    /// that isn't pending stays as it is.
    ///
    /// # Errors
    /// The store did not take it.
    async fn activate_domain_key(
        &self,
        domain: &Domain,
        selector: &str,
        now: Timestamp,
    ) -> Result<(), TenantError>;

    /// Forgets a key.
    ///
    /// # Errors
    /// The store did not take it.
    async fn remove_domain_key(&self, domain: &Domain, selector: &str) -> Result<(), TenantError>;
}

/// All parts together, as the program wires them.
#[async_trait]
pub trait Store:
    Intake
    + Queue
    + Bodies
    + EventLog
    + Reports
    + Destinations
    + Tenants
    + Allowances
    + DomainKeys
    + VerifiedAddresses
    + Sandboxes
    + Domains
    + DomainRemovals
    + Inbound
    + Engagements
    + Links
    + LinkBlocks
    + Certificates
    + Forwards
    + InboundRoutes
    + Operate
    + Revocations
    + Retention
    + Reputation
    + Suppressions
    + std::fmt::Debug
{
    /// Why the store has stopped; `None` while it works. Rings when it stops.
    fn failure(&self) -> watch::Receiver<Option<Arc<str>>>;

    /// Finishes what was handed in, syncs and closes.
    async fn close(&self);
}
