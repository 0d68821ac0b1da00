//! What is to be delivered: offered, claimed, settled.

use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use postbell_model::suppression::SuppressedBy;
use postbell_model::{DeliveryId, Fact, Lane, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Claimed, Queue, SettleError, Settlement, StoreError};

use super::suppression::{self, Key};
use super::work::{Change, Work};
use super::{SqliteStore, lanes, scheduled};

/// The shortest and the longest pause of a delivery whose end is refused.
const PUT_OFF: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(24));

#[async_trait]
impl Queue for SqliteStore {
    fn fresh(&self) -> Option<mpsc::Receiver<Claimed>> {
        let taken = self
            .fresh
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if taken.is_some() {
            self.shared.begin_offers();
        }
        taken
    }

    async fn lanes_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Lane>, StoreError> {
        lanes::due(&self.readers, &self.shared, now, limit).await
    }

    async fn send_scheduled(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let due = scheduled::due(&self.readers, now, limit).await?;
        let count = due.len();
        if count > 0 {
            self.change(Change::Send(due, now)).await?;
        }
        Ok(count)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        lanes::next_due(&self.readers, &self.shared).await
    }

    fn queued(&self) -> watch::Receiver<u64> {
        self.shared.queued()
    }

    async fn claim(
        &self,
        lane: &Lane,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let found = self
            .claim_queries
            .claim(&self.readers, &self.shared, (lane, now), limit)
            .await?;
        // What was claimed counts as in flight, so it is handed out whatever becomes of the rest,
        // which the next claim finds again.
        unless_stopped(self.end_suppressed(found.suppressed, now).await)?;
        unless_stopped(self.hold(found.unreadable, now).await)?;
        if found.asleep {
            unless_stopped(self.change(Change::SleepLane(lane.clone())).await)?;
        }
        Ok(found.claimed)
    }

    async fn settle(&self, batch: Vec<Settlement>) -> Vec<Result<(), SettleError>> {
        let count = batch.len();
        let (answer, answered) = oneshot::channel();
        let sent = match self.committer() {
            Ok(committer) => committer
                .send(Work::Settle(batch, answer))
                .await
                .map_err(|_| self.gone()),
            Err(error) => Err(error),
        };
        let answer = match sent {
            Ok(()) => answered.await.map_err(|_| self.gone()),
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| vec![Err(SettleError::Store(error)); count])
    }

    async fn release(&self, claims: Vec<DeliveryId>, at: Timestamp) -> Result<(), StoreError> {
        self.change(Change::Release(claims, at)).await
    }

    fn suppressed_meanwhile(&self, claimed: &Claimed) -> bool {
        let recent = self.shared.recent();
        if !recent.is_newer(0) {
            return false;
        }
        let seen = self
            .shared
            .claims()
            .get(claimed.delivery.id)
            .map(|c| c.seen);
        let Some(seen) = seen.filter(|seen| recent.is_newer(*seen)) else {
            return false;
        };
        let message = &claimed.message;
        if suppression::is_exempt(message) {
            return false;
        }
        let local_part = self.shared.rules().local_part;
        let key = Key::of(message.workspace, &claimed.delivery.recipient, local_part);
        recent.may_have(&key, seen)
    }
}

impl SqliteStore {
    /// Deliveries whose rows can't be read must not be found by every claim.
    async fn hold(
        &self,
        unreadable: Vec<(DeliveryId, String)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (delivery, error) in unreadable {
            tracing::error!(delivery.id = %delivery, %error, "a delivery can't be read and is held");
            self.change(Change::Hold(delivery, now)).await?;
        }
        Ok(())
    }

    /// Ends deliveries that were claimed and are not to be sent, each with its event. What can't be
    /// ended now is found by the next claim, and what is refused for good by a later one.
    async fn end_suppressed(
        &self,
        suppressed: Vec<(DeliveryId, SuppressedBy)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if suppressed.is_empty() {
            return Ok(());
        }
        let ends = suppressed.iter().map(|one| end_of(one, now));
        let ended = self.settle(ends.collect()).await;
        let mut failed = None;
        for (one, ended) in suppressed.iter().zip(ended) {
            // They are refused together, whichever it is that breaks a rule.
            let ended = match ended {
                Err(SettleError::Store(StoreError::Refused(_))) => self.end_alone(one, now).await,
                Err(SettleError::Store(error)) => Err(error),
                Ok(()) | Err(SettleError::NotQueued) => Ok(()),
            };
            if let Err(error) = ended {
                self.shared.claims().remove(one.0);
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Ends one of them, or puts it off.
    async fn end_alone(
        &self,
        one: &(DeliveryId, SuppressedBy),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ended = self.settle(vec![end_of(one, now)]).await;
        match ended.into_iter().next() {
            Some(Err(SettleError::Store(error @ StoreError::Refused(_)))) => {
                let pause = put_off(one.0, now);
                tracing::error!(
                    delivery.id = %one.0,
                    error = &error as &dyn std::error::Error,
                    duration_ms = pause.as_millis(),
                    "a delivery to an address on the suppression list can't be ended and is put off"
                );
                self.release(vec![one.0], now.after(pause)).await
            }
            Some(Err(SettleError::Store(error))) => Err(error),
            Some(Ok(()) | Err(SettleError::NotQueued)) | None => Ok(()),
        }
    }
}

fn end_of((delivery, by): &(DeliveryId, SuppressedBy), now: Timestamp) -> Settlement {
    Settlement {
        delivery: *delivery,
        at: now,
        fact: Fact::Suppressed(Box::new(by.clone())),
    }
}

/// For how long a delivery is put off whose end is refused: until it is twice as old, so that it is met
/// less and less often.
fn put_off(delivery: DeliveryId, now: Timestamp) -> Duration {
    let age = now.since(delivery.made_at());
    age.clamp(PUT_OFF.0, PUT_OFF.1)
}

/// Passes over a change that can be made later, whatever is the matter, unless nothing is taken any
/// more.
fn unless_stopped(changed: Result<(), StoreError>) -> Result<(), StoreError> {
    match unless_later(changed) {
        Err(error @ StoreError::Stopped(_)) => Err(error),
        Err(error) => {
            tracing::error!(%error, "a change that goes with a claim was not made");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Passes over a change that the store has no room for now and that can be made later.
pub(super) fn unless_later(changed: Result<(), StoreError>) -> Result<(), StoreError> {
    match changed {
        Err(error @ (StoreError::Busy | StoreError::Full)) => {
            tracing::debug!(%error, "a change is left for later");
            Ok(())
        }
        changed => changed,
    }
}
