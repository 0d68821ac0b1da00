//! What an operator sees of the store and does to it.

use async_trait::async_trait;
use postbell_model::{
    Address, CredentialId, Delivery, DeliveryId, DeliveryState, DestinationId, Domain, Event,
    EventId, EventKind, Lane, Message, MessageId, RejectReason, Reply, Timestamp, WorkspaceId,
};
use std::sync::Arc;

use crate::{Logged, Position, StoreError};

/// Looks at the store. Beside a running server as well: nothing is changed and nobody waits.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// What waits in each lane, by workspace and domain, of the deliveries that fit. Reads one
    /// index: a million deliveries take some 100 ms.
    ///
    /// # Errors
    /// The database can't be read.
    async fn lanes(&self, filter: &DeliveryFilter) -> Result<Vec<LaneDepth>, StoreError>;

    /// Waiting deliveries that fit, those due first before the others, at most `limit`.
    ///
    /// # Errors
    /// The database can't be read.
    async fn waiting(
        &self,
        filter: &DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<Waiting>, StoreError>;

    /// A delivery's latest event.
    ///
    /// # Errors
    /// The database can't be read.
    async fn latest(&self, delivery: DeliveryId) -> Result<Option<Event>, StoreError>;

    /// A message with all its deliveries, by its id or that of one of them.
    ///
    /// # Errors
    /// The database can't be read.
    async fn history(&self, id: MessageOrDelivery) -> Result<Option<History>, StoreError>;

    /// Events that fit, at most `limit` of them: the oldest of those after a position, or the
    /// newest of all.
    ///
    /// # Errors
    /// The database can't be read.
    async fn events(
        &self,
        filter: &EventFilter,
        from: From,
        limit: usize,
    ) -> Result<EventsFound, StoreError>;

    /// The event of this id. It is looked for near the moment that the id tells, then in the whole
    /// log.
    ///
    /// # Errors
    /// The database can't be read.
    async fn event(&self, id: EventId) -> Result<Option<Logged>, StoreError>;
}

/// Acts on waiting deliveries.
#[async_trait]
pub trait Operate: Send + Sync {
    /// Carries out an action on waiting deliveries that fit, each with its event in one
    /// transaction. What is being sent at the moment is left alone and counted.
    ///
    /// # Errors
    /// The database can't be read, or the store has stopped; what was done until then stands.
    async fn operate(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        now: Timestamp,
    ) -> Result<Operated, StoreError>;
}

/// Which waiting deliveries are meant; an empty one means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// To this domain.
    pub domain: Option<Domain>,
    /// To this address.
    pub recipient: Option<Address>,
    /// Of this message.
    pub message: Option<MessageId>,
    /// This one.
    pub delivery: Option<DeliveryId>,
    /// Of a message that was handed in with this credential.
    pub credential: Option<CredentialId>,
    /// Accepted before this moment.
    pub accepted_before: Option<Timestamp>,
    /// With this domain in its From field.
    pub sender_domain: Option<Domain>,
    /// In one of these states: of [`WAITING`]; none: all of those.
    pub states: Vec<DeliveryState>,
}

/// The states in which a delivery waits.
pub const WAITING: [DeliveryState; 3] = [
    DeliveryState::Queued,
    DeliveryState::Held,
    DeliveryState::Scheduled,
];

/// What waits in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneDepth {
    /// The lane.
    pub lane: Lane,
    /// The state of all these.
    pub state: DeliveryState,
    /// How many there are.
    pub count: u64,
    /// When the oldest of them was accepted, to the millisecond.
    pub oldest: Timestamp,
    /// The oldest of them.
    pub oldest_delivery: DeliveryId,
    /// When the first of them is due.
    pub next_at: Timestamp,
}

/// A delivery that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The delivery.
    pub delivery: Delivery,
    /// Its message.
    pub message: Arc<Message>,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it is due.
    pub next_at: Timestamp,
    /// Its latest event.
    pub latest: Option<Event>,
}

/// An id that an operator has at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageOrDelivery(pub [u8; 16]);

/// All that is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The message.
    pub message: Arc<Message>,
    /// Its deliveries in the order of their ids.
    pub deliveries: Vec<DeliveryHistory>,
}

/// All that is known of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryHistory {
    /// The delivery.
    pub delivery: Delivery,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it is due, where it waits.
    pub next_at: Timestamp,
    /// Its events, in order.
    pub events: Vec<EventHistory>,
}

/// An event, and what its destinations have of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHistory {
    /// Its place in the log.
    pub position: Position,
    /// The event.
    pub event: Event,
    /// Each destination of its configuration set and of its workspace, whether it wants such events
    /// or not.
    pub told: Vec<(DestinationId, Told)>,
}

/// What a destination has of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Its cursor has not come so far.
    Waiting,
    /// Its cursor has passed it, and no call is open.
    Done,
    /// A call failed and is due again.
    Again {
        /// How often it was tried.
        attempts: u32,
        /// When the next try is due.
        next_at: Timestamp,
        /// What the last try came to.
        last_error: String,
    },
    /// The last try failed.
    Dead {
        /// How often it was tried.
        attempts: u32,
        /// What the last try came to.
        last_error: String,
    },
    /// The destination was made after it.
    Never,
}

/// Which events are meant; an empty one means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Of these kinds; none: all.
    pub kinds: Vec<EventKind>,
    /// About this address.
    pub recipient: Option<Address>,
    /// About addresses of this domain.
    pub domain: Option<Domain>,
    /// Not older than this.
    pub since: Option<Timestamp>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The oldest ones after this place.
    After(Position),
    /// The newest ones.
    Newest,
}

/// Events that fit, the oldest first.
#[derive(Debug, Clone)]
pub struct EventsFound {
    /// The events.
    pub events: Vec<Logged>,
    /// How far the log was read: what to ask after for those that follow.
    pub read_to: Position,
}

/// What to do with waiting deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Queued ones are due at once.
    Retry,
    /// Queued and scheduled ones are kept back.
    Hold,
    /// Held ones are queued, or scheduled where they were not sent yet.
    Release,
    /// All are taken back, with a `Cancelled`.
    Cancel,
    /// All end with a `Bounce` that has this reply.
    Fail(Reply),
    /// All end with a `Reject`.
    Reject(RejectReason),
}

impl Action {
    /// The deliveries of a filter that the action is about; `None`: those are in other states.
    pub fn about(&self, filter: &DeliveryFilter) -> Option<DeliveryFilter> {
        use DeliveryState::{Held, Queued, Scheduled};
        let about: &[DeliveryState] = match self {
            Self::Retry => &[Queued],
            Self::Hold => &[Queued, Scheduled],
            Self::Release => &[Held],
            Self::Cancel | Self::Fail(_) | Self::Reject(_) => &[Queued, Held, Scheduled],
        };
        let asked =
            |state: &&DeliveryState| filter.states.is_empty() || filter.states.contains(state);
        let states: Vec<_> = about.iter().filter(asked).copied().collect();
        (!states.is_empty()).then(|| DeliveryFilter {
            states,
            ..filter.clone()
        })
    }
}

/// What came of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operated {
    /// How many it was carried out on.
    pub changed: u64,
    /// How many were being sent at the moment, or changed in another way, and were left alone.
    pub left_alone: u64,
}
