//! Opens, clicks and unsubscribing: what comes by way of the tracking host.

use std::sync::Arc;

use async_trait::async_trait;
use postbell_model::engagement::Hit;
use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::Claim;
use postbell_model::{DeliveryId, Fact, Message, Timestamp};
use tokio::sync::watch;

use crate::StoreError;

/// Requests to the tracking host, each until it was told, and what follows from them.
///
/// A hit is kept as it came and told a few seconds later, when it can be said whether it was one of
/// many: two transactions, so that a crash between them loses nothing.
#[async_trait]
pub trait Engagements: Send + Sync {
    /// Keeps hits. When it answers they are on disk. Up to 2,048 are kept all or none; more are several
    /// such steps, and where one fails the others may be kept.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where there is no room among what is to be committed, or as many wait to
    /// be told as the store was opened for; [`StoreError::Full`]; or the store has stopped. Where there
    /// is little room hits are refused before mail is.
    async fn keep_hits(&self, hits: &[Hit]) -> Result<(), StoreError>;

    /// Rings when there are more.
    fn hits_noted(&self) -> watch::Receiver<u64>;

    /// How many wait to be told.
    fn hits_waiting(&self) -> u64;

    /// Those that wait, grouped by delivery: deliveries whose oldest hit came before `before`, the
    /// longest waiting first, each with its hits among the 4,000 that came next; about `limit` hits.
    ///
    /// # Errors
    /// The database can't be read. A hit that can't be read is logged and given up instead.
    async fn hits_due(&self, before: Timestamp, limit: usize) -> Result<Vec<Visited>, StoreError>;

    /// Tells of hits: appends the facts to their deliveries' events, counts them and takes the hits
    /// off the list, in one transaction for all. Of deliveries that nothing is known of any more the
    /// hits are taken off alone. Nothing is told of a visit that has a hit which is not on the list: it
    /// was told before, and its other hits stay.
    ///
    /// # Errors
    /// The store can't write now, or has stopped.
    async fn tell_hits(&self, told: Vec<ToldVisit>) -> Result<(), StoreError>;

    /// Ends what the recipient of a delivery gets: its `Unsubscribe` and the entry on the suppression
    /// list in one transaction, on disk when it answers. A second time adds no second event, unless
    /// the recipient was taken off the list since.
    ///
    /// # Errors
    /// The store did not take it.
    async fn unsubscribe(
        &self,
        claim: Claim,
        method: UnsubscribeMethod,
        at: Timestamp,
    ) -> Result<Unsubscribed, StoreError>;

    /// What the page of unsubscribing shows of a delivery; `None`: nothing is known of it any more.
    ///
    /// # Errors
    /// The database can't be read.
    async fn unsubscribing(&self, claim: Claim) -> Result<Option<Unsubscribing>, StoreError>;
}

/// The hits of a delivery, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visited {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its hits with their numbers, oldest first.
    pub hits: Vec<(u64, Hit)>,
    /// When a far server took it; `None`: none has, or nobody knows any more.
    pub delivered_at: Option<Timestamp>,
    /// What was told of it before; `None`: nobody knows any more, since its rows were removed.
    pub before: Option<VisitsBefore>,
}

/// What was told of a delivery before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VisitsBefore {
    /// Opens.
    pub opens: u32,
    /// Clicks.
    pub clicks: u32,
    /// When the latest of the clicks was; `None`: there was none.
    pub clicked_at: Option<Timestamp>,
    /// Which link it was on: how many that can be tracked stand before it; `None`: nobody knows.
    pub clicked_link: Option<u16>,
}

/// What is told of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldVisit {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The numbers of the hits.
    pub hits: Vec<u64>,
    /// `Open`s and `Click`s with when they were, oldest first.
    pub facts: Vec<(Timestamp, Fact)>,
}

/// What became of unsubscribing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribed {
    /// It is done.
    Now,
    /// It was done before, and the list keeps to it.
    Already,
    /// Nothing is known of the delivery any more, so that nobody knows whose mail it was.
    Unknown,
}

/// What the page of unsubscribing shows.
#[derive(Debug, Clone)]
pub struct Unsubscribing {
    /// The recipient.
    pub recipient: postbell_model::Address,
    /// The message; of one that was purged what is left.
    pub message: Arc<Message>,
    /// Whether the recipient has unsubscribed and gets no more mail of its kind: who was taken off the
    /// list since does.
    pub is_done: bool,
}
