//! How much workspaces and credentials may hand in: messages a minute, recipients a day.
//!
//! The rate is counted in memory and begins anew with the program. The quota survives it: of the
//! day's recipients a hundredth at a time is taken from the store and then spent in memory, so
//! that a message seldom waits for a write, and a crash costs a hundredth at most. Who has no
//! limits pays for nothing but a look at the directory.

mod quota;
mod rate;

use std::sync::{Arc, Mutex, PoisonError};

use postbell_model::{Clock, CredentialId, Reply, SendingLimits, WorkspaceId};
use postbell_store::{Account, Allowances, Directory, Tenants};

use quota::Quotas;
use rate::Rates;

pub(crate) use quota::Reserved;

/// Counts what is handed in. One for all sessions of a door.
pub(crate) struct Counter {
    tenants: Arc<dyn Tenants>,
    clock: Arc<dyn Clock>,
    rates: Mutex<Rates>,
    quotas: Quotas,
}

/// Whose mail it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Submitter<'a> {
    pub(crate) workspace: WorkspaceId,
    /// Number and username of the credential, where there was a login.
    pub(crate) credential: Option<(CredentialId, &'a str)>,
}

/// An account with limits.
#[derive(Debug)]
struct Payer {
    account: Account,
    limits: SendingLimits,
    /// `credential "shop"`
    name: String,
}

impl Counter {
    pub(crate) fn new(
        tenants: Arc<dyn Tenants>,
        allowances: Arc<dyn Allowances>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            tenants,
            quotas: Quotas::new(allowances, Arc::clone(&clock)),
            clock,
            rates: Mutex::default(),
        }
    }

    /// Counts a message that begins; otherwise when to try again.
    pub(crate) fn begin(&self, submitter: Submitter<'_>) -> Result<(), Reply> {
        let payers = payers(&self.tenants.directory(), submitter);
        if payers.is_empty() {
            return Ok(());
        }
        self.quotas.refuse_spent(&payers)?;
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.take(&payers, self.clock.monotonic())
    }

    /// Counts a recipient; it is given back unless [`Reserved::keep`] is called. Otherwise when
    /// there is a new quota.
    pub(crate) async fn add_recipient(
        &self,
        submitter: Submitter<'_>,
        reserved: &mut Reserved,
    ) -> Result<(), Reply> {
        let payers = payers(&self.tenants.directory(), submitter);
        if payers.is_empty() {
            return Ok(());
        }
        self.quotas.take(&payers, reserved).await
    }
}

/// Who pays, of those who have limits; the credential first, since its name tells more.
fn payers(directory: &Directory, submitter: Submitter<'_>) -> Vec<Payer> {
    let mut payers = Vec::new();
    let unlimited = SendingLimits::default();
    if let Some((id, username)) = submitter.credential
        && let Some(credential) = directory.credential(username)
        && credential.limits != unlimited
    {
        payers.push(Payer {
            account: Account::Credential(id),
            limits: credential.limits,
            name: format!("credential \"{username}\""),
        });
    }
    if let Some(workspace) = directory.workspace(submitter.workspace)
        && workspace.limits != unlimited
    {
        payers.push(Payer {
            account: Account::Workspace(workspace.id),
            limits: workspace.limits,
            name: format!("workspace \"{}\"", workspace.name),
        });
    }
    payers
}
