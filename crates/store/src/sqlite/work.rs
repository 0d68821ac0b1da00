//! What waits for the committer: each piece of work with whoever waits for its answer.

use postbell_model::{DeliveryId, DestinationId, DisableReason, InboundId, Lane, Timestamp};
use tokio::sync::oneshot;

use crate::{
    Call, Progress, ReportEnd, RetryOutcome, SettleError, Settlement, StoreError, Stored,
    Submission, Taken,
};

use super::engagement::{Keeping, Telling, Unsubscription};
use super::inbound::Incoming;
use super::links::KeptLink;
use super::operate::Operation;
use super::purge::Leaving;
use super::scheduled::Due;

/// Something to be done in the next transaction.
#[derive(Debug)]
pub(super) enum Work {
    Accept(Submission, oneshot::Sender<Result<Stored, StoreError>>),
    Settle(
        Vec<Settlement>,
        oneshot::Sender<Vec<Result<(), SettleError>>>,
    ),
    Receive(Box<Incoming>, oneshot::Sender<Result<Taken, StoreError>>),
    Keep(Keeping, oneshot::Sender<Result<(), StoreError>>),
    Change(Change, oneshot::Sender<Result<u64, StoreError>>),
}

/// A change that is all done or not at all.
#[derive(Debug)]
pub(super) enum Change {
    /// Claims are given back, due again at this time.
    Release(Vec<DeliveryId>, Timestamp),
    /// Scheduled deliveries are queued, at this time.
    Send(Vec<Due>, Timestamp),
    /// An operator's action on a page of waiting deliveries.
    Operate(Operation),
    /// A delivery whose record can't be read is held, at this time.
    Hold(DeliveryId, Timestamp),
    /// Nothing in the lane is due and nothing is in flight.
    SleepLane(Lane),
    Advance {
        destination: DestinationId,
        progress: Progress,
    },
    Retries {
        destination: DestinationId,
        outcomes: Vec<RetryOutcome>,
        calls: Vec<Call>,
    },
    /// Reports were sent, or need not be.
    EndReports(Vec<ReportEnd>),
    /// Messages were forwarded, or can't be.
    EndForwards(Vec<InboundId>),
    /// A destination is switched off, at this time.
    Disable(DestinationId, DisableReason, Timestamp),
    /// What nobody needs any more is removed.
    Purge(Leaving),
    /// Hits are told.
    Tell(Telling),
    /// A recipient wants no more.
    Unsubscribe(Box<Unsubscription>),
    /// Addresses are kept for links, at this time.
    KeepLinks(Vec<KeptLink>, Timestamp),
}

/// What became of a piece of work.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// A submission: committed, or known, or refused.
    Accepted(Result<Stored, StoreError>),
    /// A change: committed, with how many deliveries an operation changed, how many rows were purged
    /// or how often an unsubscription was told; or refused as a whole.
    Changed(Result<u64, StoreError>),
    /// What became of each settlement.
    Settled(Vec<Result<(), SettleError>>),
    /// A message that came in: committed, or refused.
    Received(Result<Taken, StoreError>),
    /// Hits: committed, or refused.
    Kept(Result<(), StoreError>),
}

impl Work {
    /// Octets that it holds in memory.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Accept(submission, _) => submission.body.len(),
            Self::Receive(incoming, _) => incoming.octets(),
            Self::Keep(keeping, _) => keeping.octets(),
            Self::Settle(..) | Self::Change(..) => 0,
        }
    }

    /// Rows that it touches, roughly.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Accept(submission, _) => submission.deliveries.len(),
            Self::Settle(batch, _) => batch.len(),
            Self::Receive(incoming, _) => incoming.rows(),
            Self::Keep(keeping, _) => keeping.rows(),
            Self::Change(Change::Advance { progress, .. }, _) => {
                1 + progress.failed.len() + progress.calls.len()
            }
            Self::Change(
                Change::Retries {
                    outcomes, calls, ..
                },
                _,
            ) => outcomes.len() + calls.len(),
            Self::Change(Change::Release(claims, _), _) => claims.len(),
            Self::Change(Change::Send(due, _), _) => due.len(),
            Self::Change(Change::EndReports(ended), _) => ended.len(),
            Self::Change(Change::EndForwards(ended), _) => ended.len(),
            Self::Change(Change::Operate(operation), _) => operation.found.len(),
            Self::Change(Change::Purge(leaving), _) => leaving.rows(),
            Self::Change(Change::Tell(telling), _) => telling.rows(),
            Self::Change(Change::KeepLinks(links, _), _) => links.len(),
            Self::Change(
                Change::Hold(..)
                | Change::SleepLane(_)
                | Change::Disable(..)
                | Change::Unsubscribe(_),
                _,
            ) => 1,
        }
    }

    /// The name in metrics.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Accept(..) => "accept",
            Self::Settle(..) => "settle",
            Self::Receive(..) => "receive",
            Self::Keep(..) => "hits",
            Self::Change(..) => "change",
        }
    }

    /// Whether it is new, mail or hits, which is refused first where there is no room.
    pub(super) const fn is_new(&self) -> bool {
        matches!(self, Self::Accept(..) | Self::Receive(..) | Self::Keep(..))
    }

    /// Whether it is new mail.
    pub(super) const fn is_mail(&self) -> bool {
        matches!(self, Self::Accept(..) | Self::Receive(..))
    }

    /// Whether somebody stands still until it is done.
    pub(super) const fn is_hurried(&self) -> bool {
        !matches!(self, Self::Settle(..) | Self::Keep(..))
    }

    pub(super) fn submission(&self) -> Option<&Submission> {
        match self {
            Self::Accept(submission, _) => Some(submission),
            Self::Settle(..) | Self::Receive(..) | Self::Keep(..) | Self::Change(..) => None,
        }
    }

    pub(super) const fn hits(&self) -> Option<&Keeping> {
        match self {
            Self::Keep(keeping, _) => Some(keeping),
            Self::Accept(..) | Self::Settle(..) | Self::Receive(..) | Self::Change(..) => None,
        }
    }

    pub(super) fn incoming(&self) -> Option<&Incoming> {
        match self {
            Self::Receive(incoming, _) => Some(incoming),
            Self::Accept(..) | Self::Settle(..) | Self::Keep(..) | Self::Change(..) => None,
        }
    }

    /// The outcome where it could not be done.
    pub(super) fn failed(&self, error: &StoreError) -> Outcome {
        match self {
            Self::Accept(..) => Outcome::Accepted(Err(error.clone())),
            Self::Settle(batch, _) => {
                Outcome::Settled(vec![Err(SettleError::Store(error.clone())); batch.len()])
            }
            Self::Receive(..) => Outcome::Received(Err(error.clone())),
            Self::Keep(..) => Outcome::Kept(Err(error.clone())),
            Self::Change(..) => Outcome::Changed(Err(error.clone())),
        }
    }

    /// Tells whoever waits; nobody does where a task was cancelled, which changes nothing.
    pub(super) fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Accept(_, answer), Outcome::Accepted(result)) => {
                let _gone = answer.send(result);
            }
            (Self::Change(_, answer), Outcome::Changed(result)) => {
                let _gone = answer.send(result);
            }
            (Self::Receive(_, answer), Outcome::Received(result)) => {
                let _gone = answer.send(result);
            }
            (Self::Keep(_, answer), Outcome::Kept(result)) => {
                let _gone = answer.send(result);
            }
            (Self::Settle(_, answer), Outcome::Settled(results)) => {
                let _gone = answer.send(results);
            }
            (_, outcome) => unreachable!("{outcome:?} is the outcome of other work"),
        }
    }
}
