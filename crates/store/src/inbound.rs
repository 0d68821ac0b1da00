//! Mail that came in, and what it says of deliveries.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::{
    Address, Authentication, ConfigurationSetId, DeliveryId, DeliveryState, Domain, Fact,
    ForwardTo, InboundId, InboundKind, InboundMail, InboundRoute, LocalPattern, Message, Timestamp,
    WorkspaceFact, WorkspaceId,
};
use tokio::sync::watch;

use crate::{BodyRef, StoreError, TenantError};

/// Takes mail that came in, with what it says.
#[async_trait]
pub trait Inbound: Send + Sync {
    /// Commits messages that came in: octets, rows, facts with their consequences, and what is to
    /// be forwarded, each message in one transaction; answers after the sync, one outcome for each
    /// at its place.
    ///
    /// A fact that its delivery can't have ([`postbell_model::consequence::consequence`]), or whose
    /// delivery is gone, is left out, and the rest stands: [`Taken::left_out`] counts them. So is a
    /// complaint, or its contrary, about a delivery of which one was told, and a wish to get no more
    /// that is heeded.
    async fn receive(&self, batch: Vec<Reception>) -> Vec<Result<Taken, StoreError>>;

    /// The delivery of a token, as long as anything is known of it: its row, or what a purge has
    /// left of it.
    ///
    /// # Errors
    /// The database can't be read.
    async fn sent(&self, delivery: DeliveryId) -> Result<Option<Sent>, StoreError>;

    /// Deliveries of messages with this Message-ID, accepted between two moments; to this address
    /// where one is given. At most [`SENT_MAX`], and none where the stretch has more messages than
    /// one look is worth.
    ///
    /// # Errors
    /// The database can't be read.
    async fn sent_as(&self, search: SentSearch) -> Result<Vec<Sent>, StoreError>;

    /// A message that came in, while it is kept.
    ///
    /// # Errors
    /// The database can't be read.
    async fn inbound(&self, id: InboundId) -> Result<Option<KeptInbound>, StoreError>;
}

/// The most deliveries that [`Inbound::sent_as`] finds.
pub const SENT_MAX: usize = 100;

/// A message that came in, with all that follows from it.
#[derive(Debug, Clone)]
pub struct Reception {
    /// One for each address of ours that it came to, at least one; their ids are new.
    pub mails: Vec<NewInbound>,
    /// The message as it is kept: our own fields, then what was handed in, CRLF line ends.
    pub body: Bytes,
}

/// A message that came in, for one address.
#[derive(Debug, Clone)]
pub struct NewInbound {
    /// What is kept of it.
    pub mail: InboundMail,
    /// What it says.
    pub facts: Vec<InboundFact>,
    /// Where it goes on to.
    pub forward: Option<NewForward>,
}

/// A fact that mail brings.
#[derive(Debug, Clone, PartialEq)]
pub enum InboundFact {
    /// About a delivery.
    Delivery {
        /// Which.
        delivery: DeliveryId,
        /// What.
        fact: Fact,
    },
    /// About a workspace.
    Workspace {
        /// Which.
        workspace: WorkspaceId,
        /// The set whose destinations hear of it as well.
        configuration_set: ConfigurationSetId,
        /// What.
        fact: WorkspaceFact,
    },
}

/// What is to be forwarded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewForward {
    /// Where to.
    pub to: ForwardTo,
    /// What was found out about its sender when it came in: gone later.
    pub authentication: Authentication,
}

/// What became of a message that came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Facts that were recorded.
    pub recorded: usize,
    /// Facts that could not be.
    pub left_out: usize,
}

/// A delivery that was made at some time.
#[derive(Debug, Clone)]
pub struct Sent {
    /// It.
    pub delivery: DeliveryId,
    /// Its recipient.
    pub recipient: Address,
    /// Its state.
    pub state: DeliveryState,
    /// Its message; of one that was purged what is left: its ids, set, stream and Message-ID.
    pub message: Arc<Message>,
}

/// A search for deliveries by what came back of their message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentSearch {
    /// The Message-ID, with its angle brackets.
    pub header_message_id: String,
    /// To whom; `None`: to whomever.
    pub recipient: Option<Address>,
    /// When the message was accepted at the earliest.
    pub from: Timestamp,
    /// When it was at the latest.
    pub until: Timestamp,
}

/// A message that came in and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptInbound {
    /// What is kept of it.
    pub mail: InboundMail,
    /// Where its octets lie; `None`: they were kept for their time and are gone.
    pub body: Option<BodyRef>,
}

/// Messages that are to be forwarded, each until it was handed to the queue.
#[async_trait]
pub trait Forwards: Send + Sync {
    /// Rings when there is one more.
    fn forwards_noted(&self) -> watch::Receiver<u64>;

    /// Those that were not dealt with, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database can't be read. One that can't be read is logged and given up instead.
    async fn forwards_due(&self, limit: usize) -> Result<Vec<ForwardDue>, StoreError>;

    /// Takes them off the list and lets their bodies go. Those that are not on it change nothing.
    ///
    /// # Errors
    /// The store has stopped.
    async fn end_forwards(&self, ended: Vec<InboundId>) -> Result<(), StoreError>;
}

/// A message that is to be forwarded.
#[derive(Debug, Clone)]
pub struct ForwardDue {
    /// The message.
    pub mail: InboundMail,
    /// Its octets, which are kept until [`Forwards::end_forwards`].
    pub body: BodyRef,
    /// Where to, and what its sender was known by.
    pub forward: NewForward,
}

/// Which addresses of which domains take mail, and what becomes of it. They stand in the directory.
#[async_trait]
pub trait InboundRoutes: Send + Sync {
    /// Adds a route, or changes the one of this domain and pattern.
    ///
    /// # Errors
    /// There is no such domain in the workspace.
    async fn set_inbound_route(&self, route: InboundRoute) -> Result<(), TenantError>;

    /// Removes a route.
    ///
    /// # Errors
    /// There is none of this pattern.
    async fn remove_inbound_route(
        &self,
        domain: &Domain,
        pattern: &LocalPattern,
    ) -> Result<(), TenantError>;
}

/// Looks at mail that came in. Beside a running server as well: nothing is changed and nobody waits.
#[async_trait]
pub trait InspectInbound: Send + Sync {
    /// Messages that fit, the newest first. Reads what is newer than the last of them.
    ///
    /// # Errors
    /// The database can't be read.
    async fn inbound_page(
        &self,
        filter: &InboundFilter,
        page: InboundPage,
    ) -> Result<Vec<KeptInbound>, StoreError>;

    /// One message. Its octets are read with [`crate::Bodies::body`].
    ///
    /// # Errors
    /// The database can't be read.
    async fn inbound_one(&self, id: InboundId) -> Result<Option<KeptInbound>, StoreError>;
}

/// Which messages that came in are meant; an empty one means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboundFilter {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Taken for this.
    pub kind: Option<InboundKind>,
    /// About this delivery.
    pub delivery: Option<DeliveryId>,
    /// Those of nobody alone, and those that are about a delivery which was not found.
    pub unmatched: bool,
    /// Not older than this.
    pub since: Option<Timestamp>,
}

/// A page of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboundPage {
    /// Older than this one: the last of the page before; `None`: the newest.
    pub before: Option<InboundId>,
    /// At most so many.
    pub limit: usize,
}
