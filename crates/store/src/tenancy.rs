//! What an operator does to tenants: pausing, removing, API keys, and what is left by a credential.

use async_trait::async_trait;
use postbell_model::{
    ApiKey, ConfigurationSetId, CredentialId, Pause, Sandbox, Sender, Sending, Timestamp,
    WorkspaceId,
};

use crate::{Holder, Nobody, Operated, StoreError, TenantError};

/// Whether mail is sent.
///
/// What is paused is not claimed: it stays queued, and no attempt is counted. A server sees a
/// change within a second or two.
#[async_trait]
pub trait Pauses: Send + Sync {
    /// Pauses the mail of a workspace or of a domain, with an event about the workspace in the same
    /// transaction: how it was before. What is paused already gets the new reason and terms, and
    /// there is no second event.
    ///
    /// # Errors
    /// There is no such workspace or domain.
    async fn pause(&self, sender: &Sender, pause: Pause) -> Result<Sending, TenantError>;

    /// Puts it into a sandbox: how it was before. What is in a sandbox already gets the new terms. No
    /// event tells of it, but the end of the pause that it may put an end to.
    ///
    /// # Errors
    /// There is no such workspace or domain.
    async fn enter_sandbox(
        &self,
        sender: &Sender,
        sandbox: Sandbox,
    ) -> Result<Sending, TenantError>;

    /// Has it sent again, with an event in the same transaction: how it was before. What is not
    /// paused stays as it is.
    ///
    /// # Errors
    /// There is no such workspace or domain.
    async fn resume(&self, sender: &Sender, now: Timestamp) -> Result<Sending, TenantError>;
}

/// Taking away what nothing depends on any more. Its number is not given anew; its name is.
#[async_trait]
pub trait Removals: Send + Sync {
    /// Removes a workspace with its configuration sets, destinations, API keys and credentials,
    /// whose names stay taken. With [`Removal::Check`] nothing is changed.
    ///
    /// # Errors
    /// It has domains, or mail that waits.
    async fn remove_workspace(
        &self,
        workspace: WorkspaceId,
        removal: Removal,
    ) -> Result<(), TenantError>;

    /// Removes a configuration set. With [`Removal::Check`] nothing is changed.
    ///
    /// # Errors
    /// It has destinations or mail that waits, or is that of a domain.
    async fn remove_configuration_set(
        &self,
        set: ConfigurationSetId,
        removal: Removal,
    ) -> Result<(), TenantError>;
}

/// How far a removal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Only whether it could be done.
    Check,
    /// It is done, at this time.
    At(Timestamp),
}

/// The keys of the HTTP API.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// Keeps a new key.
    ///
    /// # Errors
    /// Its workspace has one of this name, or isn't there.
    async fn create_api_key(&self, key: ApiKey) -> Result<(), TenantError>;

    /// Changes what is given of the key with this prefix.
    ///
    /// # Errors
    /// There is no such key, or another one has the name.
    async fn change_api_key(&self, prefix: &str, change: ApiKeyChange) -> Result<(), TenantError>;

    /// Forgets a key: it is refused from now on.
    ///
    /// # Errors
    /// There is no such key.
    async fn remove_api_key(&self, prefix: &str) -> Result<(), TenantError>;

    /// The key with this SHA-256, be it expired or not; a look costs no I/O.
    fn api_key(&self, hash: &[u8; 32]) -> Option<ApiKey>;
}

/// What is changed of an API key; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeyChange {
    /// Its name.
    pub name: Option<String>,
    /// From when on it is refused; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
}

/// What is left to be done about credentials that were revoked.
#[async_trait]
pub trait Revocations: Send + Sync {
    /// Holds or cancels what waits of each credential that was revoked with that wish, batch by
    /// batch; or what waits of one of them. What only waits in memory is taken from its holder; what
    /// is being sent at the moment is left alone and counted: the wish then stands, and this is to be
    /// called again. It stands, too, for as long as a door may not know of the revocation.
    ///
    /// # Errors
    /// The database can't be read, or the store has stopped; what was done until then stands.
    async fn finish_revocations_beside(
        &self,
        of: Option<CredentialId>,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<Finished, StoreError>;

    /// The same of all, where nobody has anything in memory.
    ///
    /// # Errors
    /// The same.
    async fn finish_revocations(&self, now: Timestamp) -> Result<Finished, StoreError> {
        self.finish_revocations_beside(None, now, &Nobody).await
    }
}

/// What became of the wishes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finished {
    /// What was held or cancelled, and what was left alone.
    pub done: Operated,
    /// How many wishes stand.
    pub open: usize,
}
