//! Name servers, the name of this server, and the names of the addresses that mail leaves from.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use postbell_model::Domain;
use postbell_net::{DnsOptions, LookupError, Probed, Resolver, name_servers, probe};
use postbell_store::Directory;
use tokio::net::UdpSocket;

use super::check::Check;
use crate::config::Config;

const DNS: &str = "dns";
const HOSTNAME: &str = "hostname";
const PTR: &str = "ptr";
/// Name servers that are asked; resolvers ask no more.
const SERVERS_MAX: usize = 3;
/// Addresses that are looked at.
const SOURCES_MAX: usize = 32;
/// Addresses for documentation (RFC 5737, RFC 3849): the way to them is the way to any other, and
/// no packet goes there.
const SOMEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 53),
    SocketAddr::new(
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        53,
    ),
];

/// An address that mail leaves from, and our name there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) ip: IpAddr,
    pub(super) ehlo_name: String,
}

/// Whether the name servers answer, and whether they validate.
pub(super) async fn servers(options: &DnsOptions) -> Vec<Check> {
    let servers = match name_servers(options) {
        Ok(servers) => servers,
        Err(error) => {
            let advice = "name servers of your own in dns.servers";
            return vec![Check::fault(DNS, error.to_string(), advice)];
        }
    };
    let mut checks = Vec::new();
    for server in servers.into_iter().take(SERVERS_MAX) {
        checks.push(server_check(server, probe(server, options.timeout).await));
    }
    if checks.is_empty() {
        let advice = "name servers of your own in dns.servers";
        checks.push(Check::fault(DNS, "there is no name server", advice));
    }
    checks
}

fn server_check(server: SocketAddr, probed: std::io::Result<Probed>) -> Check {
    // 0 is NOERROR, 3 NXDOMAIN: both are answers.
    match probed {
        Ok(Probed { code, .. }) if code != 0 && code != 3 => {
            let found = format!("{server} refuses to answer (code {code})");
            Check::fault(DNS, found, "ask a resolver that serves this machine")
        }
        Ok(Probed {
            validates: true, ..
        }) => Check::ok(DNS, format!("{server} answers, and validates")),
        Ok(_) => {
            let found = format!("{server} answers, and does not validate (DNSSEC)");
            let advice = "a validating resolver on loopback (unbound) protects where mail goes";
            Check::warning(DNS, found, advice)
        }
        Err(error) => {
            let found = format!("{server}: {error}");
            Check::fault(DNS, found, "no mail goes without names: see dns.servers")
        }
    }
}

/// Where mail leaves from: as configured, else as the system would choose, where that is an
/// address that others see.
pub(super) async fn sources(config: &Config, directory: Option<&Directory>) -> Vec<Source> {
    let hostname = &config.server.hostname;
    let source = |ip: IpAddr, name: Option<&Domain>| Source {
        ip,
        ehlo_name: name.map_or_else(|| hostname.clone(), ToString::to_string),
    };
    let mut sources = BTreeSet::new();
    sources.extend(config.deliver.source_address.map(|ip| source(ip, None)));
    let workspaces = directory.map(Directory::workspaces).unwrap_or_default();
    let sets = workspaces.iter().flat_map(|workspace| {
        let sets = directory.map(|all| all.configuration_sets_of(workspace.id));
        sets.unwrap_or_default()
    });
    for egress in sets.map(|set| &set.egress) {
        let name = egress.ehlo_name.as_ref();
        sources.extend(egress.ipv4.map(|ip| source(ip.into(), name)));
        sources.extend(egress.ipv6.map(|ip| source(ip.into(), name)));
    }
    if sources.is_empty() {
        for somewhere in SOMEWHERE {
            sources.extend(way_to(somewhere).await.map(|ip| source(ip, None)));
        }
    }
    sources.into_iter().take(SOURCES_MAX).collect()
}

/// The address from which the system would dial; none that only this network knows.
async fn way_to(somewhere: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match somewhere {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(somewhere).await.ok()?;
    let ip = socket.local_addr().ok()?.ip();
    let local = match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    (!local).then_some(ip)
}

/// Whether the name of this server and the addresses of its mail name each other.
pub(super) async fn look(resolver: &Resolver, config: &Config, sources: &[Source]) -> Vec<Check> {
    let hostname = &config.server.hostname;
    let set_it = "set server.hostname to a name of this server in the DNS";
    let name = match Domain::parse(hostname) {
        Ok(name) if hostname.contains('.') => name,
        _ => {
            let found = format!("\"{hostname}\" is no full name");
            return vec![Check::fault(HOSTNAME, found, set_it)];
        }
    };
    let addresses = match resolver.addresses(&name).await {
        Ok(addresses) => addresses.ips,
        Err(error) => return vec![Check::fault(HOSTNAME, format!("{name}: {error}"), set_it)],
    };
    let mut checks = vec![hostname_check(&name, &addresses, sources)];
    if sources.is_empty() {
        // Behind a translation of addresses, those of the name are what others see.
        for ip in addresses {
            checks.push(pointer(resolver, ip, hostname).await);
        }
        return checks;
    }
    for source in sources {
        checks.push(pointer(resolver, source.ip, &source.ehlo_name).await);
    }
    checks
}

fn hostname_check(name: &Domain, addresses: &[IpAddr], sources: &[Source]) -> Check {
    let told: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let told = told.join(", ");
    if sources.is_empty() {
        let found = format!("{name} is {told}");
        return Check::ok(HOSTNAME, found);
    }
    // Names of their own are held against their own addresses.
    let missing = sources
        .iter()
        .find(|source| source.ehlo_name == name.as_str() && !addresses.contains(&source.ip));
    match missing {
        None => Check::ok(HOSTNAME, format!("{name} is {told}")),
        Some(source) => {
            let found = format!("{name} is {told}, and mail leaves from {}", source.ip);
            let advice = format!("publish an A or AAAA record of {name} with {}", source.ip);
            Check::warning(HOSTNAME, found, advice)
        }
    }
}

/// Whether an address has our name there, and the name that address.
async fn pointer(resolver: &Resolver, ip: IpAddr, ehlo_name: &str) -> Check {
    let advice =
        format!("have the owner of the address (your provider) set {ehlo_name} as its PTR");
    let names = match resolver.names(ip).await {
        Ok(names) => names,
        Err(LookupError::Temporary(why)) => {
            let found = format!("{ip}: DNS gave no answer: {why}");
            return Check::warning(PTR, found, "try again");
        }
        Err(_) => {
            let found = format!("{ip} has no name, for which many receivers refuse mail");
            return Check::fault(PTR, found, advice);
        }
    };
    if !names.iter().any(|name| name.as_str() == ehlo_name) {
        let named: Vec<_> = names.iter().map(ToString::to_string).collect();
        let found = format!("{ip} is {}, and not {ehlo_name}", named.join(", "));
        return Check::fault(PTR, found, advice);
    }
    let back = match Domain::parse(ehlo_name) {
        Ok(name) => resolver.addresses(&name).await,
        Err(_) => Err(LookupError::NoSuchDomain),
    };
    if back.is_ok_and(|addresses| addresses.ips.contains(&ip)) {
        return Check::ok(PTR, format!("{ip} is {ehlo_name}, and the other way round"));
    }
    let found = format!("{ip} is {ehlo_name}, which has not that address");
    let advice = format!("publish an A or AAAA record of {ehlo_name} with {ip}");
    Check::fault(PTR, found, advice)
}
