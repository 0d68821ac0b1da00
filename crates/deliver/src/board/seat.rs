//! What a worker holds of the board. Both guards give back what they stand for when they are
//! dropped, also by a panic or when the task is dropped.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{HostTry, Monotonic, Timestamp};
use tokio::sync::Notify;

use super::{Board, Next, Order, Parcel, SiteReply, Stand, WorkerId};
use crate::plan::{Route, SiteKey};

/// A worker's place at a site: one of the connections that are counted.
#[derive(Debug)]
pub(crate) struct Seat {
    board: Arc<Board>,
    site: SiteKey,
    worker: WorkerId,
    stand: Stand,
    bell: Arc<Notify>,
}

impl Seat {
    /// The place that an [`Order::Dial`] stands for.
    pub(crate) fn new(board: Arc<Board>, site: SiteKey, worker: WorkerId) -> Self {
        Self {
            board,
            site,
            worker,
            stand: Stand::Opening,
            bell: Arc::default(),
        }
    }

    /// Its number, different from that of all others.
    pub(crate) const fn number(&self) -> u64 {
        self.worker
    }

    /// The site.
    pub(crate) const fn site(&self) -> &SiteKey {
        &self.site
    }

    /// Messages on one connection to it.
    pub(crate) fn messages_per_connection(&self) -> u32 {
        let limits = self.board.change(|state| state.limits_of(&self.site));
        limits.map_or(u32::MAX, |limits| limits.messages_per_connection)
    }

    /// What is remembered of a try.
    pub(crate) fn note(&self, tried: &HostTry, at: Timestamp) {
        let reply = SiteReply::of(tried, at);
        self.board.change(|state| state.note(&self.site, reply));
    }

    /// Where to dial.
    pub(crate) fn route(&self) -> Option<Arc<Route>> {
        self.board.route(&self.site)
    }

    /// A host has greeted us.
    pub(crate) fn greeted(&mut self) {
        if self.stand == Stand::Opening {
            self.stand = Stand::Ready;
            self.board.change(|state| state.greeted(&self.site));
        }
    }

    /// No host could be reached; what waits for the site shares this fate.
    pub(crate) fn unreachable(&self, now: Monotonic, time: Timestamp) -> Vec<InHand> {
        let parcels = self
            .board
            .change(|state| state.unreachable(&self.site, now, time));
        parcels
            .into_iter()
            .map(|parcel| self.in_hand(parcel))
            .collect()
    }

    /// A transaction was answered.
    pub(crate) fn answered(&self) {
        self.board.change(|state| state.answered(&self.site));
    }

    /// The connection was lost.
    pub(crate) fn broke(&self) {
        self.board.change(|state| state.broke(&self.site));
    }

    /// What to do next. Where that is to wait, [`Seat::bell`] rings.
    pub(crate) fn next(&mut self, now: Monotonic) -> NextInHand {
        let next = self
            .board
            .change(|state| state.next(&self.site, self.worker, &self.bell, now));
        match next {
            Next::Deliver(parcel) => NextInHand::Deliver(self.in_hand(*parcel)),
            Next::Leave => NextInHand::Leave,
            Next::Hold(wait) => NextInHand::Hold(wait),
            Next::Wait => {
                self.stand = Stand::Idle;
                NextInHand::Wait
            }
        }
    }

    /// What rings when there is work; to be waited for after [`NextInHand::Wait`] alone.
    pub(crate) fn bell(&self) -> &Notify {
        &self.bell
    }

    /// Ends the waiting, for whatever reason.
    pub(crate) fn awake(&mut self) {
        if self.stand == Stand::Idle {
            self.stand = Stand::Ready;
            self.board
                .change(|state| state.awake(&self.site, self.worker));
        }
    }

    fn in_hand(&self, parcel: Parcel) -> InHand {
        InHand {
            board: self.board.clone(),
            parcel: Some(Box::new(parcel)),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.board
            .change(|state| state.leave(&self.site, self.worker, self.stand));
    }
}

/// [`Next`], with the delivery guarded.
#[derive(Debug)]
pub(crate) enum NextInHand {
    Deliver(InHand),
    Wait,
    Hold(Duration),
    Leave,
}

/// A delivery that is being worked on. Dropped without [`InHand::settled`] it is given back, or,
/// where a panic drops it, delayed: the same panic at once would help nobody.
#[derive(Debug)]
pub(crate) struct InHand {
    board: Arc<Board>,
    parcel: Option<Box<Parcel>>,
}

impl InHand {
    /// Its outcome is on the way to the store.
    pub(crate) fn settled(mut self) {
        self.parcel = None;
    }

    /// Gives it back without an attempt having been made, due again after this long.
    pub(crate) fn give_back(mut self, after: Duration) {
        if let Some(parcel) = self.parcel.take() {
            self.board.orphaned(Order::Release(vec![*parcel], after));
        }
    }
}

impl Deref for InHand {
    type Target = Parcel;

    fn deref(&self) -> &Parcel {
        self.parcel
            .as_ref()
            .expect("invariant: it is taken only by methods that consume the guard")
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let Some(parcel) = self.parcel.take() else {
            return;
        };
        self.board.orphaned(if std::thread::panicking() {
            Order::Delay(parcel)
        } else {
            Order::Release(vec![*parcel], Duration::ZERO)
        });
    }
}
