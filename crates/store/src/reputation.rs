//! How the mail of workspaces fares, counted by the hour.

use async_trait::async_trait;
use postbell_model::reputation::Figures;
use postbell_model::{Domain, Pause, Timestamp, WorkspaceId};

use crate::{StoreError, TenantError};

/// Counts outcomes, hard bounces and complaints of each workspace, from the log of events.
///
/// When a workspace is resumed it begins anew: what happened before is forgotten. Hours are those of
/// UTC, so that what is counted since a moment is counted since the beginning of its hour.
#[async_trait]
pub trait Reputation: Send + Sync {
    /// Counts the next stretch of the log, in one transaction with how far it has come: it is read
    /// before that, so that whoever writes hardly waits. What is older than `since` may be passed
    /// over. Mail to `simulated` is no mail, and what we send on our own account is nobody's.
    ///
    /// # Errors
    /// The database can't be read or written; what was counted until then stands.
    async fn count_outcomes(
        &self,
        since: Timestamp,
        simulated: Option<&Domain>,
    ) -> Result<Counted, StoreError>;

    /// The figures of the workspaces that have some, since a moment.
    ///
    /// # Errors
    /// The database can't be read.
    async fn reputations(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(WorkspaceId, Figures)>, StoreError>;

    /// Pauses a workspace whose mail is sent without restriction, as [`crate::Pauses::pause`] does;
    /// one that is paused or in a sandbox is left as it is. Whether it was paused.
    ///
    /// # Errors
    /// There is no such workspace.
    async fn pause_active(&self, workspace: WorkspaceId, pause: Pause)
    -> Result<bool, TenantError>;
}

/// How far a count has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// To the end of the log.
    All,
    /// Not to the end.
    Some,
}

/// What is counted of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) workspace: WorkspaceId,
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) figures: Figures,
}
