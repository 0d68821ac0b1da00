//! What is known of a heading, mostly a recipient domain, and what waits until it is known.

use postbell_model::Monotonic;

use super::Parcel;
use crate::plan::{Plan, SiteKey};

#[derive(Debug, Default)]
pub(super) struct DomainState {
    pub(super) plan: Option<Plan>,
    pub(super) valid_until: Monotonic,
    /// Whether the DNS is being asked, or will be.
    pub(super) looking: bool,
    /// Deliveries that wait for the plan.
    pub(super) waiting: Vec<Parcel>,
    /// The sites that its deliveries waited at: one, or several where mail leaves in several ways.
    pub(super) sites: Vec<SiteKey>,
    /// The sites of servers that routes name, at which mail to this domain waited.
    pub(super) named: Vec<SiteKey>,
}

impl DomainState {
    /// The plan, where it can be acted on. A route that has run out is still taken while the
    /// DNS is asked again; a refusal is not.
    pub(super) fn usable_plan(&self, now: Monotonic) -> Option<&Plan> {
        match &self.plan {
            Some(Plan::Refused(_)) if now >= self.valid_until => None,
            other => other.as_ref(),
        }
    }

    pub(super) fn needs_lookup(&self, now: Monotonic) -> bool {
        !self.looking && (self.plan.is_none() || now >= self.valid_until)
    }

    /// Whether a known route outlives this answer: the DNS did not answer, which says nothing
    /// about the hosts.
    pub(super) fn keeps_old(&self, new: &Plan) -> bool {
        matches!(&self.plan, Some(Plan::Route(_)))
            && matches!(new, Plan::Refused(refusal) if refusal.is_temporary())
    }

    /// Takes note that deliveries wait at a site.
    pub(super) fn note_site(&mut self, key: &SiteKey) {
        if !self.sites.contains(key) {
            self.sites.push(key.clone());
        }
    }

    /// Takes note that deliveries to this domain wait at the site of a server that a route names.
    pub(super) fn note_named(&mut self, key: &SiteKey) {
        if !self.named.contains(key) {
            self.named.push(key.clone());
        }
    }

    /// All sites at which mail to this domain waited.
    pub(super) fn all_sites(&self) -> impl Iterator<Item = &SiteKey> {
        self.sites.iter().chain(&self.named)
    }
}
