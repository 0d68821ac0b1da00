//! Whether an SPF policy names this server (RFC 7208).
//!
//! The policies are read, not evaluated for a message: a mechanism that passes and names the
//! server is enough. Macros, `exists` and `ptr` are passed over.

use std::net::IpAddr;

use ipnet::IpNet;
use postbell_model::Domain;
use postbell_net::{LookupError, Resolver};

// RFC 7208 §4.6.4: a policy that needs more lookups is an error.
const LOOKUPS_MAX: usize = 10;

/// The server that a policy should name.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) addresses: &'a [IpAddr],
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spf {
    /// The server is in the policy.
    Named,
    /// It isn't.
    NotNamed,
    /// There is no policy.
    Absent,
    /// There are several, which is as good as none.
    Several,
}

/// Whether this TXT record is an SPF policy (RFC 7208 §4.5).
pub(super) fn is_policy(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// Reads the policy of a domain and those that it includes.
pub(super) async fn look(
    resolver: &Resolver,
    domain: &Domain,
    server: &Server<'_>,
) -> Result<Spf, LookupError> {
    let texts = resolver.txt(domain).await?;
    let mut policies = texts.into_iter().filter(|text| is_policy(text));
    let mut policy = match (policies.next(), policies.next()) {
        (None, _) => return Ok(Spf::Absent),
        (Some(_), Some(_)) => return Ok(Spf::Several),
        (Some(policy), None) => policy,
    };
    let (mut included, mut of) = (Vec::new(), domain.clone());
    let mut lookups = 0;
    loop {
        for term in policy.split_ascii_whitespace().skip(1) {
            match Term::read(term, &of) {
                Term::Hosts(host) if host.as_str() == server.host => return Ok(Spf::Named),
                Term::Network(network) if server.is_within(network) => return Ok(Spf::Named),
                Term::MailHosts(domain) if lookups < LOOKUPS_MAX => {
                    lookups += 1;
                    if leads_to(resolver, &domain, server).await {
                        return Ok(Spf::Named);
                    }
                }
                Term::Policy(domain) => included.push(domain),
                Term::Hosts(_) | Term::Network(_) | Term::MailHosts(_) | Term::Other => {}
            }
        }
        (of, policy) = loop {
            let Some(next) = included.pop().filter(|_| lookups < LOOKUPS_MAX) else {
                return Ok(Spf::NotNamed);
            };
            lookups += 1;
            let texts = resolver.txt(&next).await.unwrap_or_default();
            if let Some(policy) = texts.into_iter().find(|text| is_policy(text)) {
                break (next, policy);
            }
        };
    }
}

/// Whether the server is among a domain's mail hosts.
pub(super) async fn leads_to(resolver: &Resolver, domain: &Domain, server: &Server<'_>) -> bool {
    let answer = resolver.mx(domain).await;
    answer.is_ok_and(|mx| {
        mx.hosts
            .iter()
            .any(|(_, host)| host.as_str() == server.host)
    })
}

impl Server<'_> {
    fn is_within(&self, network: IpNet) -> bool {
        self.addresses.iter().any(|ip| network.contains(ip))
    }
}

enum Term {
    Hosts(Domain),
    MailHosts(Domain),
    Network(IpNet),
    Policy(Domain),
    Other,
}

impl Term {
    // RFC 7208 §4.6.2, §5: mechanisms with their qualifiers. What doesn't pass names nobody.
    fn read(term: &str, of: &Domain) -> Self {
        let term = term.strip_prefix('+').unwrap_or(term);
        if let Some(domain) = term.strip_prefix("redirect=") {
            return Domain::parse(domain).map_or(Self::Other, Self::Policy);
        }
        let (name, value) = term.split_once(':').unwrap_or((term, ""));
        let domain = match value {
            "" => Ok(of.clone()),
            value => Domain::parse(value),
        };
        let network = || {
            value
                .parse()
                .or_else(|_| value.parse().map(|ip: IpAddr| ip.into()))
        };
        match (name.to_ascii_lowercase().as_str(), domain) {
            ("a", Ok(domain)) => Self::Hosts(domain),
            ("mx", Ok(domain)) => Self::MailHosts(domain),
            ("include", Ok(domain)) => Self::Policy(domain),
            ("ip4" | "ip6", _) => network().map_or(Self::Other, Self::Network),
            _ => Self::Other,
        }
    }
}
