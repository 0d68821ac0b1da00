//! The busiest sites, for whoever draws them: numbers alone, and few of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use postbell_model::Monotonic;

use super::state::State;

/// How a site stands, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BusySite {
    /// Its first host by name.
    pub(crate) name: String,
    pub(crate) connections: usize,
    /// How many connections it is trusted with.
    pub(crate) window: usize,
    pub(crate) waiting: usize,
    /// Whether it is left alone; of several sites, how many are.
    pub(crate) paused: usize,
}

/// The busiest sites, and the others in one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BusySites {
    pub(crate) sites: Vec<BusySite>,
    pub(crate) other: Option<BusySite>,
    pub(crate) count: usize,
    /// Deliveries in memory that nobody works on.
    pub(crate) waiting: usize,
}

impl BusySite {
    fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.window += other.window;
        self.waiting += other.waiting;
        self.paused += other.paused;
    }

    fn weight(&self) -> (usize, usize, usize) {
        (self.connections, self.waiting, self.paused)
    }
}

impl State {
    /// The busiest sites, at most `most` of them, and the others together under the name `other`.
    pub(super) fn busy_sites(&self, most: usize, now: Monotonic) -> BusySites {
        // Sites that leave in different ways, or share hosts, may have the same first host.
        let mut named: HashMap<&str, BusySite> = HashMap::new();
        for (key, site) in &self.sites {
            let name = key.hosts().split(',').next().unwrap_or_default();
            named.entry(name).or_default().add(&BusySite {
                name: String::new(),
                connections: site.connections,
                window: site.window.min(site.limits.connections),
                waiting: site.lanes.len(),
                paused: usize::from(site.pause_left(now).is_some()),
            });
        }
        let mut all: Vec<_> = named.into_iter().collect();
        all.sort_unstable_by(|(name, site), (other, than)| {
            (Reverse(site.weight()), name).cmp(&(Reverse(than.weight()), other))
        });
        let rest = all.split_off(most.min(all.len()));
        let named = |(name, site): (&str, BusySite)| BusySite {
            name: name.to_owned(),
            ..site
        };
        BusySites {
            sites: all.into_iter().map(named).collect(),
            other: (!rest.is_empty()).then(|| together(&rest)),
            count: self.sites.len(),
            waiting: self.waiting,
        }
    }
}

fn together(rest: &[(&str, BusySite)]) -> BusySite {
    let mut other = BusySite {
        name: "other".to_owned(),
        ..BusySite::default()
    };
    for (_, site) in rest {
        other.add(site);
    }
    other
}
