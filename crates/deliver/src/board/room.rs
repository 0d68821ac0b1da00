//! How much may be claimed: no lane takes all the room, and nothing is claimed for a site that is
//! left alone.

use std::time::Duration;

use postbell_model::{Domain, Lane, Monotonic};

use super::state::State;

impl State {
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

    fn waiting_in(&self, lane: &Lane) -> usize {
        let Some(state) = self.domains.get(&lane.domain) else {
            return 0;
        };
        let sites = state.sites.iter().filter_map(|key| self.sites.get(key));
        state.waiting.len() + sites.map(|site| site.lanes.len_of(lane)).sum::<usize>()
    }

    /// For how long all known sites of a domain are left alone.
    fn pause_left(&self, domain: &Domain, now: Monotonic) -> Option<Duration> {
        let sites = self.domains.get(domain)?.sites.iter();
        let left = sites.map(|key| self.sites.get(key)?.pause_left(now));
        left.min().flatten()
    }
}
