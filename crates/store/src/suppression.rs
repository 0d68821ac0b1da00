//! The suppression list: who gets no mail of a workspace any more.
//!
//! Entries come from facts as well ([`postbell_model::suppression::follows_from`]): the store adds
//! them in the transaction that records the fact, whichever verb that is. Mail to those on the list
//! is taken and ends `suppressed` with a `Reject` in the place of its `Send`, and what waits is looked
//! up once more when it is claimed.

use async_trait::async_trait;
use postbell_model::suppression::{Cause, LocalPart, Scope, Suppression};
use postbell_model::{Address, Domain, Timestamp, WorkspaceId};
use serde::{Deserialize, Deserializer};

use crate::{StoreError, TenantError};

/// Looks after the suppression list. Beside a running server as well, which knows of a new entry at
/// once where it looks into the database, and within a second or two of what it has in memory.
#[async_trait]
pub trait Suppressions: Send + Sync {
    /// Puts addresses on the list, all in one transaction, each with a `SuppressionAdded` where it
    /// was not there: what became of each at its place. One that stands there already gets the later
    /// expiry and the note, and keeps its cause and since when; one that has expired at `now` does
    /// not stand there any more. Many go in batches of a thousand, say: new mail waits for each.
    ///
    /// # Errors
    /// There is no such workspace.
    async fn suppress(
        &self,
        new: Vec<Suppression>,
        now: Timestamp,
    ) -> Result<Vec<Listed>, TenantError>;

    /// Takes an address off, with a `SuppressionRemoved` for each entry that holds at `now`: what
    /// stood there. Of one scope, or of all where there is none.
    ///
    /// # Errors
    /// There is no such workspace.
    async fn unsuppress(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        scope: Option<&Scope>,
        now: Timestamp,
    ) -> Result<Vec<Suppression>, TenantError>;

    /// The entries of an address that hold at `now`, those of streams too.
    ///
    /// # Errors
    /// The database can't be read.
    async fn suppressions_of(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        now: Timestamp,
    ) -> Result<Vec<Suppression>, StoreError>;

    /// Which of these addresses get no mail of a stream, one answer for each at its place: the entry
    /// that holds. One look for all.
    ///
    /// # Errors
    /// The database can't be read.
    async fn suppressed(
        &self,
        workspace: WorkspaceId,
        stream: Option<&str>,
        addresses: &[Address],
        now: Timestamp,
    ) -> Result<Vec<Option<Suppression>>, StoreError>;

    /// A page of a workspace's list, in the order in which addresses are compared.
    ///
    /// # Errors
    /// The database can't be read.
    async fn suppression_page(
        &self,
        filter: &SuppressionFilter,
        page: &SuppressionPage,
    ) -> Result<Vec<Suppression>, StoreError>;

    /// How many entries of a workspace hold at `now`.
    ///
    /// # Errors
    /// The database can't be read.
    async fn suppression_count(
        &self,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// How local parts are compared here.
    fn local_part(&self) -> LocalPart;
}

/// How the suppression list is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppressionOptions {
    /// How local parts are compared.
    #[serde(deserialize_with = "local_part")]
    pub local_part: LocalPart,
    /// An address that mail was given up for so often in a row, although it is not known to be
    /// dead, is put on the list; 0: none is.
    pub soft_bounces: u32,
}

fn local_part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LocalPart, D::Error> {
    /// The names in the configuration.
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Name {
        Fold,
        Exact,
    }
    Ok(match Name::deserialize(deserializer)? {
        Name::Fold => LocalPart::Fold,
        Name::Exact => LocalPart::Exact,
    })
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It stands there now.
    Added,
    /// It stood there already, and has another expiry or note now.
    Changed,
    /// It stood there already, just so.
    Known,
}

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionFilter {
    /// Of this workspace.
    pub workspace: WorkspaceId,
    /// For this cause.
    pub cause: Option<Cause>,
    /// Of this scope.
    pub scope: Option<Scope>,
    /// Of addresses at this domain.
    pub domain: Option<Domain>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// That have not expired then.
    pub holds_at: Timestamp,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionPage {
    /// Behind this entry, the last of the page before.
    pub after: Option<(Address, Scope)>,
    /// At most so many.
    pub limit: usize,
}
