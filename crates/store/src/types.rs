//! What goes into the store and comes out of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Address, CredentialId, Delivery, DeliveryId, Egress, Event, EventId, EventKind, Fact, Message,
    MessageId, ReportKind, ReportRequest, ScramKeys, Secret, SendingLimits, Timestamp,
    WorkspaceEvent, WorkspaceId,
};

/// A message to be accepted, with all that was decided about it.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The message; its id is new.
    pub message: Arc<Message>,
    /// What it was handed in with; `None`: it came from a trusted network, or is our own.
    pub credential: Option<CredentialId>,
    /// One for each recipient, at least one.
    pub deliveries: Vec<NewDelivery>,
    /// The message as submitted, CRLF line ends, without the final dot.
    pub body: Bytes,
    /// When it is sent; `None`: at once.
    pub send_at: Option<Timestamp>,
    /// Where it stands, no second message with this key is taken.
    pub idempotency: Option<IdempotencyKey>,
}

/// What makes a second submission of the same message known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, unique in the workspace.
    pub key: String,
    /// How long it is kept.
    pub until: Timestamp,
}

/// What became of a submission that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It was stored.
    New,
    /// Its key is that of an earlier message, and nothing was stored.
    Known(MessageId),
}

/// A delivery to be queued: `Queued`, attempt 1, with `Send` as its first event; or `Scheduled`
/// with `Scheduled` where the submission has a time.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// A new id.
    pub id: DeliveryId,
    /// The recipient.
    pub recipient: Address,
    /// When to try again if the process dies during the first attempt.
    pub retry_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// What was asked about reports.
    pub report: ReportRequest,
    /// Why it ends at once, with this in the place of its first event: `Reject` or `Suppressed`;
    /// `None`: it is sent, unless the suppression list has its recipient.
    pub ends_with: Option<Fact>,
}

/// A delivery in flight.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The delivery, with the number of the attempt that begins now.
    pub delivery: Delivery,
    /// Its message.
    pub message: Arc<Message>,
    /// Its body.
    pub body: Body,
}

/// The body of a claimed delivery.
#[derive(Debug, Clone)]
pub enum Body {
    /// Still in memory, since it was freshly accepted.
    Memory(Bytes),
    /// To be read with [`crate::Bodies::body`].
    Stored(BodyRef),
}

/// Where a body lies. Opaque outside the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyRef {
    /// Which message's body it is; of one that came in, these are the octets of its id.
    pub message: MessageId,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

impl BodyRef {
    /// Of a message whose body nobody needs: no file has the number 0.
    pub(crate) const fn nowhere(message: MessageId) -> Self {
        Self {
            message,
            segment: 0,
            offset: 0,
            length: 0,
        }
    }
}

/// The outcome of an attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The delivery, in flight until now.
    pub delivery: DeliveryId,
    /// When it happened.
    pub at: Timestamp,
    /// `Delivery`, `DeliveryDelay` or `Bounce`; what follows is
    /// [`postbell_model::consequence::consequence`]'s to say.
    pub fact: Fact,
}

/// A place in the event log: events are numbered from 1 in the order of their commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// An event of the log.
#[derive(Debug, Clone)]
pub enum Logged {
    /// About a delivery.
    Delivery(LoggedEvent),
    /// About a workspace.
    Workspace(LoggedWorkspaceEvent),
}

impl Logged {
    /// Its place in the log.
    pub const fn position(&self) -> Position {
        match self {
            Self::Delivery(logged) => logged.position,
            Self::Workspace(logged) => logged.position,
        }
    }

    /// The event's id.
    pub const fn id(&self) -> EventId {
        match self {
            Self::Delivery(logged) => logged.event.id,
            Self::Workspace(logged) => logged.event.id,
        }
    }

    /// What kind of event it is.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Delivery(logged) => logged.event.fact.kind(),
            Self::Workspace(logged) => logged.event.fact.kind(),
        }
    }

    /// The delivery that it is about.
    pub const fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Delivery(logged) => Some(logged.event.delivery),
            Self::Workspace(_) => None,
        }
    }
}

/// An event about a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedWorkspaceEvent {
    /// Its place in the log.
    pub position: Position,
    /// The fact.
    pub event: WorkspaceEvent,
}

/// An event about a delivery with the facts of its message, as formats need them.
#[derive(Debug, Clone)]
pub struct LoggedEvent {
    /// Its place in the log.
    pub position: Position,
    /// The fact.
    pub event: Event,
    /// The recipient.
    pub recipient: Address,
    /// The message.
    pub message: Arc<Message>,
}

/// A stretch of the event log.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events asked for, in the log's order.
    pub events: Vec<Logged>,
    /// How far the log was read: the cursor once these events have been dealt with, also where
    /// there are none. Equal to what was asked after where there is nothing newer.
    pub read_to: Position,
}

/// An event that a sender is perhaps to be told of.
#[derive(Debug, Clone)]
pub struct ReportDue {
    /// The event with its message.
    pub logged: LoggedEvent,
    /// What it calls for.
    pub kind: ReportKind,
    /// What was asked about reports.
    pub request: ReportRequest,
    /// The message's body, which is kept until [`crate::Reports::end_reports`].
    pub body: BodyRef,
    /// When the delivery was queued first.
    pub queued_at: Timestamp,
    /// Whether the delivery is still queued and its sender was not yet told of its delay.
    pub unwarned: bool,
}

/// What became of an event that a sender was perhaps to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportEnd {
    /// The event.
    pub position: Position,
    /// The idempotency key that the report was submitted with: it goes with the event.
    pub key: Option<String>,
    /// Whether the sender was told of a delay: of one delivery that is done once.
    pub warned: bool,
}

impl ReportEnd {
    /// Nobody is told of this event.
    pub const fn without_report(position: Position) -> Self {
        Self {
            position,
            key: None,
            warned: false,
        }
    }
}

/// A webhook call that failed and is due again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The event.
    pub position: Position,
    /// Which of the documents that the destination's format makes of the event; 0 for the first.
    pub document: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// When the next try is due.
    pub next_at: Timestamp,
    /// What the last try came to, in a sentence.
    pub last_error: String,
}

/// What became of a retry.
#[derive(Debug, Clone)]
pub enum RetryOutcome {
    /// The destination took it.
    Delivered {
        /// The event.
        position: Position,
        /// The document.
        document: u32,
    },
    /// It failed and is due again.
    Again(Retry),
    /// It failed for the last time: kept, replayable, never due.
    Dead(Retry),
}

/// A configuration set to be made.
#[derive(Debug, Clone)]
pub struct NewConfigurationSet {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its name, unique in the workspace.
    pub name: String,
    /// Attempts after the first.
    pub max_retries: Option<u32>,
    /// How long a delivery is tried.
    pub expire_after: Option<Duration>,
    /// Whether MAIL FROM gets reports.
    pub reports: Option<bool>,
    /// How its mail leaves.
    pub egress: Egress,
    /// What is tracked of its mail.
    pub tracking: SetTracking,
}

/// A credential to be made.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The username, unique in the installation.
    pub username: String,
    /// The password's hash, as [`crate::password::hash`] makes it.
    pub password_hash: Secret,
    /// Its keys, as [`crate::scram::derive`] makes them.
    pub scram: Option<ScramKeys>,
    /// How much may be handed in with it.
    pub limits: SendingLimits,
}

/// Whose recipients are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// All mail of a workspace.
    Workspace(WorkspaceId),
    /// What was handed in with a credential.
    Credential(CredentialId),
}
