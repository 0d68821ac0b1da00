//! What waits for the committer: each piece of work with whoever waits for its answer.

use bytes::Bytes;
use postbell_model::{DeliveryId, DestinationId, Lane, MessageId, Timestamp};
use tokio::sync::oneshot;

use crate::{Position, Retry, RetryOutcome, SettleError, Settlement, StoreError, Submission};

/// Something to be done in the next transaction.
#[derive(Debug)]
pub(super) enum Work {
    Accept(Submission, oneshot::Sender<Result<(), StoreError>>),
    Settle(
        Vec<Settlement>,
        oneshot::Sender<Vec<Result<(), SettleError>>>,
    ),
    Change(Change, oneshot::Sender<Result<(), StoreError>>),
}

/// A change that is all done or not at all.
#[derive(Debug)]
pub(super) enum Change {
    /// Claims are given back, due again at this time.
    Release(Vec<DeliveryId>, Timestamp),
    /// A delivery whose record can't be read.
    Hold(DeliveryId),
    /// Nothing in the lane is due and nothing is in flight.
    SleepLane(Lane),
    Advance {
        destination: DestinationId,
        cursor: Position,
        failed: Vec<Retry>,
    },
    Retries {
        destination: DestinationId,
        outcomes: Vec<RetryOutcome>,
    },
}

/// What became of a piece of work.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Committed, or refused as a whole.
    Whole(Result<(), StoreError>),
    /// Committed, with what became of each settlement.
    Settled(Vec<Result<(), SettleError>>),
}

impl Work {
    /// Octets that it holds in memory.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Accept(submission, _) => submission.body.len(),
            Self::Settle(..) | Self::Change(..) => 0,
        }
    }

    /// Rows that it touches, roughly.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Accept(submission, _) => submission.deliveries.len(),
            Self::Settle(batch, _) => batch.len(),
            Self::Change(Change::Advance { failed, .. }, _) => 1 + failed.len(),
            Self::Change(Change::Retries { outcomes, .. }, _) => outcomes.len(),
            Self::Change(Change::Release(claims, _), _) => claims.len(),
            Self::Change(Change::Hold(_) | Change::SleepLane(_), _) => 1,
        }
    }

    pub(super) const fn is_accept(&self) -> bool {
        matches!(self, Self::Accept(..))
    }

    pub(super) fn submission(&self) -> Option<&Submission> {
        match self {
            Self::Accept(submission, _) => Some(submission),
            Self::Settle(..) | Self::Change(..) => None,
        }
    }

    pub(super) fn body(&self) -> Option<(MessageId, Bytes)> {
        self.submission()
            .map(|submission| (submission.message.id, submission.body.clone()))
    }

    /// Tells whoever waits; nobody does where a task was cancelled, which changes nothing.
    pub(super) fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Accept(_, answer) | Self::Change(_, answer), Outcome::Whole(result)) => {
                let _gone = answer.send(result);
            }
            (Self::Settle(_, answer), Outcome::Settled(results)) => {
                let _gone = answer.send(results);
            }
            (Self::Settle(batch, answer), Outcome::Whole(result)) => {
                let error = result
                    .err()
                    .map_or(SettleError::NotQueued, SettleError::Store);
                let _gone = answer.send(vec![Err(error); batch.len()]);
            }
            (Self::Accept(..) | Self::Change(..), Outcome::Settled(_)) => {
                unreachable!("only settlements are answered one by one")
            }
        }
    }
}
