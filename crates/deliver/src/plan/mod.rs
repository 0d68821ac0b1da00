//! Where a domain's mail goes: address literal, MX hosts, or the domain itself
//! (RFC 5321 §5.1, RFC 7505).
//!
//! The decisions are pure functions over what the DNS said; [`lookup`] asks it. What is decided:
//!
//! | the DNS says | plan |
//! |---|---|
//! | no such domain | refused, 550 5.1.2 |
//! | a null MX | refused, 556 5.1.10 |
//! | no MX, but addresses | the domain itself is the host |
//! | no MX and no address | refused, 550 5.4.4 |
//! | the best host is ourselves | refused, 550 5.4.6, unless [its mail comes in here](home) |
//! | MX, none with an address that may be dialled | refused, 550 5.4.4 |
//! | nothing usable, and some answer is missing | try again, 451 4.4.3 |
//!
//! An MX that leads to a loopback or private address is how many domains say that they take no
//! mail, and no retry changes it; but since a mistake looks the same, it counts as a network
//! error and not as a dead address.

mod heading;
pub(crate) mod home;
pub(crate) mod lookup;
mod named;
pub(crate) mod ourselves;
mod relayed;
pub(crate) mod simulated;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::reply::Severity;
use postbell_model::{BounceClass, Domain, Egress, Phase, Reply};
use postbell_net::{Addresses, Guard, LookupError, MxAnswer};

use crate::relay::Relay;

pub(crate) use heading::Heading;

/// How long a refusal or a failure is remembered: the answers carry no lifetime of their own.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(60);
/// How long an answer is remembered at least.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(5);

/// The name of a site: its hosts, sorted, and how mail leaves for them. Domains with the same MX
/// hosts share the site; connections from another address or by another name are another site's,
/// since receivers count by them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SiteKey {
    hosts: Arc<str>,
    /// `None`: as configured.
    egress: Option<Arc<Egress>>,
}

impl SiteKey {
    pub(crate) fn new<'a>(hosts: impl IntoIterator<Item = &'a Domain>) -> Self {
        Self::of_names(hosts.into_iter().map(ToString::to_string).collect())
    }

    pub(crate) fn of_names(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self {
            hosts: names.join(",").into(),
            egress: None,
        }
    }

    /// The site of the same hosts for mail that leaves like this.
    pub(crate) fn leaving_by(&self, egress: Option<Arc<Egress>>) -> Self {
        Self {
            hosts: Arc::clone(&self.hosts),
            egress,
        }
    }

    /// Its hosts, sorted, with commas.
    pub(crate) fn hosts(&self) -> &str {
        &self.hosts
    }

    /// How mail leaves for it; `None`: as configured.
    pub(crate) const fn egress(&self) -> Option<&Arc<Egress>> {
        self.egress.as_ref()
    }
}

/// One address to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) preference: u16,
    pub(crate) host: Domain,
    pub(crate) ip: IpAddr,
    /// Absent: it is an MX host.
    pub(crate) relay: Option<Arc<Relay>>,
    /// Absent: that of MX hosts, or the relay's. Where there is one, the operator named the host.
    pub(crate) named_port: Option<u16>,
}

impl Target {
    /// The port to dial; `mx_port` is that of MX hosts.
    pub(crate) fn port(&self, mx_port: u16) -> u16 {
        let of_relay = self.relay.as_ref().map(|relay| relay.port);
        of_relay.or(self.named_port).unwrap_or(mx_port)
    }

    /// Whether the operator named it, so that it may have any address.
    pub(crate) const fn is_named(&self) -> bool {
        self.relay.is_some() || self.named_port.is_some()
    }

    /// What a reply of this host is about.
    pub(crate) fn phase_of(&self, phase: Phase, reply: &Reply) -> Phase {
        match &self.relay {
            Some(_) => Relay::phase_of(phase, reply),
            None => phase,
        }
    }
}

/// The hosts of a domain that can be dialled; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) site: SiteKey,
    /// By preference, best first.
    pub(crate) targets: Vec<Target>,
}

impl Route {
    /// The targets in an order for one attempt: by preference, and where that is equal as
    /// `roll` has it.
    ///
    /// RFC 5321 §5.1: hosts of equal preference are taken at random, to spread the load.
    pub(crate) fn shuffled(&self, mut roll: impl FnMut() -> u64) -> Vec<Target> {
        let mut order: Vec<_> = self
            .hosts()
            .into_iter()
            .map(|host| (roll(), host))
            .collect();
        order.sort_by_key(|(roll, (preference, _))| (*preference, *roll));
        let of_host = |host: &Domain| {
            let targets = self
                .targets
                .iter()
                .filter(move |target| target.host == *host);
            targets.cloned().collect::<Vec<_>>()
        };
        order
            .into_iter()
            .flat_map(|(_, (_, host))| of_host(&host))
            .collect()
    }

    pub(crate) fn hosts(&self) -> Vec<(u16, Domain)> {
        let mut hosts: Vec<(u16, Domain)> = Vec::new();
        for target in &self.targets {
            if hosts.iter().all(|(_, host)| *host != target.host) {
                hosts.push((target.preference, target.host.clone()));
            }
        }
        hosts
    }
}

/// A domain that nothing can be sent to, for now or for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The domain, or the host that is the trouble.
    pub(crate) host: Domain,
    /// What we say in the place of a host; its severity says whether it is for good.
    pub(crate) reply: Reply,
    pub(crate) class: BounceClass,
}

impl Refusal {
    fn new(host: &Domain, reply: Reply, class: BounceClass) -> Self {
        Self {
            host: host.clone(),
            reply,
            class,
        }
    }

    fn temporary(host: &Domain, why: &str) -> Self {
        let reply = Reply::new(451, 4, 3, format!("DNS lookup of {host} failed: {why}"));
        Self::new(host, reply, BounceClass::NetworkError)
    }

    /// Whether it says nothing about the next time.
    pub(crate) fn is_temporary(&self) -> bool {
        self.reply.severity() != Severity::Permanent
    }
}

/// What to do with a domain's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    Route(Arc<Route>),
    Refused(Arc<Refusal>),
}

/// A plan and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) valid_for: Duration,
}

impl Planned {
    /// Holds the plan for no longer than `longest`, nor for so short that a TTL of 0 means a
    /// question for each message.
    #[must_use]
    pub(crate) fn held_for_at_most(self, longest: Duration) -> Self {
        Self {
            valid_for: self.valid_for.max(SHORTEST_LIFETIME).min(longest),
            ..self
        }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            plan: Plan::Refused(Arc::new(refusal)),
            valid_for: REFUSAL_LIFETIME,
        }
    }
}

/// The hosts that take a domain's mail, as its MX records say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exchangers {
    /// These, by preference.
    Hosts {
        hosts: Vec<(u16, Domain)>,
        valid_for: Duration,
    },
    /// RFC 5321 §5.1: without MX records the domain itself is taken for its host.
    Implicit,
}

/// What follows from the answer to the question for MX records. `ourselves` is our own name.
pub(crate) fn exchangers(
    domain: &Domain,
    ourselves: &str,
    answer: Result<MxAnswer, LookupError>,
) -> Result<Exchangers, Refusal> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(LookupError::NoData) if is(domain, ourselves) => return Err(is_ourselves(domain)),
        Err(LookupError::NoData) => return Ok(Exchangers::Implicit),
        Err(LookupError::NoSuchDomain) => return Err(no_such_domain(domain)),
        Err(LookupError::Temporary(why)) => return Err(Refusal::temporary(domain, &why)),
    };
    if answer.null {
        // RFC 7505 §4: no attempt is made; the code is 556 and 5.1.10.
        let reply = Reply::new(556, 1, 10, format!("{domain} takes no mail (null MX)"));
        return Err(Refusal::new(domain, reply, BounceClass::NoSuchDomain));
    }
    let hosts = better_than_ourselves(answer.hosts, ourselves);
    if hosts.is_empty() {
        return Err(is_ourselves(domain));
    }
    Ok(Exchangers::Hosts {
        hosts,
        valid_for: answer.valid_for,
    })
}

// RFC 5321 §5.1: a server that finds itself among the MX hosts takes away itself and all that
// are no better, or the mail would go in a circle.
fn better_than_ourselves(hosts: Vec<(u16, Domain)>, ourselves: &str) -> Vec<(u16, Domain)> {
    let own = hosts
        .iter()
        .filter(|(_, host)| is(host, ourselves))
        .map(|(preference, _)| *preference)
        .min();
    match own {
        Some(own) => hosts
            .into_iter()
            .filter(|(preference, _)| *preference < own)
            .collect(),
        None => hosts,
    }
}

fn is(host: &Domain, ourselves: &str) -> bool {
    host.as_str().eq_ignore_ascii_case(ourselves)
}

fn is_ourselves(domain: &Domain) -> Refusal {
    let reply = Reply::new(
        550,
        4,
        6,
        format!("the mail host of {domain} is this server"),
    );
    Refusal::new(domain, reply, BounceClass::RelayDenied)
}

/// The plan for hosts whose addresses are known, or why they are not.
pub(crate) fn route(
    domain: &Domain,
    hosts: Vec<(u16, Domain, Result<Addresses, LookupError>)>,
    guard: &Guard,
    max_addresses: usize,
) -> Planned {
    let site = SiteKey::new(hosts.iter().map(|(_, host, _)| host));
    // With several hosts, none of them may use up the addresses of an attempt.
    let per_host = if hosts.len() > 1 { 2 } else { max_addresses };
    let mut found = Found::default();
    for (preference, host, answer) in hosts {
        found.see(preference, &host, answer, guard, per_host);
    }
    if found.targets.is_empty() {
        return Planned::refused(found.refusal(domain));
    }
    found.targets.truncate(max_addresses);
    let route = Route {
        site,
        targets: found.targets,
    };
    Planned {
        plan: Plan::Route(Arc::new(route)),
        valid_for: found.valid_for.unwrap_or_default(),
    }
}

/// What the addresses of a domain's hosts came to.
#[derive(Debug, Default)]
struct Found {
    targets: Vec<Target>,
    valid_for: Option<Duration>,
    forbidden: Option<String>,
    temporary: Option<(Domain, String)>,
}

impl Found {
    fn see(
        &mut self,
        preference: u16,
        host: &Domain,
        answer: Result<Addresses, LookupError>,
        guard: &Guard,
        per_host: usize,
    ) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(LookupError::Temporary(why)) => {
                self.temporary = Some((host.clone(), why));
                self.hold_for(REFUSAL_LIFETIME);
                return;
            }
            Err(LookupError::NoSuchDomain | LookupError::NoData) => return,
        };
        self.hold_for(answer.valid_for);
        let mut taken = 0;
        for ip in answer.ips {
            match guard.check(ip) {
                Err(forbidden) => self.forbidden = Some(format!("{host} is {}", forbidden.range)),
                Ok(()) if taken < per_host => {
                    taken += 1;
                    self.targets.push(Target {
                        preference,
                        host: host.clone(),
                        ip,
                        relay: None,
                        named_port: None,
                    });
                }
                Ok(()) => {}
            }
        }
    }

    fn hold_for(&mut self, lifetime: Duration) {
        self.valid_for = Some(self.valid_for.map_or(lifetime, |known| known.min(lifetime)));
    }

    fn refusal(self, domain: &Domain) -> Refusal {
        if let Some((host, why)) = self.temporary {
            return Refusal::temporary(&host, &why);
        }
        let why = self
            .forbidden
            .unwrap_or_else(|| "its hosts have no address".to_owned());
        let reply = Reply::new(550, 4, 4, format!("{domain} can't be reached: {why}"));
        Refusal::new(domain, reply, BounceClass::NetworkError)
    }
}

fn no_such_domain(domain: &Domain) -> Refusal {
    let reply = Reply::new(550, 1, 2, format!("{domain} does not exist"));
    Refusal::new(domain, reply, BounceClass::NoSuchDomain)
}

/// The plan for a domain without MX records.
pub(crate) fn implicit(
    domain: &Domain,
    answer: Result<Addresses, LookupError>,
    guard: &Guard,
    max_addresses: usize,
) -> Planned {
    match answer {
        Err(LookupError::NoSuchDomain) => Planned::refused(no_such_domain(domain)),
        Err(LookupError::NoData) => {
            let reply = Reply::new(550, 4, 4, format!("{domain} has neither MX nor address"));
            Planned::refused(Refusal::new(domain, reply, BounceClass::NoSuchDomain))
        }
        other => route(
            domain,
            vec![(0, domain.clone(), other)],
            guard,
            max_addresses,
        ),
    }
}

#[cfg(test)]
mod tests;
