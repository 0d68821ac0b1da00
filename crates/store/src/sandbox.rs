//! Who a sandbox may send to, and how many a day.

use async_trait::async_trait;
use postbell_model::{Address, MessageId, Sender, Timestamp, WorkspaceId};

use crate::{StoreError, TenantError};

/// How many addresses of a workspace may be verified: all of them stand in the directory.
pub const VERIFIED_MAX: usize = 10_000;

/// Who a sandbox may send to. They stand in the directory.
#[async_trait]
pub trait VerifiedAddresses: Send + Sync {
    /// Adds an address; whether it was not there.
    ///
    /// # Errors
    /// There is no such workspace, or it has [`VERIFIED_MAX`] of them.
    async fn verify_address(
        &self,
        workspace: WorkspaceId,
        address: &Address,
        now: Timestamp,
    ) -> Result<bool, TenantError>;

    /// Forgets an address; whether it was there.
    ///
    /// # Errors
    /// There is no such workspace.
    async fn forget_address(
        &self,
        workspace: WorkspaceId,
        address: &Address,
    ) -> Result<bool, TenantError>;
}

/// What sandboxes have sent.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// Takes recipients out of what a sandbox may send on a day, as far as there are any: how many
    /// were taken. On disk when it answers.
    ///
    /// # Errors
    /// The store can't write now.
    async fn take_in_sandbox(&self, taking: SandboxTaking) -> Result<u32, StoreError>;

    /// Gives back what was taken for mail that is not sent after all: as many as `count` says.
    ///
    /// # Errors
    /// The store can't write now.
    async fn give_back_in_sandbox(&self, taking: SandboxTaking) -> Result<(), StoreError>;

    /// The message that was accepted with an idempotency key, while the key is kept: nothing is
    /// taken for it a second time.
    ///
    /// # Errors
    /// The database can't be read.
    async fn sent_before(
        &self,
        workspace: WorkspaceId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError>;

    /// How many were taken on a day.
    ///
    /// # Errors
    /// The database can't be read.
    async fn taken_in_sandbox(
        &self,
        workspace: WorkspaceId,
        sender: &Sender,
        day: u32,
    ) -> Result<u32, StoreError>;
}

/// Recipients that a sandbox is about to send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxTaking {
    /// The workspace that sends.
    pub workspace: WorkspaceId,
    /// Whose sandbox it is: that of the workspace, or of one of its domains.
    pub sender: Sender,
    /// The day in UTC, counted from 1970.
    pub day: u32,
    /// How many there are on a day.
    pub limit: u32,
    /// How many are asked for.
    pub count: u32,
    /// What there is where there are too few.
    pub portion: Portion,
}

/// What is given where less is left than is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// Nothing.
    All,
    /// What is left.
    Some,
}

impl SandboxTaking {
    /// How many there are for it where so many were taken before.
    pub fn granted(&self, taken: u32) -> u32 {
        let left = self.limit.saturating_sub(taken);
        match self.portion {
            Portion::All if left < self.count => 0,
            Portion::All | Portion::Some => left.min(self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_given_where_a_part_is_of_use() {
        let taking = |portion| SandboxTaking {
            workspace: WorkspaceId(1),
            sender: Sender::Workspace(WorkspaceId(1)),
            day: 20_000,
            limit: 10,
            count: 4,
            portion,
        };
        for (taken, all, some) in [(0, 4, 4), (6, 4, 4), (7, 0, 3), (10, 0, 0), (11, 0, 0)] {
            assert_eq!(taking(Portion::All).granted(taken), all);
            assert_eq!(taking(Portion::Some).granted(taken), some);
        }
    }
}
