//! Forgetting what is over.

use std::ops::AddAssign;

use async_trait::async_trait;
use postbell_model::{DeliveryId, DestinationId, InboundId, MessageId, Timestamp};

use crate::{Position, StoreError};

/// Removes what nobody needs any more, a stretch at a time.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Goes a stretch on in a round: a few hundred rows at most are removed in one transaction.
    ///
    /// A message goes with its deliveries, their events, and the calls that were made or given up
    /// about these. It stays as a whole while one of its deliveries has not ended; has its newest
    /// event at [`KeptSince::messages`] or later; has an event that a destination, be it disabled,
    /// has still to hear of, is to be called about again, or that a report is to be made of. An
    /// event about a workspace stays for the same reasons. The newest event of all stays, so that
    /// its place is not given anew. Idempotency keys and entries of the suppression list go that have
    /// expired at `now`, and the list of a workspace that was removed.
    ///
    /// Of a delivery that was made at [`KeptSince::slim`] or later a slim record is left, which is
    /// found by its token ([`crate::Inbound::sent`]) and takes what others say of it; its events
    /// then go as those of messages do, and the record goes last.
    ///
    /// The octets of mail that came in go by the file, each with the newest message in it, and with
    /// the last one in it that is to be forwarded; what is kept beside them goes with messages.
    ///
    /// Addresses that are too long for a token go when the last message that has them is older than
    /// [`KeptSince::slim`] and [`KeptSince::messages`], a day later at most.
    ///
    /// # Errors
    /// The database can't be read, or the store did not take it: nothing of the stretch is lost,
    /// and the round may go on or be begun anew.
    async fn purge_some(
        &self,
        since: KeptSince,
        now: Timestamp,
        round: &mut PurgeRound,
    ) -> Result<Purged, StoreError>;
}

/// What is older than these goes; `None`: none of it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptSince {
    /// Messages, events, and what is kept of mail that came in beside its octets.
    pub messages: Option<Timestamp>,
    /// Slim records of deliveries, by when they were made, and addresses of links.
    pub slim: Option<Timestamp>,
    /// The octets of mail that came in.
    pub inbound: Option<Timestamp>,
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
    /// Entries of the suppression list.
    Suppressions,
    /// Events of slim records, by the time of the newest and the delivery.
    SlimEvents(Option<(Timestamp, DeliveryId)>),
    /// Slim records.
    Slim(Option<DeliveryId>),
    /// Files of mail that came in.
    Files,
    /// Mail that came in.
    Inbound(Option<InboundId>),
    /// Addresses of links.
    Links,
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
    /// Slim records of deliveries.
    pub slim: u64,
    /// Files with octets of mail that came in.
    pub files: u64,
    /// Messages that came in.
    pub inbound: u64,
    /// Addresses of links.
    pub links: u64,

    /// Entries of the suppression list, and what was counted towards one.
    pub suppressions: u64,
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
        self.slim += more.slim;
        self.files += more.files;
        self.inbound += more.inbound;
        self.links += more.links;

        self.suppressions += more.suppressions;
    }
}
