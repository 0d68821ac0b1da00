//! Links that are too long for a token, and links that lead nowhere any more.

use async_trait::async_trait;
use postbell_model::Timestamp;
use postbell_model::tracking::LinkBlock;

use crate::{StoreError, TenantError};

/// Addresses that are too long for a token, by the name that
/// [`postbell_model::token::stored_link`] makes of them.
#[async_trait]
pub trait Links: Send + Sync {
    /// Keeps addresses; those that are kept already stay. On disk when it answers.
    ///
    /// # Errors
    /// The store did not take them.
    async fn keep_links(&self, urls: Vec<String>, now: Timestamp) -> Result<(), StoreError>;

    /// The address of this name.
    ///
    /// # Errors
    /// The database can't be read.
    async fn link(&self, name: [u8; 16]) -> Result<Option<String>, StoreError>;
}

/// What operators have blocked. It stands in the directory.
#[async_trait]
pub trait LinkBlocks: Send + Sync {
    /// Blocks links; whether they were not blocked before.
    ///
    /// # Errors
    /// There is no such workspace.
    async fn block_links(
        &self,
        block: LinkBlock,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<bool, TenantError>;

    /// Lets them lead on again; whether they were blocked.
    ///
    /// # Errors
    /// The store did not take it.
    async fn unblock_links(&self, block: &LinkBlock) -> Result<bool, TenantError>;
}

/// What is blocked, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedLinks {
    /// What.
    pub block: LinkBlock,
    /// Why, in an operator's words.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}
