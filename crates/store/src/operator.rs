//! What an operator sees of the store and does to it.

use async_trait::async_trait;
use postbell_model::{
    Address, CredentialId, Delivery, DeliveryId, DeliveryState, DestinationId, Domain, Event,
    EventId, EventKind, Lane, Message, MessageId, RejectReason, Reply, Timestamp, WorkspaceId,
};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::{Logged, Position, StoreError};

/// Looks at the store. Beside a running server as well: nothing is changed and nobody waits.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// What waits in each lane, by workspace and domain, of the deliveries that fit. Reads one
    /// index: a million deliveries take some 100 ms of processor time, where they are read by lane.
    ///
    /// # Errors
    /// The database can't be read.
    async fn lanes(&self, filter: &DeliveryFilter) -> Result<Vec<LaneDepth>, StoreError>;

    /// The oldest of the deliveries of a lane that fit. Reads the lane's stretch of the index.
    ///
    /// # Errors
    /// The database can't be read.
    async fn oldest(
        &self,
        filter: &DeliveryFilter,
        lane: &LaneDepth,
    ) -> Result<Option<DeliveryId>, StoreError>;

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
    /// Carries out an action on the next few of the waiting deliveries that fit, each with its event
    /// in one transaction, and notes in `course` how far it has come. What is in flight is left
    /// alone, but for what the course says that nobody works on: its claims end.
    ///
    /// # Errors
    /// The database can't be read, or the store has stopped; what was done until then stands.
    async fn operate_some(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        now: Timestamp,
        course: &mut Course,
    ) -> Result<Batch, StoreError>;

    /// The same on all of them, batch by batch.
    ///
    /// # Errors
    /// The same.
    async fn operate(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        now: Timestamp,
    ) -> Result<Operated, StoreError> {
        let (mut course, mut operated) = (Course::default(), Operated::default());
        while !course.is_ended() {
            let batch = self.operate_some(filter, action, now, &mut course).await?;
            operated.changed += batch.changed;
            operated.left_alone += batch.left_alone;
        }
        Ok(operated)
    }

    /// The same, where somebody has deliveries in flight: what is left alone by the first pass and
    /// only waits there is put aside, and the second pass finds it.
    ///
    /// # Errors
    /// The same; what was put aside is given back then, too.
    async fn operate_beside(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<Operated, StoreError> {
        let mut course = Course::default();
        let (mut in_flight, mut changed, mut left_alone) = (HashSet::new(), 0, 0);
        while !course.is_ended() {
            let batch = self.operate_some(filter, action, now, &mut course).await?;
            changed += batch.changed;
            left_alone += batch.left_alone;
            in_flight.extend(batch.in_flight);
        }
        course.aside = holder.put_these_aside(&in_flight);
        if course.aside.is_empty() {
            return Ok(Operated {
                changed,
                left_alone,
            });
        }
        course.begin_again();
        left_alone = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && !course.is_ended() {
            let batch = self.operate_some(filter, action, now, &mut course).await;
            outcome = batch.map(|batch| {
                changed += batch.changed;
                left_alone += batch.left_alone;
            });
        }
        if !course.aside.is_empty() {
            holder.give_back(course.aside.into_iter().collect()).await;
        }
        outcome.map(|()| Operated {
            changed,
            left_alone,
        })
    }
}

/// Who has deliveries in flight in memory, before anybody works on them.
#[async_trait]
pub trait Holder: Send + Sync {
    /// Takes away those of the deliveries that nobody works on. They stay claimed, and whoever asks
    /// for it has to settle them or to give them back.
    fn put_these_aside(&self, deliveries: &HashSet<DeliveryId>) -> HashSet<DeliveryId>;

    /// Gives back what was put aside and is to be sent all the same.
    async fn give_back(&self, deliveries: Vec<DeliveryId>);
}

/// Nothing is in flight: no server runs.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[async_trait]
impl Holder for Nobody {
    fn put_these_aside(&self, _: &HashSet<DeliveryId>) -> HashSet<DeliveryId> {
        HashSet::new()
    }

    async fn give_back(&self, _: Vec<DeliveryId>) {}
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

impl DeliveryFilter {
    /// Whether it can mean this delivery, which is in a state that it is about. With which
    /// credential a message was handed in, and whose From field it has, only the store knows.
    pub fn fits(&self, delivery: &Delivery, message: &Message) -> bool {
        let before =
            |moment: &Timestamp| delivery.id.as_bytes() < DeliveryId::lowest_at(*moment).as_bytes();
        let domain = delivery.recipient.domain();
        self.workspace.is_none_or(|id| id == message.workspace)
            && self.domain.as_ref().is_none_or(|wanted| wanted == domain)
            && self
                .recipient
                .as_ref()
                .is_none_or(|wanted| *wanted == delivery.recipient)
            && self.message.is_none_or(|id| id == message.id)
            && self.delivery.is_none_or(|id| id == delivery.id)
            && self.accepted_before.as_ref().is_none_or(before)
    }
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
    /// Held ones are queued and due at once, or scheduled where they were not sent yet.
    Release,
    /// All are taken back, with a `Cancelled`.
    Cancel,
    /// All end with a `Bounce` that has this reply.
    Fail(Reply),
    /// All end with a `Reject`.
    Reject(RejectReason),
}

impl Action {
    /// [`Action::Fail`] with what the operator says.
    pub fn given_up(reason: &str) -> Self {
        // RFC 3463 §3.4, X.3.0: nothing that the recipient's side has done.
        Self::Fail(Reply::new(554, 3, 0, reason))
    }

    /// What it is called: `retry`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Fail(_) => "fail",
            Self::Reject(_) => "reject",
        }
    }

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

/// How far an operation has come.
#[derive(Debug, Default)]
pub struct Course {
    /// Deliveries in flight that nobody works on, since whoever had them has put them aside for the
    /// operation. Each is taken out as it is found; what is left at the end is to be released.
    pub aside: HashSet<DeliveryId>,
    /// How many of the states that the filter is about are done.
    pub(crate) states: usize,
    /// The last delivery that was found in the state that is under way.
    pub(crate) last: Option<QueuePlace>,
    pub(crate) ended: bool,
}

impl Course {
    /// Goes back to the first of them; what was put aside and not found stays so.
    pub fn begin_again(&mut self) {
        self.states = 0;
        self.last = None;
        self.ended = false;
    }

    /// Whether there are no more deliveries that fit.
    pub const fn is_ended(&self) -> bool {
        self.ended
    }
}

/// Where a delivery stands among those of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuePlace {
    pub lane: Lane,
    pub next_at: Timestamp,
    pub delivery: DeliveryId,
}

/// What came of a part of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// How many it was carried out on.
    pub changed: u64,
    /// How many were being sent at the moment, or changed in another way, and were left alone.
    pub left_alone: u64,
    /// Those that were in flight.
    pub in_flight: Vec<DeliveryId>,
    /// The domains of all these.
    pub domains: BTreeSet<Domain>,
}
