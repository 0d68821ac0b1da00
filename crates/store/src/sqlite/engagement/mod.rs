//! Hits: kept as they come, found when their time has come, told to their deliveries' events.

mod due;
mod keep;
mod tell;
mod unsubscribe;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use postbell_model::engagement::Hit;
use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::Claim;
use postbell_model::{DeliveryId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::timeout;

use crate::{Engagements, StoreError, ToldVisit, Unsubscribed, Unsubscribing, Visited};

use super::work::{Change, Work};
use super::{ROOM_PATIENCE, SqliteStore, closed};

pub(super) use due::DueStatements;
pub(super) use keep::{KEEP, Keeping};
pub(super) use tell::{TellStatements, Telling, write};
pub(super) use unsubscribe::{Unsubscription, is_done as is_unsubscribed};

/// Hits that are handed to the committer as one piece of work.
const HITS_AT_ONCE: usize = 2_048;
/// Hits that may wait for the committer, among which mail that comes waits as well: two of its
/// transactions.
const HITS_IN_HAND: usize = 8_192;

/// How often hits are counted anew: what is erased beside the server nobody else takes off.
const COUNT_EVERY: Duration = Duration::from_mins(10);

/// Hits that wait, by number alone.
#[derive(Debug)]
pub(super) struct HitCounts {
    waiting: AtomicU64,
    /// When they were counted last, in microseconds.
    counted_at: AtomicI64,
    /// How many may wait to be told.
    most: u64,
    /// The room of those that wait for the committer.
    room: Arc<Semaphore>,
    noted: watch::Sender<u64>,
}

impl HitCounts {
    /// So many were counted at a time.
    pub(super) fn new((waiting, counted_at): (u64, Timestamp), most: u64) -> Self {
        Self {
            waiting: AtomicU64::new(waiting),
            counted_at: AtomicI64::new(counted_at.as_micros()),
            most,
            room: Arc::new(Semaphore::new(HITS_IN_HAND)),
            noted: watch::Sender::new(0),
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// So many were kept, and so many taken off the list: how many there are now.
    pub(super) fn committed(&self, kept: u64, gone: u64) -> u64 {
        let after = |waiting: u64| (waiting + kept).saturating_sub(gone);
        let before = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
                Some(after(waiting))
            });
        if kept > 0 {
            self.noted.send_modify(|count| *count += 1);
        }
        after(before.unwrap_or_else(|waiting| waiting))
    }

    /// Where they were not counted anew for a while, when that was; now it is as if they were.
    fn counted_long_before(&self, now: Timestamp) -> Option<i64> {
        let (load, store) = (Ordering::Relaxed, Ordering::Relaxed);
        let due = |counted_at: i64| {
            let ago = now.since(Timestamp::from_micros(counted_at));
            (ago >= COUNT_EVERY).then_some(now.as_micros())
        };
        self.counted_at.fetch_update(store, load, due).ok()
    }

    /// They could not be counted: it is still to be done.
    fn not_counted(&self, since: i64) {
        self.counted_at.store(since, Ordering::Relaxed);
    }

    /// So many were found where there were to be `before`. Where some have come or gone meanwhile,
    /// nobody knows whether they were among them: the next count tells.
    fn found(&self, found: u64, before: u64) {
        let (load, store) = (Ordering::Relaxed, Ordering::Relaxed);
        let _was = self.waiting.compare_exchange(before, found, store, load);
    }

    /// Whether so many more may wait. What is being handed in at this moment is not counted.
    fn check(&self, hits: usize) -> Result<(), StoreError> {
        match self.waiting() + hits as u64 > self.most {
            true => Err(StoreError::Busy),
            false => Ok(()),
        }
    }

    /// Room for so many, which is given back when the committer has answered.
    async fn room_for(&self, hits: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        let hits = u32::try_from(hits.min(HITS_IN_HAND)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(hits);
        match timeout(ROOM_PATIENCE, room).await {
            Ok(room) => room.map_err(|_| closed()),
            Err(_) => Err(StoreError::Busy),
        }
    }
}

#[async_trait]
impl Engagements for SqliteStore {
    async fn keep_hits(&self, hits: &[Hit]) -> Result<(), StoreError> {
        self.shared.hits.check(hits.len())?;
        let mut answers = Vec::new();
        for hits in hits.chunks(HITS_AT_ONCE) {
            answers.push(self.hand_in_hits(hits).await);
        }
        let mut kept = Ok(());
        for answer in answers {
            let answer = match answer {
                Ok(answered) => answered.await.unwrap_or_else(|_| Err(self.gone())),
                Err(error) => Err(error),
            };
            kept = kept.and(answer);
        }
        kept
    }

    fn hits_noted(&self) -> watch::Receiver<u64> {
        self.shared.hits.noted.subscribe()
    }

    fn hits_waiting(&self) -> u64 {
        self.shared.hits.waiting()
    }

    async fn hits_due(&self, before: Timestamp, limit: usize) -> Result<Vec<Visited>, StoreError> {
        let waiting = self.hits_waiting();
        let found = due::find(&self.readers, &self.due_statements, (before, limit)).await?;
        // What was erased beside the server is still counted.
        if waiting > 0 && found.visited.is_empty() && due::is_none(&self.readers).await? {
            self.found_hits(0, waiting);
        } else if let Some(since) = self.shared.hits.counted_long_before(before) {
            self.count_hits(since).await;
        }
        if !found.unreadable.is_empty() {
            let taken_off = self
                .change(Change::Tell(Telling::nothing(found.unreadable)))
                .await;
            super::queue::unless_later(taken_off)?;
        }
        Ok(found.visited)
    }

    async fn tell_hits(&self, told: Vec<ToldVisit>) -> Result<(), StoreError> {
        self.change(Change::Tell(Telling::of(told))).await
    }

    async fn unsubscribe(
        &self,
        claim: Claim,
        method: UnsubscribeMethod,
        at: Timestamp,
    ) -> Result<Unsubscribed, StoreError> {
        let Some(known) = self.unsubscribing_at(claim, at).await? else {
            return Ok(Unsubscribed::Unknown);
        };
        if known.is_done {
            return Ok(Unsubscribed::Already);
        }
        let unsubscription = Unsubscription::new(claim.delivery, method, at);
        let done = self.changed(Change::Unsubscribe(Box::new(unsubscription)));
        if done.await? > 0 {
            return Ok(Unsubscribed::Now);
        }
        // Somebody was faster, or its time was over meanwhile.
        Ok(match self.unsubscribing_at(claim, at).await? {
            Some(_) => Unsubscribed::Already,
            None => Unsubscribed::Unknown,
        })
    }

    async fn unsubscribing(&self, claim: Claim) -> Result<Option<Unsubscribing>, StoreError> {
        self.unsubscribing_at(claim, self.clock.now()).await
    }
}

impl SqliteStore {
    /// Counts what waits. What was found to be told is told also where that fails.
    async fn count_hits(&self, since: i64) {
        let waiting = self.hits_waiting();
        match due::count(&self.lookups).await {
            Ok(found) => self.found_hits(found, waiting),
            Err(error) => {
                tracing::warn!(%error, "the visits that wait can't be counted, trying again");
                self.shared.hits.not_counted(since);
            }
        }
    }

    fn found_hits(&self, found: u64, before: u64) {
        self.shared.hits.found(found, before);
        self.metrics.hits(0, self.hits_waiting());
    }

    async fn unsubscribing_at(
        &self,
        claim: Claim,
        at: Timestamp,
    ) -> Result<Option<Unsubscribing>, StoreError> {
        let about = (self.shared.rules(), at);
        unsubscribe::look(&self.readers, self.tenants.list(), claim, about).await
    }

    async fn hand_in_hits(
        &self,
        hits: &[Hit],
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let committer = self.committer()?;
        let room = self.shared.hits.room_for(hits.len()).await?;
        let (answer, answered) = oneshot::channel();
        let work = Work::Keep(Keeping::of(hits, room), answer);
        match timeout(ROOM_PATIENCE, committer.send(work)).await {
            Ok(sent) => sent.map_err(|_| self.gone())?,
            Err(_) => return Err(StoreError::Busy),
        }
        Ok(answered)
    }
}

/// An id, as bound.
fn id(
    query: super::statements::Query<'static>,
    id: &DeliveryId,
) -> super::statements::Query<'static> {
    query.bind(super::rows::blob(id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    #[test]
    fn a_count_holds_only_where_nothing_came_or_went_meanwhile() {
        let counts = HitCounts::new((5, START), 100);
        assert_eq!(counts.committed(1, 0), 6);
        counts.found(3, 5);
        assert_eq!(counts.waiting(), 6, "one came while they were counted");
        counts.found(3, 6);
        assert_eq!(counts.waiting(), 3);
    }

    #[test]
    fn a_count_that_failed_is_still_to_be_done() {
        let counts = HitCounts::new((5, START), 100);
        let hours = |hours: i64| Timestamp::from_micros(START.as_micros() + hours * 3_600_000_000);
        assert_eq!(counts.counted_long_before(START), None);
        let since = counts.counted_long_before(hours(1)).unwrap();
        assert_eq!(counts.counted_long_before(hours(1)), None);
        counts.not_counted(since);
        assert_eq!(counts.counted_long_before(hours(1)), Some(since));
    }
}
