//! A site: its waiting lanes, its connections, and how much it is trusted with.
//!
//! The number of connections follows what the site shows that it can take: it grows with what
//! is delivered, and falls when a connection fails. A site none of whose hosts could be reached
//! is left alone for a while, which is no attempt of anything that waits for it.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::Monotonic;
use tokio::sync::Notify;

use super::lane::Lanes;
use super::pace::Pace;
use super::replies::Replies;
use crate::plan::Route;
use crate::rules::SiteLimits;

/// Connections to a site that has not yet taken anything.
const FIRST_WINDOW: usize = 2;
/// Deliveries that a wider window may have to wait for, at most.
const MAX_PRICE: u32 = 4096;

/// Which of the site's connections.
pub(crate) type WorkerId = u64;

/// A set of MX hosts.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) route: Arc<Route>,
    pub(super) lanes: Lanes,
    /// Connections that are open or being opened.
    pub(super) connections: usize,
    /// Those of them on which the host has not yet greeted.
    pub(super) opening: usize,
    /// Workers without work, the latest last: the surplus ones below it close by themselves.
    pub(super) idle: Vec<(WorkerId, Arc<Notify>)>,
    /// Workers that were woken and have not yet come for work.
    pub(super) woken: usize,
    /// Whether it waits for a connection that others hold.
    pub(super) starved: bool,
    /// Whether it has answered a transaction since it last failed altogether.
    pub(super) proven: bool,
    pub(super) paused_until: Option<Monotonic>,
    pub(super) pause: Duration,
    pub(super) limits: SiteLimits,
    pub(super) pace: Option<Pace>,
    /// Whether what waits is held back by the pace: more connections would be of no use.
    pub(super) slowed: bool,
    pub(super) replies: Replies,
    pub(super) window: usize,
    /// Deliveries until the window grows, and how many that takes.
    credit: u32,
    price: u32,
}

impl Site {
    pub(super) fn new(route: Arc<Route>, limits: SiteLimits) -> Self {
        Self {
            route,
            lanes: Lanes::default(),
            connections: 0,
            opening: 0,
            idle: Vec::new(),
            woken: 0,
            starved: false,
            proven: false,
            paused_until: None,
            pause: Duration::ZERO,
            limits,
            pace: limits.rate.map(Pace::of),
            slowed: false,
            replies: Replies::default(),
            window: FIRST_WINDOW,
            credit: 0,
            price: 1,
        }
    }

    /// Gives it these limits from now on. Its pace begins anew where it is another.
    pub(super) fn limit_to(&mut self, limits: SiteLimits) {
        if limits.rate != self.limits.rate {
            self.pace = limits.rate.map(Pace::of);
            self.slowed = false;
        }
        self.limits = limits;
    }

    /// Whether one more connection has something to do and is welcome.
    pub(super) fn wants_connection(&self) -> bool {
        if self.slowed && self.connections > 0 {
            return false;
        }
        self.lanes.len() > self.opening + self.woken
            && self.connections < self.window.min(self.limits.connections)
    }

    /// Whether there are more connections than the site is trusted with.
    pub(super) fn is_crowded(&self) -> bool {
        self.connections > self.window.min(self.limits.connections).max(1)
    }

    /// A transaction was answered, whatever the answer.
    pub(super) fn answered(&mut self) {
        let most = self.limits.connections;
        self.credit += 1;
        if self.credit >= self.price && self.window < most && self.connections >= self.window {
            self.credit = 0;
            self.window += 1;
            self.price = (self.price / 2).max(1);
        }
    }

    /// A connection broke that had worked.
    pub(super) fn broke(&mut self) {
        self.narrow(self.window / 2);
    }

    /// A connection could not be made beside those that work: there are enough.
    pub(super) fn refused(&mut self) {
        self.narrow(self.connections - self.opening);
    }

    fn narrow(&mut self, window: usize) {
        self.window = window.clamp(1, self.window);
        self.credit = 0;
        self.price = self.price.saturating_mul(8).min(MAX_PRICE);
    }

    /// A host greeted us.
    pub(super) fn greeted(&mut self) {
        self.opening = self.opening.saturating_sub(1);
        self.paused_until = None;
        self.pause = Duration::ZERO;
    }

    /// None of the hosts could be reached: the site is left alone.
    pub(super) fn unreachable(
        &mut self,
        now: Monotonic,
        first: Duration,
        longest: Duration,
        shortened: impl FnOnce(Duration) -> Duration,
    ) {
        self.pause = (self.pause * 2).clamp(first, longest.max(first));
        self.paused_until = Some(now.after(shortened(self.pause)));
        self.window = 1;
    }

    /// Whether the site has shown that it takes mail, or is being tried again after a pause: then
    /// that a connection fails says nothing new about each delivery that waits.
    pub(super) fn is_known(&self) -> bool {
        self.proven || !self.pause.is_zero()
    }

    /// How long the next message has to wait for its turn; `None`: it may go.
    pub(super) fn wait_for_turn(&self, now: Monotonic) -> Option<Duration> {
        self.pace.as_ref()?.wait(now)
    }

    /// For how long the site is still left alone; `None`: it may be dialled.
    pub(super) fn pause_left(&self, now: Monotonic) -> Option<Duration> {
        let left = self.paused_until?.since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_forgettable(&self, now: Monotonic) -> bool {
        self.lanes.is_empty() && self.connections == 0 && self.pause_left(now).is_none()
    }
}
