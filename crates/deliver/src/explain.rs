//! Where a domain's mail would go now, for people: the same questions and decisions as those of
//! a delivery, with what was left out and why. Nothing is dialled.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use postbell_model::{BounceClass, Domain, Reply};
use postbell_net::{Guard, LookupError, Resolver};

use crate::plan::home::Home;
use crate::plan::lookup::Lookup;
use crate::plan::ourselves::Ourselves;
use crate::plan::{Heading, Plan, Route};
use crate::relay::{Relay, Relays};
use crate::{DeliverOptions, RelayTls, SiteLimits, TlsPolicy, site_rules};

/// Hosts that are told about.
const MAX_HOSTS: usize = 32;

/// What is known about a domain's mail hosts, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The domain.
    pub domain: Domain,
    /// What says which hosts it has.
    pub source: Source,
    /// The hosts, most preferred first.
    pub hosts: Vec<Host>,
    /// What a delivery would do.
    pub verdict: Verdict,
    /// How long that holds.
    pub valid_for: Duration,
    /// Whether connections to MX hosts are secured.
    pub tls: TlsPolicy,
    /// What the site is given at most; `None` where there is none.
    pub limits: Option<SiteLimits>,
}

/// What says which hosts a domain has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Its MX records.
    Mx,
    /// A null MX: it takes no mail (RFC 7505).
    NullMx,
    /// The lack of MX records: it is its own host (RFC 5321 §5.1).
    Implicit,
    /// It is an address itself.
    Literal,
    /// The configuration, which names relays for it.
    Relay,
    /// Nothing: the question failed.
    Failed(String),
}

impl Source {
    /// One word for machines: `mx`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::NullMx => "null_mx",
            Self::Implicit => "implicit",
            Self::Literal => "literal",
            Self::Relay => "relay",
            Self::Failed(_) => "failed",
        }
    }
}

/// A mail host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its preference, where an MX record gives one.
    pub preference: Option<u16>,
    /// Its name.
    pub name: Domain,
    /// Its addresses.
    pub addresses: Vec<HostAddress>,
    /// Why it has none.
    pub trouble: Option<String>,
}

/// An address of a mail host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostAddress {
    /// The address.
    pub ip: IpAddr,
    /// What it is, where that is something that is not dialled: `a private address`.
    pub refused: Option<&'static str>,
}

/// What is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// The host.
    pub host: Domain,
    /// Its address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// How the connection is secured, where it is a relay.
    pub relay: Option<RelayTls>,
}

/// What a delivery would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Dial these, best first; hosts of equal preference in random order.
    Dial(Vec<Dialled>),
    /// Wait, or bounce where the reply is a 5xx.
    Refuse {
        /// What is said in the place of a host.
        reply: Reply,
        /// What it counts as.
        class: BounceClass,
    },
}

/// Where mail to a domain comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesIn {
    /// At this very server: that its hosts are ourselves is no loop.
    Here,
    /// At others.
    Elsewhere,
}

/// Explains where mail to `domain` would go, by a resolver that has cached nothing yet.
pub async fn explain(
    (domain, comes_in): (&Domain, ComesIn),
    options: &DeliverOptions,
    resolver: &Resolver,
    guard: &Guard,
) -> Explanation {
    let home = match comes_in {
        ComesIn::Here => Home::Only(domain.clone()),
        ComesIn::Elsewhere => Home::Nowhere,
    };
    // The configuration was checked; what does not hold in it is no relay.
    let relays = Relays::without_passwords(&options.relay).unwrap_or_default();
    let lookup = Lookup {
        resolver: resolver.clone(),
        guard: guard.clone(),
        ourselves: options.hostname.clone(),
        own: Ourselves::default(),
        home,
        is_open: true,
        relays: relays.clone(),
        simulator: options.simulator.clone(),
        max_addresses: options.max_addresses.max(1),
        lifetime: options.plan_lifetime,
        timeout: options.plan_timeout,
    };
    // The plan comes first: what it asks is cached, so that what is shown is what it saw.
    let planned = lookup.plan(&Heading::Domain(domain.clone())).await;
    let shown = match &*relays.of(domain) {
        [] => tokio::time::timeout(options.plan_timeout, hosts(domain, resolver, guard)).await,
        chosen => {
            let asked = relay_hosts(chosen, resolver);
            tokio::time::timeout(options.plan_timeout, asked).await
        }
    };
    let (source, hosts) = shown.unwrap_or_else(|_| {
        let why = "no answer in the time allowed".to_owned();
        (Source::Failed(why), Vec::new())
    });
    let limits = limits(&planned.plan, options);
    Explanation {
        limits,
        domain: domain.clone(),
        source,
        hosts,
        verdict: verdict(planned.plan, options.smtp_port),
        valid_for: planned.valid_for,
        tls: options.tls,
    }
}

fn limits(plan: &Plan, options: &DeliverOptions) -> Option<SiteLimits> {
    let Plan::Route(route) = plan else {
        return None;
    };
    let hosts = route.targets.iter().map(|target| &target.host);
    Some(site_rules(options).of(hosts))
}

fn verdict(plan: Plan, mx_port: u16) -> Verdict {
    match plan {
        Plan::Route(route) => {
            let Route { targets, .. } = Arc::unwrap_or_clone(route);
            let dialled = targets.into_iter().map(|target| Dialled {
                port: target.port(mx_port),
                relay: target.relay.as_ref().map(|relay| relay.tls()),
                host: target.host,
                ip: target.ip,
            });
            Verdict::Dial(dialled.collect())
        }
        Plan::Refused(refusal) => Verdict::Refuse {
            reply: refusal.reply.clone(),
            class: refusal.class,
        },
    }
}

async fn hosts(domain: &Domain, resolver: &Resolver, guard: &Guard) -> (Source, Vec<Host>) {
    if let Some(ip) = domain.literal() {
        let host = Host {
            preference: None,
            name: domain.clone(),
            addresses: vec![looked_at(ip, guard)],
            trouble: None,
        };
        return (Source::Literal, vec![host]);
    }
    match resolver.mx(domain).await {
        Ok(answer) if answer.null => (Source::NullMx, Vec::new()),
        Ok(answer) => {
            let asked = answer.hosts.into_iter().take(MAX_HOSTS);
            let asked =
                asked.map(|(preference, name)| host(Some(preference), name, resolver, guard));
            (Source::Mx, join_all(asked).await)
        }
        Err(LookupError::NoData) => {
            let own = host(None, domain.clone(), resolver, guard).await;
            (Source::Implicit, vec![own])
        }
        Err(error) => (Source::Failed(error.to_string()), Vec::new()),
    }
}

/// The relays in the place of MX hosts; the guard has no say about what the operator named.
async fn relay_hosts(relays: &[Arc<Relay>], resolver: &Resolver) -> (Source, Vec<Host>) {
    let anywhere = Guard::open();
    let asked = relays.iter().map(|relay| async {
        let (preference, name) = (Some(relay.preference), relay.host.clone());
        match name.literal() {
            Some(ip) => Host {
                preference,
                addresses: vec![looked_at(ip, &anywhere)],
                name,
                trouble: None,
            },
            None => host(preference, name, resolver, &anywhere).await,
        }
    });
    (Source::Relay, join_all(asked).await)
}

async fn host(preference: Option<u16>, name: Domain, resolver: &Resolver, guard: &Guard) -> Host {
    let answer = match name.literal() {
        // RFC 1035 §3.3.9: an MX names a host, not an address.
        Some(_) => Err("an MX can't be an address".to_owned()),
        None => resolver
            .addresses(&name)
            .await
            .map_err(|error| error.to_string()),
    };
    let (addresses, trouble) = match answer {
        Ok(found) => (found.ips, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    Host {
        preference,
        name,
        addresses: addresses
            .into_iter()
            .map(|ip| looked_at(ip, guard))
            .collect(),
        trouble,
    }
}

fn looked_at(ip: IpAddr, guard: &Guard) -> HostAddress {
    HostAddress {
        ip,
        refused: guard.check(ip).err().map(|forbidden| forbidden.range),
    }
}
