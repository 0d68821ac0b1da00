//! A site as people see it.

use std::time::Duration;

use postbell_model::{Domain, Egress, Monotonic};

use super::SiteReply;
use super::domain::DomainState;
use super::site::Site;
use super::state::State;
use crate::plan::{Heading, SiteKey};
use crate::rules::SiteLimits;

/// How a site stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteView {
    /// Its hosts, sorted.
    pub hosts: Vec<String>,
    /// Of the domains that were asked for, those whose mail goes there.
    pub domains: Vec<Domain>,
    /// How mail leaves for it.
    pub egress: Egress,
    /// What it is given at most.
    pub limits: SiteLimits,
    /// How many connections it is trusted with now.
    pub window: usize,
    /// Connections that are open or being opened.
    pub connections: usize,
    /// Those of them on which no host has greeted yet.
    pub opening: usize,
    /// Those of them that wait for work.
    pub idle: usize,
    /// Deliveries in memory that wait for a connection.
    pub waiting: usize,
    /// Whether it has taken mail since it last failed altogether.
    pub proven: bool,
    /// For how long it is left alone.
    pub paused_for: Option<Duration>,
    /// For how long its rate holds the next message back.
    pub held_for: Option<Duration>,
    /// What it said last, oldest first.
    pub replies: Vec<SiteReply>,
}

impl SiteView {
    pub(super) fn of(key: &SiteKey, site: &Site, now: Monotonic) -> Self {
        let egress = key.egress().map(|egress| Egress::clone(egress));
        Self {
            hosts: key.hosts().split(',').map(str::to_owned).collect(),
            domains: Vec::new(),
            egress: egress.unwrap_or_default(),
            limits: site.limits,
            window: site.window.min(site.limits.connections),
            connections: site.connections,
            opening: site.opening,
            idle: site.idle.len(),
            waiting: site.lanes.len(),
            proven: site.proven,
            paused_for: site.pause_left(now),
            held_for: site.wait_for_turn(now),
            replies: site.replies.iter().cloned().collect(),
        }
    }
}

impl State {
    /// What a site is given at most.
    pub(super) fn limits_of(&self, key: &SiteKey) -> Option<SiteLimits> {
        self.sites.get(key).map(|site| site.limits)
    }

    /// A try at a host of the site has ended.
    pub(super) fn note(&mut self, key: &SiteKey, reply: SiteReply) {
        if let Some(site) = self.sites.get_mut(key) {
            site.replies.note(reply);
        }
    }

    /// The sites that the mail of these domains waits at; all, where there are none.
    pub(super) fn sites_of(&self, domains: &[Domain], now: Monotonic) -> Vec<SiteView> {
        if domains.is_empty() {
            let view = |(key, site)| SiteView::of(key, site, now);
            return self.sites.iter().map(view).collect();
        }
        let mut asked: Vec<(&SiteKey, Vec<Domain>)> = Vec::new();
        for domain in domains {
            let state = self.domains.get(&Heading::Domain(domain.clone()));
            for key in state.into_iter().flat_map(DomainState::all_sites) {
                match asked.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, of)) => of.push(domain.clone()),
                    None => asked.push((key, vec![domain.clone()])),
                }
            }
        }
        let view = |(key, of)| {
            let view = SiteView::of(key, self.sites.get(key)?, now);
            Some(SiteView {
                domains: of,
                ..view
            })
        };
        asked.into_iter().filter_map(view).collect()
    }
}
