//! Asking the DNS where a domain's mail goes.

use std::time::Duration;

use futures_util::future::join_all;
use postbell_model::Domain;
use postbell_net::{Addresses, Guard, LookupError, Resolver};

use crate::DeliverOptions;
use crate::relay::Relays;

use super::home::Home;
use super::ourselves::Ourselves;
use super::simulated::SimulatorRoute;
use super::{Exchangers, Heading, Planned, Refusal, exchangers, implicit, is_ourselves, route};

/// Hosts of one domain whose addresses are asked for, best first.
const MAX_HOSTS: usize = 8;

/// Who looks up where mail goes, and by which limits.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    pub(crate) resolver: Resolver,
    pub(crate) guard: Guard,
    pub(crate) ourselves: String,
    pub(crate) own: Ourselves,
    pub(crate) home: Home,
    /// Whether mail can come in.
    pub(crate) is_open: bool,
    pub(crate) relays: Relays,
    /// Where simulated addresses are; `None`: there are none.
    pub(crate) simulator: Option<SimulatorRoute>,
    pub(crate) max_addresses: usize,
    pub(crate) lifetime: Duration,
    pub(crate) timeout: Duration,
}

impl Lookup {
    /// The same by other options.
    pub(crate) fn by(&self, options: &DeliverOptions, relays: Relays) -> Self {
        Self {
            ourselves: options.hostname.clone(),
            is_open: options.inbound_open,
            relays,
            simulator: options.simulator.clone(),
            max_addresses: options.max_addresses,
            lifetime: options.plan_lifetime,
            timeout: options.plan_timeout,
            ..self.clone()
        }
    }

    /// The plan for a heading. Waits for the DNS, but no longer than the time allowed.
    pub(crate) async fn plan(&self, heading: &Heading) -> Planned {
        let looked_up = tokio::time::timeout(self.timeout, self.look_up(heading)).await;
        let planned = looked_up.unwrap_or_else(|_| {
            let why = "no answer in the time allowed";
            Planned::refused(Refusal::temporary(heading.name(), why))
        });
        planned.held_for_at_most(self.lifetime)
    }

    async fn look_up(&self, heading: &Heading) -> Planned {
        match heading {
            Heading::Domain(domain) => self.of_domain(domain).await,
            Heading::Host { host, port } => self.by_name(host, *port).await,
        }
    }

    async fn of_domain(&self, domain: &Domain) -> Planned {
        if let Some(planned) = self.simulated(domain) {
            return planned;
        }
        let relays = self.relays.of(domain);
        if !relays.is_empty() {
            return self.by_relays(relays).await;
        }
        if let Some(ip) = domain.literal() {
            let literal = Addresses {
                ips: vec![ip],
                valid_for: self.lifetime,
            };
            return self.implicit(domain, Ok(literal));
        }
        if self.is_open && self.home.takes(domain) {
            return self.of_home(domain).await;
        }
        match exchangers(domain, &self.ourselves, self.resolver.mx(domain).await) {
            Err(refusal) => Planned::refused(refusal),
            Ok(Exchangers::Implicit) => {
                let answer = self.resolver.addresses(domain).await;
                self.implicit(domain, answer)
            }
            Ok(Exchangers::Hosts { hosts, valid_for }) => {
                let mut planned = self.route(domain, hosts).await;
                planned.valid_for = planned.valid_for.min(valid_for);
                planned
            }
        }
    }

    /// The plan for a domain whose mail comes in here: its hosts may be ourselves.
    async fn of_home(&self, domain: &Domain) -> Planned {
        let elsewhere = Self {
            ourselves: String::new(),
            own: Ourselves::default(),
            home: Home::Nowhere,
            ..self.clone()
        };
        Box::pin(elsewhere.of_domain(domain)).await
    }

    fn implicit(&self, domain: &Domain, answer: Result<Addresses, LookupError>) -> Planned {
        if self.own.are_in(&answer) {
            return Planned::refused(is_ourselves(domain));
        }
        implicit(domain, answer, &self.guard, self.max_addresses)
    }

    async fn route(&self, domain: &Domain, hosts: Vec<(u16, Domain)>) -> Planned {
        let asked = hosts.into_iter().take(MAX_HOSTS);
        let answers = asked.map(|(preference, host)| async move {
            let answer = match host.literal() {
                // RFC 1035 §3.3.9: an MX names a host. One that names an address names none.
                Some(_) => Err(LookupError::NoSuchDomain),
                None => self.resolver.addresses(&host).await,
            };
            (preference, host, answer)
        });
        let answers = self.own.left_out_of(join_all(answers).await);
        if answers.is_empty() {
            return Planned::refused(is_ourselves(domain));
        }
        route(domain, answers, &self.guard, self.max_addresses)
    }
}
