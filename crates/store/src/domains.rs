//! What becomes of sending domains: changed, checked, removed.

use std::collections::HashMap;

use async_trait::async_trait;
use postbell_model::tracking::Colour;
use postbell_model::{
    ConfigurationSetId, DmarcMode, Domain, SeenRecords, SettingChange, Timestamp, WorkspaceId,
};

use crate::{Holder, Nobody, StoreError, TenantError};

/// Looks after sending domains. Beside a running server as well, which sees what changed within
/// a second or two. Every change is told in an event of the domain's workspace, in the same
/// transaction.
#[async_trait]
pub trait Domains: Send + Sync {
    /// Changes settings of a domain, with a `DomainUpdated` where any of them is another now: what
    /// it tells.
    ///
    /// # Errors
    /// There is no such domain, or no such configuration set in its workspace.
    async fn change_domain(
        &self,
        domain: &Domain,
        change: DomainChange,
        now: Timestamp,
    ) -> Result<Vec<SettingChange>, TenantError>;

    /// Removes a domain with its keys and its state in the DNS, with a `DomainDeleted`: anybody
    /// may add it then. The mail of it that waits is left to [`DomainRemovals::reject_removed`]. Tokens
    /// that were made for its mail stay good, since they need no row of it.
    ///
    /// # Errors
    /// There is no such domain.
    async fn remove_domain(
        &self,
        domain: &Domain,
        now: Timestamp,
    ) -> Result<DomainRemoval, TenantError>;

    /// What became of a removal; `None`: it ended some time ago.
    ///
    /// # Errors
    /// The database can't be read.
    async fn removal(&self, id: u64) -> Result<Option<DomainRemoval>, StoreError>;

    /// Keeps what the DNS said of domains, with a `DomainVerified` or a `DomainUnverified` where
    /// that is news: those where it is. Domains that are gone are passed over.
    ///
    /// # Errors
    /// The store did not take it.
    async fn record_domain_checks(
        &self,
        checks: Vec<DomainCheck>,
    ) -> Result<Vec<DomainTurn>, TenantError>;

    /// What the DNS said last of each domain that was checked.
    ///
    /// # Errors
    /// The database can't be read.
    async fn verifications(&self) -> Result<HashMap<Domain, Verification>, StoreError>;
}

/// Ends the mail of domains that were removed. Done by whoever has the store, since only that one
/// knows what is being sent.
#[async_trait]
pub trait DomainRemovals: Send + Sync {
    /// Rejects what waits of removed domains, each delivery with its `Reject` in one transaction.
    /// What only waits in memory is taken from its holder; what is being sent at the moment is left
    /// alone. How many removals have not ended.
    ///
    /// A removal ends once nothing waits and some seconds are over, for mail that a door let in
    /// while it did not know yet.
    ///
    /// # Errors
    /// The database can't be read, or the store has stopped; what was done until then stands.
    async fn reject_removed_beside(
        &self,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<usize, StoreError>;

    /// The same, where nobody has anything in memory.
    ///
    /// # Errors
    /// The same.
    async fn reject_removed(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.reject_removed_beside(now, &Nobody).await
    }
}

/// What is changed of a domain; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainChange {
    /// The host of the return path.
    pub return_path_host: Option<Domain>,
    /// The host of the addresses that replies are caught at.
    pub reply_host: Option<Domain>,
    /// The host of links and pixels that are tracked.
    pub tracking_host: Option<Domain>,
    /// The configuration set of mail that names none.
    pub configuration_set: Option<ConfigurationSetId>,
    /// Whether answers are caught.
    pub reply_capture: Option<bool>,
    /// Whether it takes mail to its own addresses.
    pub inbound: Option<bool>,
    /// What it does with mail that its senders' domains forbid.
    pub dmarc: Option<DmarcMode>,
    /// Whether opens of its mail are tracked where nobody says otherwise.
    pub track_opens: Option<bool>,
    /// Whether clicks are.
    pub track_clicks: Option<bool>,
    /// What it is called to those who unsubscribe; `Some(None)`: by its domain.
    pub brand_name: Option<Option<String>>,
    /// The colour of its button; `Some(None)`: the usual one.
    pub brand_colour: Option<Option<Colour>>,
}

/// A look at the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainCheck {
    /// The domain.
    pub domain: Domain,
    /// When it was looked at.
    pub at: Timestamp,
    /// What there was.
    pub found: DomainFound,
}

/// What the DNS has of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainFound {
    /// All that its mail needs.
    All(SeenRecords),
    /// These records are not there, or not as they should be.
    Missing(Vec<String>),
    /// Nobody knows, since questions got no answer: what was known stands.
    Unanswered,
}

/// A domain that is verified now and was not, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainTurn {
    /// The domain.
    pub domain: Domain,
    /// Whether it is verified.
    pub verified: bool,
    /// The records that are missing.
    pub missing: Vec<String>,
}

/// What the DNS said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// When it was asked.
    pub checked_at: Timestamp,
    /// Since when all needed records are there; `None`: they are not.
    pub verified_at: Option<Timestamp>,
    /// The needed records that are not.
    pub missing: Vec<String>,
}

/// A domain that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRemoval {
    /// Its number.
    pub id: u64,
    /// Whose it was.
    pub workspace: WorkspaceId,
    /// The domain.
    pub domain: Domain,
    /// When.
    pub removed_at: Timestamp,
    /// How many deliveries were rejected so far.
    pub rejected: u64,
    /// When there were no more.
    pub ended_at: Option<Timestamp>,
}
