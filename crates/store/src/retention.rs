//! Forgetting what is over.

use std::ops::AddAssign;

use async_trait::async_trait;
use postbell_model::{DestinationId, MessageId, Timestamp};

use crate::{Position, StoreError};

/// Removes what nobody needs any more, a stretch at a time.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Goes a stretch on in a round: a few hundred rows at most are removed in one transaction.
    ///
    /// A message goes with its deliveries, their events, and the calls that were made or given up
    /// about these. It stays as a whole while one of its deliveries has not ended; has its newest
    /// event at `before` or later; has an event that a destination, be it disabled, has still to
    /// hear of, is to be called about again, or that a report is to be made of. An event about a
    /// workspace stays for the same reasons. The newest event of all stays, so that its place is
    /// not given anew. Idempotency keys go that have expired at `now`.
    ///
    /// # Errors
    /// The database can't be read, or the store did not take it: nothing of the stretch is lost,
    /// and the round may go on or be begun anew.
    async fn purge_some(
        &self,
        before: Timestamp,
        now: Timestamp,
        round: &mut PurgeRound,
    ) -> Result<Purged, StoreError>;
}

/// How far a round has come. What is passed over is looked at again by the next one.
#[derive(Debug, Default)]
pub struct PurgeRound(pub(crate) PurgePart);

impl PurgeRound {
    /// Whether there is nothing left to look at.
    pub const fn is_over(&self) -> bool {
        matches!(self.0, PurgePart::Over)
    }
}

/// What a round looks at, and the last one that was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PurgePart {
    /// Messages with what belongs to them, the oldest first.
    Messages(Option<MessageId>),
    /// Events about workspaces.
    Workspaces(Position),
    /// The log of calls, by destination and number.
    Calls(Option<(DestinationId, u64)>),
    /// Idempotency keys.
    Keys,
    Over,
}

impl Default for PurgePart {
    fn default() -> Self {
        Self::Messages(None)
    }
}

/// How much was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Messages.
    pub messages: u64,
    /// Their deliveries.
    pub deliveries: u64,
    /// Events.
    pub events: u64,
    /// Entries of the log of calls.
    pub calls: u64,
    /// Idempotency keys.
    pub keys: u64,
}

impl Purged {
    /// Whether nothing was.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Purged {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.deliveries += more.deliveries;
        self.events += more.events;
        self.calls += more.calls;
        self.keys += more.keys;
    }
}
