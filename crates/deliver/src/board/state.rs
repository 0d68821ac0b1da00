//! What waits, for what, and who works on it: plain data and its transitions, without sockets,
//! tasks or locks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Monotonic, Timestamp};
use tokio::sync::Notify;

use super::domain::DomainState;
use super::site::{Site, WorkerId};
use super::slots::Slots;
use super::spread::Spread;
use super::{Limits, Next, Order, Parcel, Stand};
use crate::plan::{Heading, Plan, Planned, Route, SiteKey};
use crate::rules::{SiteLimits, SiteRules};

#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) rules: SiteRules,
    pub(super) domains: HashMap<Heading, DomainState>,
    pub(super) sites: HashMap<SiteKey, Site>,
    pub(super) slots: Slots,
    /// Deliveries in memory that nobody works on.
    pub(super) waiting: usize,
    lookups: usize,
    to_look_up: VecDeque<Heading>,
    /// What is to be done outside.
    pub(super) orders: Vec<Order>,
    last_worker: WorkerId,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            slots: Slots::new(limits.connections),
            rules: SiteRules::new(
                SiteLimits {
                    connections: limits.connections_per_site,
                    messages_per_connection: u32::MAX,
                    rate: None,
                },
                Vec::new(),
            ),
            limits,
            domains: HashMap::new(),
            sites: HashMap::new(),
            waiting: 0,
            lookups: 0,
            to_look_up: VecDeque::new(),
            orders: Vec::new(),
            last_worker: 0,
            closed: false,
        }
    }

    #[cfg(test)]
    pub(super) const fn rules(&self) -> &SiteRules {
        &self.rules
    }

    /// With other limits for the sites than those of all.
    pub(super) fn with_rules(mut self, rules: SiteRules) -> Self {
        self.rules = rules;
        self
    }

    // What comes in.

    /// Takes deliveries in, and orders what they need.
    pub(super) fn offer(&mut self, parcels: Vec<Parcel>, now: Monotonic) {
        for parcel in parcels {
            self.offer_one(parcel, now);
        }
    }

    fn offer_one(&mut self, parcel: Parcel, now: Monotonic) {
        if self.closed {
            return self.release(vec![parcel], Duration::ZERO);
        }
        let heading = match parcel.heading() {
            Ok(heading) => heading,
            Err(refusal) => return self.orders.push(Order::Refuse(vec![parcel], refusal)),
        };
        if !self.domains.contains_key(&heading) {
            self.forget_some(now);
        }
        let state = self.domains.entry(heading.clone()).or_default();
        let needs_lookup = state.needs_lookup(now);
        match state.usable_plan(now) {
            Some(Plan::Route(route)) => {
                let route = route.clone();
                self.place(&heading, &route, vec![parcel], now);
            }
            Some(Plan::Refused(refusal)) => {
                let refusal = refusal.clone();
                self.orders.push(Order::Refuse(vec![parcel], refusal));
            }
            None => {
                state.waiting.push(parcel);
                self.waiting += 1;
            }
        }
        if needs_lookup {
            self.order_lookup(heading);
        }
    }

    /// Puts deliveries of a heading into their lanes, each at the site that it leaves for.
    fn place(
        &mut self,
        heading: &Heading,
        route: &Arc<Route>,
        mut parcels: Vec<Parcel>,
        now: Monotonic,
    ) {
        while let Some(first) = parcels.first() {
            let egress = first.egress.clone();
            let alike = |parcel: &Parcel| parcel.egress == egress;
            let (group, others): (Vec<_>, _) = parcels.into_iter().partition(alike);
            let key = route.site.leaving_by(egress);
            if let Some(state) = self.domains.get_mut(heading) {
                state.note_site(&key);
            }
            if let Heading::Host { .. } = heading {
                self.note_named(&group, &key);
            }
            self.place_at(&key, route, group, now);
            parcels = others;
        }
    }

    /// Puts deliveries into their lanes at a site, unless it is to be left alone.
    fn place_at(
        &mut self,
        key: &SiteKey,
        route: &Arc<Route>,
        parcels: Vec<Parcel>,
        now: Monotonic,
    ) {
        let rules = &self.rules;
        let site = self.sites.entry(key.clone()).or_insert_with(|| {
            let hosts = route.targets.iter().map(|target| &target.host);
            Site::new(route.clone(), rules.of(hosts))
        });
        let most = site.limits.connections;
        if let Some(left) = site.pause_left(now) {
            return self.release(parcels, left);
        }
        let count = parcels.len();
        self.waiting += count;
        for parcel in parcels {
            site.lanes.push(parcel);
        }
        for _ in 0..count.min(most) {
            self.summon(key);
        }
    }

    /// Orders that deliveries be given back, in one order where it can be.
    fn release(&mut self, mut parcels: Vec<Parcel>, after: Duration) {
        if let Some(Order::Release(others, same)) = self.orders.last_mut()
            && *same == after
        {
            return others.append(&mut parcels);
        }
        self.orders.push(Order::Release(parcels, after));
    }

    // Plans.

    fn order_lookup(&mut self, heading: Heading) {
        if let Some(state) = self.domains.get_mut(&heading) {
            state.looking = true;
        }
        if self.lookups < self.limits.lookups {
            self.lookups += 1;
            self.orders.push(Order::LookUp(heading));
        } else {
            self.to_look_up.push_back(heading);
        }
    }

    /// Takes in the plan for a heading, and gives the next one to look up, if there is one.
    pub(super) fn planned(
        &mut self,
        heading: &Heading,
        planned: Planned,
        now: Monotonic,
    ) -> Option<Heading> {
        self.adopt(heading, planned, now);
        let next = self.to_look_up.pop_front();
        if next.is_none() {
            self.lookups -= 1;
        }
        next
    }

    fn adopt(&mut self, heading: &Heading, planned: Planned, now: Monotonic) {
        let Some(state) = self.domains.get_mut(heading) else {
            return;
        };
        state.looking = false;
        let until = now.after(planned.valid_for);
        if state.keeps_old(&planned.plan) {
            state.valid_until = until;
            return;
        }
        let mut parcels = std::mem::take(&mut state.waiting);
        let old = std::mem::take(&mut state.sites);
        state.plan = Some(planned.plan.clone());
        state.valid_until = until;
        for key in old {
            let Some(site) = self.sites.get_mut(&key) else {
                continue;
            };
            match &planned.plan {
                Plan::Route(new) if new.site.hosts() == key.hosts() => {
                    site.route = new.clone();
                    state.note_site(&key);
                }
                _ => parcels.extend(match heading {
                    Heading::Domain(domain) => site.lanes.drain_domain(domain),
                    // Nothing else waits there.
                    Heading::Host { .. } => site.lanes.drain(),
                }),
            }
        }
        self.waiting -= parcels.len();
        match planned.plan {
            Plan::Route(route) => self.place(heading, &route, parcels, now),
            Plan::Refused(refusal) if !parcels.is_empty() => {
                self.orders.push(Order::Refuse(parcels, refusal));
            }
            Plan::Refused(_) => {}
        }
    }

    /// Keeps what is remembered of domains and sites within its limit.
    fn forget_some(&mut self, now: Monotonic) {
        if self.domains.len() < self.limits.plans {
            return;
        }
        self.domains
            .retain(|_, state| state.looking || now < state.valid_until);
        let mut surplus = self.domains.len().saturating_sub(self.limits.plans * 3 / 4);
        self.domains.retain(|_, state| {
            let goes = surplus > 0 && !state.looking;
            surplus -= usize::from(goes);
            !goes
        });
        let used: HashSet<_> = self
            .domains
            .values()
            .flat_map(DomainState::all_sites)
            .collect();
        self.sites
            .retain(|key, site| used.contains(key) || !site.is_forgettable(now));
    }

    // Connections.

    /// Sees to it that somebody comes for what waits at a site.
    pub(super) fn summon(&mut self, key: &SiteKey) {
        let Some(site) = self.sites.get_mut(key) else {
            return;
        };
        if let Some((_, bell)) = site.idle.pop() {
            site.woken += 1;
            bell.notify_one();
            return;
        }
        if self.closed || !site.wants_connection() {
            return;
        }
        if !self.slots.has_room(site.proven) {
            // A site that has a connection asks again with each delivery, and takes none from
            // those that have as few.
            if site.connections == 0 && !std::mem::replace(&mut site.starved, true) {
                self.slots.starve(key.clone(), site.proven);
            }
            return;
        }
        site.connections += 1;
        site.opening += 1;
        self.slots.opened(site.proven);
        self.last_worker += 1;
        self.orders.push(Order::Dial(key.clone(), self.last_worker));
    }

    /// Gives the connections that are free to the sites that have waited longest.
    fn feed_the_starved(&mut self) {
        for key in self.slots.take_starved() {
            if let Some(site) = self.sites.get_mut(&key) {
                site.starved = false;
                self.summon(&key);
            }
        }
    }

    /// The route of a site, for a worker that is about to dial.
    pub(super) fn route(&self, key: &SiteKey) -> Option<Arc<Route>> {
        self.sites.get(key).map(|site| site.route.clone())
    }

    /// A host has greeted the worker.
    pub(super) fn greeted(&mut self, key: &SiteKey) {
        if let Some(site) = self.sites.get_mut(key) {
            site.greeted();
        }
    }

    /// What a worker whose connection is ready does next.
    pub(super) fn next(
        &mut self,
        key: &SiteKey,
        worker: WorkerId,
        bell: &Arc<Notify>,
        now: Monotonic,
    ) -> Next {
        let Some(site) = self.sites.get_mut(key) else {
            return Next::Leave;
        };
        let short = self.slots.are_short(site.proven);
        let others = site.connections > 1;
        if self.closed || site.is_crowded() || (short && others) {
            return Next::Leave;
        }
        if !site.lanes.is_empty()
            && let Some(wait) = site.wait_for_turn(now)
        {
            site.slowed = true;
            return if others {
                Next::Leave
            } else {
                Next::Hold(wait)
            };
        }
        site.slowed = false;
        if let Some(parcel) = site.lanes.pop() {
            self.waiting -= 1;
            if let Some(pace) = &mut site.pace {
                pace.take(now);
            }
            return Next::Deliver(Box::new(parcel));
        }
        if short {
            return Next::Leave;
        }
        site.idle.push((worker, bell.clone()));
        Next::Wait
    }

    /// A worker has stopped waiting: it was woken, or has waited long enough.
    pub(super) fn awake(&mut self, key: &SiteKey, worker: WorkerId) {
        let Some(site) = self.sites.get_mut(key) else {
            return;
        };
        let idle = site.idle.len();
        site.idle.retain(|(id, _)| *id != worker);
        if site.idle.len() == idle {
            site.woken -= 1;
        }
    }

    /// A host has answered a transaction.
    pub(super) fn answered(&mut self, key: &SiteKey) {
        let Some(site) = self.sites.get_mut(key) else {
            return;
        };
        site.answered();
        if !std::mem::replace(&mut site.proven, true) {
            self.slots.proved(site.connections);
            self.feed_the_starved();
        }
        self.summon_if_needed(key);
    }

    /// A connection that had worked is lost.
    pub(super) fn broke(&mut self, key: &SiteKey) {
        if let Some(site) = self.sites.get_mut(key) {
            site.broke();
        }
    }

    /// No host could be reached. Where no other connection works or is being made, the site is
    /// left alone for a while. Gives back those for which this was an attempt: all that wait for a
    /// site that nobody knew; else the one that went first, with those that have no time to wait,
    /// while the others wait for the end of the pause.
    pub(super) fn unreachable(
        &mut self,
        key: &SiteKey,
        now: Monotonic,
        time: Timestamp,
    ) -> Vec<Parcel> {
        let Some(site) = self.sites.get_mut(key) else {
            return Vec::new();
        };
        let known = site.is_known();
        if site.connections > 1 {
            site.refused();
            return Vec::new();
        }
        let spread = Spread {
            seed: self.last_worker,
            hundredths: self.limits.pause_spread,
        };
        site.unreachable(now, self.limits.pause, self.limits.longest_pause, |pause| {
            spread.shorten(pause)
        });
        if std::mem::replace(&mut site.proven, false) {
            self.slots.disproved(site.connections);
        }
        let pause = site.pause_left(now).unwrap_or_default();
        let parcels = site.lanes.drain();
        self.waiting -= parcels.len();
        if !known {
            return parcels;
        }
        let end = time.after(pause);
        let mut first = true;
        let (tried, others) = parcels.into_iter().partition(|parcel| {
            std::mem::take(&mut first) || parcel.claimed.delivery.expires_at <= end
        });
        self.release(others, pause);
        tried
    }

    /// A worker has closed its connection.
    pub(super) fn leave(&mut self, key: &SiteKey, worker: WorkerId, stand: Stand) {
        if stand == Stand::Idle {
            self.awake(key, worker);
        }
        let Some(site) = self.sites.get_mut(key) else {
            return;
        };
        site.connections -= 1;
        if stand == Stand::Opening {
            site.opening -= 1;
        }
        self.slots.closed(site.proven);
        self.feed_the_starved();
        self.summon_if_needed(key);
    }

    fn summon_if_needed(&mut self, key: &SiteKey) {
        if self
            .sites
            .get(key)
            .is_some_and(|site| !site.lanes.is_empty())
        {
            self.summon(key);
        }
    }

    // The end.

    /// Takes nothing more, wakes those that wait for work, and gives back all that nobody
    /// works on.
    pub(super) fn close(&mut self) -> Vec<Parcel> {
        self.closed = true;
        let mut parcels = Vec::new();
        for state in self.domains.values_mut() {
            parcels.append(&mut state.waiting);
        }
        for site in self.sites.values_mut() {
            parcels.extend(site.lanes.drain());
            for (_, bell) in site.idle.drain(..) {
                site.woken += 1;
                bell.notify_one();
            }
        }
        self.waiting = 0;
        self.to_look_up.clear();
        parcels
    }

    /// Deliveries that nobody works on, and connections.
    #[cfg(test)]
    pub(super) const fn counts(&self) -> (usize, usize) {
        (self.waiting, self.slots.open())
    }

    /// Domains of which something is known.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.domains.len()
    }
}
