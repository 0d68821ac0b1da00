//! What an operator sees of destinations and does to them: settings, secrets, calls, replays.

use std::time::Duration;

use async_trait::async_trait;
use postbell_model::{
    Audience, DestinationId, DestinationSettings, DestinationState, EventId, EventKind, Secret,
    Timestamp,
};

use crate::{Position, Retry, StoreError, TenantError};

/// Looks after destinations. Beside a running server as well, which sees what changed within a
/// second or two.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Changes what is given of a destination.
    ///
    /// # Errors
    /// There is no such destination.
    async fn change_destination(
        &self,
        destination: DestinationId,
        change: DestinationChange,
    ) -> Result<(), TenantError>;

    /// Gives a destination a new secret; calls are signed with the one before it, too, until
    /// `until`. One from before that signs no more.
    ///
    /// # Errors
    /// There is no such destination.
    async fn rotate_secret(
        &self,
        destination: DestinationId,
        secret: Secret,
        until: Timestamp,
    ) -> Result<(), TenantError>;

    /// Removes a destination with all that is kept of it.
    ///
    /// # Errors
    /// There is no such destination.
    async fn remove_destination(&self, destination: DestinationId) -> Result<(), TenantError>;

    /// The last calls to a destination, the newest first.
    ///
    /// # Errors
    /// The database can't be read.
    async fn calls(
        &self,
        destination: DestinationId,
        which: WhichCalls,
        limit: usize,
    ) -> Result<Vec<LoggedCall>, StoreError>;

    /// The calls that were given up, the oldest event first.
    ///
    /// # Errors
    /// The database can't be read.
    async fn dead(
        &self,
        destination: DestinationId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// How far a destination is behind.
    ///
    /// # Errors
    /// The database can't be read.
    async fn backlog(&self, destination: DestinationId) -> Result<Backlog, StoreError>;

    /// How many events a replay is about.
    ///
    /// # Errors
    /// The database can't be read.
    async fn count_replay(
        &self,
        destination: DestinationId,
        replay: &Replay,
    ) -> Result<u64, StoreError>;

    /// Makes events due at `now` as if they had never been told. Those after the destination's
    /// cursor are left out: they will be told anyway. How many there were.
    ///
    /// # Errors
    /// The database can't be written; what was done until then stands.
    async fn replay(
        &self,
        destination: DestinationId,
        replay: &Replay,
        now: Timestamp,
    ) -> Result<u64, StoreError>;
}

/// What is changed of a destination; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationChange {
    /// Where events go.
    pub url: Option<String>,
    /// Names of events in any vocabulary; empty: all.
    pub matching_event_types: Option<Vec<String>>,
    /// The vocabulary.
    pub format: Option<String>,
    /// How it wants to be called, all of it.
    pub settings: Option<DestinationSettings>,
    /// Whether it is sent to.
    pub state: Option<DestinationState>,
}

/// How far a destination has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events up to here are dealt with. A cursor never goes back.
    pub cursor: Position,
    /// What failed before it.
    pub failed: Vec<Retry>,
    /// Calls for the log, in order.
    pub calls: Vec<Call>,
}

/// A call to a destination. Of each destination the last [`CALLS_KEPT`] are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it was begun.
    pub at: Timestamp,
    /// The event.
    pub position: Position,
    /// Which of the documents that the destination's format makes of the event.
    pub document: u32,
    /// 1 for the first call about this document.
    pub attempt: u32,
    /// From its beginning to the end of the answer.
    pub took: Duration,
    /// What came of it.
    pub answer: CallAnswer,
    /// When it is made again.
    pub next_at: Option<Timestamp>,
}

/// How many calls are kept of each destination.
pub const CALLS_KEPT: u32 = 1_000;

/// How much of an answer is kept.
pub const ANSWER_KEPT: usize = 1_024;

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAnswer {
    /// An answer.
    Status {
        /// The HTTP status.
        status: u16,
        /// How the body begins: at most [`ANSWER_KEPT`] octets.
        body: Vec<u8>,
    },
    /// None, and why.
    Failure(String),
}

impl CallAnswer {
    /// Whether the destination took the document.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status / 100 == 2)
    }
}

/// Which calls are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhichCalls {
    /// All that are kept.
    #[default]
    All,
    /// Those that failed.
    Failed,
}

/// A call, and what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCall {
    /// The call.
    pub call: Call,
    /// The event; `None` where it is no longer kept.
    pub event: Option<(EventId, EventKind)>,
}

/// An event that was given up for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The call that was given up.
    pub position: Position,
    /// Which of the event's documents.
    pub document: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last try came to.
    pub last_error: String,
    /// The event; `None` where it is no longer kept.
    pub event: Option<(EventId, EventKind, Timestamp)>,
}

/// What a destination has not heard yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Its place in the log.
    pub cursor: Position,
    /// The newest event of the log, whoever's it is.
    pub newest: Position,
    /// Calls that failed and are due again.
    pub retries: u64,
    /// Calls that were given up.
    pub dead: u64,
}

/// Events that a destination is to hear again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Which events.
    pub events: ReplayOf,
    /// Whose events it hears of.
    pub audience: Audience,
    /// The kinds that it wants; `None`: all.
    pub kinds: Option<Vec<EventKind>>,
    /// How many documents its format makes of an event, at most.
    pub documents: u32,
}

/// Which events are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayOf {
    /// This one.
    Event(EventId),
    /// Those from a moment on, up to another.
    Since {
        /// The first moment.
        since: Timestamp,
        /// The first moment that is not meant; `None`: there is none.
        until: Option<Timestamp>,
    },
    /// Those that were given up.
    Dead,
}
