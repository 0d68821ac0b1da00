//! How much may be claimed: no lane takes all the room, and nothing is claimed for a site that is
//! left alone. And how much there is of everything, when that changes.

use std::time::Duration;

use postbell_model::{Domain, Lane, Monotonic};

use super::state::State;
use super::{Limits, Parcel};
use crate::plan::{Heading, SiteKey};
use crate::rules::SiteRules;

impl State {
    /// Takes as much as these say from now on, and forgets how long plans were to last: the
    /// next delivery to a domain has them made anew.
    pub(super) fn limit_to(&mut self, limits: Limits, rules: SiteRules) {
        self.slots.limit_to(limits.connections);
        (self.limits, self.rules) = (limits, rules);
        for domain in self.domains.values_mut() {
            domain.valid_until = Monotonic::default();
        }
        for site in self.sites.values_mut() {
            let hosts = site.route.targets.iter().map(|target| &target.host);
            let limits = self.rules.of(hosts);
            site.limit_to(limits);
        }
        let sites: Vec<_> = self.sites.keys().cloned().collect();
        for site in &sites {
            self.summon(site);
        }
    }

    /// How many deliveries of a lane may be claimed now.
    ///
    /// No lane takes more than an eighth of the room that is left: however many lanes stand
    /// still, there is room for one more.
    pub(super) fn room_for(&self, lane: &Lane, now: Monotonic) -> usize {
        if self.closed || self.pause_left(&lane.domain, now).is_some() {
            return 0;
        }
        let free = self.limits.waiting.saturating_sub(self.waiting);
        let batch = self.limits.batch.min(free.div_ceil(8));
        batch.saturating_sub(self.waiting_in(lane))
    }

    /// Takes note in which domains' lanes mail waits at a site that is not their own: no more is
    /// claimed for them than the site has room for.
    pub(super) fn note_named(&mut self, parcels: &[Parcel], key: &SiteKey) {
        for parcel in parcels {
            let domain = Heading::Domain(parcel.domain().clone());
            self.domains.entry(domain).or_default().note_named(key);
        }
    }

    fn waiting_in(&self, lane: &Lane) -> usize {
        let heading = Heading::Domain(lane.domain.clone());
        let Some(state) = self.domains.get(&heading) else {
            return 0;
        };
        let sites = state.all_sites().filter_map(|key| self.sites.get(key));
        state.waiting.len() + sites.map(|site| site.lanes.len_of(lane)).sum::<usize>()
    }

    /// For how long all known sites of a domain are left alone.
    fn pause_left(&self, domain: &Domain, now: Monotonic) -> Option<Duration> {
        let state = self.domains.get(&Heading::Domain(domain.clone()))?;
        let sites = state.all_sites();
        let left = sites.map(|key| self.sites.get(key)?.pause_left(now));
        left.min().flatten()
    }
}
