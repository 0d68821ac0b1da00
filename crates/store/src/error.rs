//! What can go wrong, told apart by what the caller does about it.

use std::sync::Arc;

use postbell_model::{ConfigurationSetId, DestinationId, Domain, LocalPattern, WorkspaceId};

/// A transition or a look that did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store takes nothing more in this process: a sync failed, or it was closed. Nothing
    /// that was not answered before is promised.
    #[error("the store has stopped: {0}")]
    Stopped(Arc<str>),
    /// So much waits to be committed that there was no room for more within a second.
    #[error("the store is busy: too much waits to be committed")]
    Busy,
    /// The disk is full: nothing was committed, and the store goes on.
    #[error("the disk is full")]
    Full,
    /// The change breaks a rule of the store; the others of its batch were committed.
    #[error("the store refuses the change: {0}")]
    Refused(Arc<str>),
    /// What is stored is not what was written.
    #[error("a stored record is damaged: {0}")]
    Corrupt(Arc<str>),
    /// The database could not be read.
    #[error("the database can't be read: {0}")]
    Read(Arc<str>),
}

/// A settlement that was not recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SettleError {
    /// The delivery has ended meanwhile, or was never there: the outcome is not recorded.
    #[error("the delivery is no longer queued")]
    NotQueued,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something that an operator asked for and can't have.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TenantError {
    /// There is one already.
    #[error("{kind} \"{name}\" exists already")]
    Exists {
        /// `workspace`, `configuration set`, `destination`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A domain belongs to one workspace.
    #[error("domain {domain} belongs to workspace {workspace} already")]
    DomainTaken {
        /// The domain.
        domain: Domain,
        /// Whose it is.
        workspace: WorkspaceId,
    },
    /// There is no such workspace.
    #[error("there is no workspace {0}")]
    NoSuchWorkspace(WorkspaceId),
    /// There is no such domain.
    #[error("there is no domain {0}")]
    NoSuchDomain(Domain),
    /// There is no such credential.
    #[error("there is no credential \"{0}\"")]
    NoSuchCredential(String),
    /// There is no such destination.
    #[error("there is no destination {0}")]
    NoSuchDestination(DestinationId),
    /// There is no such configuration set in that workspace.
    #[error("there is no configuration set {0} in that workspace")]
    NoSuchConfigurationSet(ConfigurationSetId),
    /// There is no such API key.
    #[error("there is no API key {0}")]
    NoSuchApiKey(String),
    /// The domain has no route of this pattern.
    #[error("{domain} has no inbound route {pattern}")]
    NoSuchInboundRoute {
        /// The domain.
        domain: Domain,
        /// The pattern.
        pattern: LocalPattern,
    },
    /// A workspace has as many verified addresses as it may.
    #[error("a workspace has {0} verified addresses at most; remove some first")]
    TooManyVerified(usize),
    /// Something still depends on it.
    #[error("{kind} \"{name}\" can't be removed: {why}")]
    InUse {
        /// `workspace`, `configuration set`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What depends on it, and what to do first.
        why: String,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
