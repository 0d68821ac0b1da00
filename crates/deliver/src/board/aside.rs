//! What an operator may do to what waits in memory: take deliveries away before anybody works on
//! them, and end the pauses of sites.

use std::collections::HashSet;

use postbell_model::{DeliveryId, Domain, Monotonic};
use postbell_store::DeliveryFilter;

use super::Parcel;
use super::state::State;
use crate::plan::{Heading, Plan};

impl State {
    /// Takes away what nobody works on and a filter means.
    pub(super) fn put_aside(&mut self, filter: &DeliveryFilter) -> Vec<Parcel> {
        self.take(|parcel| filter.fits(&parcel.claimed.delivery, &parcel.claimed.message))
    }

    /// The same with those that are named.
    pub(super) fn put_these_aside(&mut self, deliveries: &HashSet<DeliveryId>) -> Vec<Parcel> {
        self.take(|parcel| deliveries.contains(&parcel.claimed.delivery.id))
    }

    fn take(&mut self, meant: impl Fn(&mut Parcel) -> bool) -> Vec<Parcel> {
        let mut aside = Vec::new();
        for state in self.domains.values_mut() {
            aside.extend(state.waiting.extract_if(.., |parcel| meant(parcel)));
        }
        for site in self.sites.values_mut() {
            aside.extend(site.lanes.extract(&meant));
        }
        self.waiting -= aside.len();
        aside
    }

    /// Mail to these domains is tried now: pauses of their sites end, and where the DNS had no answer
    /// it is asked again.
    pub(super) fn hurry<'d>(&mut self, domains: impl Iterator<Item = &'d Domain>, now: Monotonic) {
        for domain in domains {
            let Some(state) = self.domains.get_mut(&Heading::Domain(domain.clone())) else {
                continue;
            };
            if matches!(&state.plan, Some(Plan::Refused(_))) {
                state.valid_until = now;
            }
            for key in state.all_sites() {
                if let Some(site) = self.sites.get_mut(key) {
                    // It stays known how long the pause was: one delivery goes first.
                    site.paused_until = None;
                }
            }
        }
    }
}
