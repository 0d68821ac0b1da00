//! The board: what waits in memory, sorted by lane and site, and who works on it.
//!
//! Workers, planners and the claimer meet here and nowhere else. All of it is under one lock
//! that is held for the length of a transition, never across an await. What a transition asks
//! for (a look-up, a connection, a release) is left as an [`Order`] for whoever may wait.

mod aside;
mod busy;
mod domain;
mod lane;
mod pace;
mod replies;
mod room;
mod seat;
mod site;
mod slots;
mod spread;
mod state;
mod view;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postbell_model::{DeliveryId, Domain, Egress, Lane, Monotonic};
use postbell_store::{Claimed, DeliveryFilter};
use tokio::sync::Notify;

pub(crate) use busy::{BusySite, BusySites};
pub use replies::SiteReply;
pub use view::SiteView;

pub(crate) use seat::{InHand, NextInHand, Seat};
pub(crate) use site::WorkerId;
use state::State;

use crate::plan::{Heading, Planned, Refusal, Route, SiteKey};
use crate::rules::SiteRules;

/// A claimed delivery.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) claimed: Claimed,
    /// How it leaves; `None`: as configured.
    pub(crate) egress: Option<Arc<Egress>>,
}

impl Parcel {
    pub(crate) const fn new(claimed: Claimed, egress: Option<Arc<Egress>>) -> Self {
        Self { claimed, egress }
    }

    pub(crate) const fn domain(&self) -> &Domain {
        self.claimed.delivery.recipient.domain()
    }

    /// Where it is bound for, or why nowhere.
    pub(crate) fn heading(&self) -> Result<Heading, Arc<Refusal>> {
        Heading::of(&self.claimed.message, self.domain())
    }

    pub(crate) fn lane(&self) -> Lane {
        Lane {
            workspace: self.claimed.message.workspace,
            domain: self.domain().clone(),
        }
    }
}

/// How much the board takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Deliveries that wait, beyond which nothing more is claimed.
    pub(crate) waiting: usize,
    /// Deliveries of one lane that wait, beyond which no more of it is claimed.
    pub(crate) batch: usize,
    pub(crate) connections: usize,
    pub(crate) connections_per_site: usize,
    pub(crate) lookups: usize,
    pub(crate) plans: usize,
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
    /// By how much a pause may be shorter, in hundredths: a site that comes and goes in step with
    /// our pauses would else never be met.
    pub(crate) pause_spread: u32,
}

/// What is to be done outside the board.
#[derive(Debug)]
pub(crate) enum Order {
    /// Find out where mail with this heading goes.
    LookUp(Heading),
    /// Open a connection to a site.
    Dial(SiteKey, WorkerId),
    /// Settle these with what the plan of their domain says.
    Refuse(Vec<Parcel>, Arc<Refusal>),
    /// Give these back, due again after this long.
    Release(Vec<Parcel>, Duration),
    /// The work on this one broke off: settle it as delayed.
    Delay(Box<Parcel>),
}

/// What a worker whose connection is ready does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Deliver this.
    Deliver(Box<Parcel>),
    /// Wait until its bell rings.
    Wait,
    /// Wait for so long: it is not yet the next message's turn.
    Hold(Duration),
    /// Close the connection.
    Leave,
}

/// What a worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// No host has greeted it yet.
    Opening,
    /// It has a connection.
    Ready,
    /// It has a connection and waits for work.
    Idle,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    ordered: Notify,
}

impl Board {
    pub(crate) fn new(limits: Limits, rules: SiteRules) -> Self {
        Self {
            state: Mutex::new(State::new(limits).with_rules(rules)),
            ordered: Notify::new(),
        }
    }

    /// Takes as much as these say from now on.
    pub(crate) fn limit_to(&self, limits: Limits, rules: SiteRules) {
        self.change(|state| state.limit_to(limits, rules));
    }

    /// Takes in deliveries that were claimed.
    pub(crate) fn offer(&self, parcels: Vec<Parcel>, now: Monotonic) {
        self.change(|state| state.offer(parcels, now));
    }

    /// How many deliveries of a lane may be claimed.
    pub(crate) fn room_for(&self, lane: &Lane, now: Monotonic) -> usize {
        self.locked().room_for(lane, now)
    }

    /// Takes in the plan for a heading, and gives the next one to look up.
    pub(crate) fn planned(
        &self,
        heading: &Heading,
        planned: Planned,
        now: Monotonic,
    ) -> Option<Heading> {
        self.change(|state| state.planned(heading, planned, now))
    }

    /// The route of a site.
    pub(crate) fn route(&self, site: &SiteKey) -> Option<Arc<Route>> {
        self.locked().route(site)
    }

    /// The sites that mail to these domains goes to; all, where there are none.
    pub(crate) fn sites_of(&self, domains: &[Domain], now: Monotonic) -> Vec<SiteView> {
        self.locked().sites_of(domains, now)
    }

    /// Takes away what nobody works on and a filter means: it stays claimed.
    pub(crate) fn put_aside(&self, filter: &DeliveryFilter) -> Vec<Parcel> {
        self.change(|state| state.put_aside(filter))
    }

    /// The same with those that are named.
    pub(crate) fn put_these_aside(&self, deliveries: &HashSet<DeliveryId>) -> Vec<Parcel> {
        self.change(|state| state.put_these_aside(deliveries))
    }

    /// Mail to these domains is tried now, whatever pauses there are.
    pub(crate) fn hurry<'d>(&self, domains: impl Iterator<Item = &'d Domain>, now: Monotonic) {
        self.change(|state| state.hurry(domains, now));
    }

    /// The busiest sites, at most `most` of them, and the others together.
    pub(crate) fn busy_sites(&self, most: usize, now: Monotonic) -> BusySites {
        self.locked().busy_sites(most, now)
    }

    /// Takes what is to be done; waits until there is something.
    pub(crate) async fn orders(&self) -> Vec<Order> {
        loop {
            let orders = std::mem::take(&mut self.locked().orders);
            if !orders.is_empty() {
                return orders;
            }
            self.ordered.notified().await;
        }
    }

    /// Takes nothing more, and gives back all that nobody works on, with what was ordered.
    pub(crate) fn close(&self) -> Vec<Order> {
        let mut state = self.locked();
        let parcels = state.close();
        state.orders.push(Order::Release(parcels, Duration::ZERO));
        std::mem::take(&mut state.orders)
    }

    /// A delivery comes back without an outcome.
    fn orphaned(&self, order: Order) {
        self.change(|state| state.orders.push(order));
    }

    fn change<T>(&self, transition: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.locked();
        let result = transition(&mut state);
        let has_orders = !state.orders.is_empty();
        drop(state);
        if has_orders {
            self.ordered.notify_one();
        }
        result
    }

    // A transition that panicked leaves nothing that could make a later one unsafe; at worst a
    // count is off.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
