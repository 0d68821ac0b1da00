//! Whether the listeners can be reached from here, and port 25 of others from here.
//!
//! Whether others reach ours only they can tell; the line says how to ask them. Nothing but QUIT is
//! ever sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postbell_model::Domain;
use postbell_net::{Guard, Resolver, connect};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::check::Check;
use super::machine::Machine;
use crate::cli::DoctorArgs;
use crate::config::Config;

const LISTENERS: &str = "listeners";
const OUT: &str = "port 25 out";
/// Whose mail hosts are dialled: there are many, and they are always there.
const WELL_KNOWN: &str = "gmail.com";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// RFC 5321 §4.5.3.1.5: a line of a reply has 512 octets.
const LINE_MAX: u64 = 512;
/// Addresses of the mail host that are dialled.
const DIALLED_MAX: usize = 2;

/// Whether a server answers wherever one should.
pub(super) async fn listeners(config: &Config, machine: &Machine) -> Vec<Check> {
    let submission = &config.submission;
    let mut checks = Vec::new();
    for (key, addresses, greets) in [
        ("submission.listen", &submission.listen, true),
        ("submission.listen_tls", &submission.listen_tls, false),
        ("inbound.listen", &config.inbound.listen, true),
        ("http.listen", &config.http.listen, false),
        ("tracking.listen", &config.tracking.listen, false),
        ("tracking.listen_tls", &config.tracking.listen_tls, false),
    ] {
        for address in addresses {
            let reached = if greets {
                greeting(reachable(*address), None).await.map(drop)
            } else {
                dial(reachable(*address), None).await.map(drop)
            };
            checks.push(listener_check((key, *address), reached, machine));
        }
    }
    checks
}

fn listener_check(
    (key, address): (&str, SocketAddr),
    reached: Result<(), String>,
    machine: &Machine,
) -> Check {
    match reached {
        Ok(()) => Check::ok(LISTENERS, format!("{address} answers ({key})")),
        Err(_) if machine.server.is_none() => {
            let found = format!("nobody answers at {address} ({key}): no server runs");
            Check::warning(LISTENERS, found, "start it: `postbell serve`")
        }
        Err(why) => {
            let found = format!("{address} ({key}): {why}");
            let advice = "see the server's log, and whether a firewall is in between";
            Check::fault(LISTENERS, found, advice)
        }
    }
}

/// An address that listens everywhere is reached on loopback.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether a mail host can be dialled.
pub(super) async fn outbound(
    config: &Config,
    args: &DoctorArgs,
    resolver: &Resolver,
) -> Vec<Check> {
    let (name, addresses) = match targets(config, args, resolver).await {
        Ok(found) => found,
        Err(why) => {
            let advice = "name a mail host that is there with --probe HOST";
            return vec![Check::warning(OUT, why, advice)];
        }
    };
    let mut refused = Vec::new();
    for address in addresses.into_iter().take(DIALLED_MAX) {
        let source = config.deliver.source_address;
        let source = source.filter(|ip| ip.is_ipv4() == address.is_ipv4());
        match greeting(address, source).await {
            Ok(line) => {
                return vec![Check::ok(OUT, format!("{name} [{address}] greets: {line}"))];
            }
            Err(why) => refused.push(why),
        }
    }
    let found = format!("{name} can't be reached: {}", refused.join("; "));
    let advice = "have the provider open port 25 outbound, or send by a relay (deliver.relay)";
    vec![Check::fault(OUT, found, advice)]
}

/// What is dialled: what was asked for, else the relay for all mail, else a well-known host.
async fn targets(
    config: &Config,
    args: &DoctorArgs,
    resolver: &Resolver,
) -> Result<(String, Vec<SocketAddr>), String> {
    if let Some(asked) = &args.probe {
        let (host, port) = host_and_port(asked, config.deliver.smtp_port);
        return addresses(resolver, host, port).await;
    }
    let relays = config.deliver.relay.iter();
    if let Some(relay) = relays.clone().find(|relay| relay.domains.is_empty()) {
        return addresses(resolver, &relay.host, relay.port).await;
    }
    let domain = Domain::parse(WELL_KNOWN).map_err(|error| error.to_string())?;
    let hosts = resolver.mx(&domain).await;
    let hosts = hosts
        .map_err(|error| format!("{WELL_KNOWN}: {error}"))?
        .hosts;
    let Some((_, host)) = hosts.first() else {
        return Err(format!("{WELL_KNOWN} has no mail hosts"));
    };
    addresses(resolver, host.as_str(), config.deliver.smtp_port).await
}

async fn addresses(
    resolver: &Resolver,
    host: &str,
    port: u16,
) -> Result<(String, Vec<SocketAddr>), String> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok((host.to_owned(), vec![SocketAddr::new(ip, port)]));
    }
    let name = Domain::parse(host).map_err(|error| format!("\"{host}\": {error}"))?;
    let found = resolver.addresses(&name).await;
    let found = found.map_err(|error| format!("{name}: {error}"))?;
    // IPv4 first: it is there more often, and what is asked is whether the port is open at all.
    let (v4, v6): (Vec<_>, Vec<_>) = found.ips.into_iter().partition(IpAddr::is_ipv4);
    let all = v4.into_iter().chain(v6);
    Ok((
        name.to_string(),
        all.map(|ip| SocketAddr::new(ip, port)).collect(),
    ))
}

/// `mx.example.org:2525`, `[2001:db8::1]:25`, or without a port.
pub(super) fn host_and_port(text: &str, port: u16) -> (&str, u16) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let given = rest.strip_prefix(':').and_then(|port| port.parse().ok());
        return (host, given.unwrap_or(port));
    }
    match text.rsplit_once(':') {
        Some((host, given)) if !host.contains(':') => match given.parse() {
            Ok(given) => (host, given),
            Err(_) => (text, port),
        },
        _ => (text, port),
    }
}

async fn dial(address: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, String> {
    // An operator asks about addresses of the own network as well, and nothing is sent there.
    let everywhere = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let guard = Guard::new(everywhere.to_vec());
    let connected = connect(address, &guard, source, CONNECT_LIMIT).await;
    connected.map_err(|error| match std::error::Error::source(&error) {
        Some(cause) if !error.to_string().contains(&cause.to_string()) => {
            format!("{error}: {cause}")
        }
        _ => error.to_string(),
    })
}

/// The first line that a mail server says; then it is left.
async fn greeting(address: SocketAddr, source: Option<IpAddr>) -> Result<String, String> {
    let mut stream = dial(address, source).await?;
    let mut line = String::new();
    let read = async {
        let (octets, _) = stream.split();
        BufReader::new(octets.take(LINE_MAX))
            .read_line(&mut line)
            .await
    };
    match timeout(GREETING_LIMIT, read).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(format!("{address}: {error}")),
        Err(_) => return Err(format!("{address} takes connections and says nothing")),
    }
    let _left = timeout(GREETING_LIMIT, stream.write_all(b"QUIT\r\n")).await;
    let line = line.trim_end();
    if line.starts_with("220") {
        return Ok(line.to_owned());
    }
    Err(format!(
        "{address} is no mail server that lets us in: {line}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_with_and_without_a_port() {
        for (text, read) in [
            ("mx.example.org", ("mx.example.org", 25)),
            ("mx.example.org:2525", ("mx.example.org", 2_525)),
            ("[2001:db8::1]:26", ("2001:db8::1", 26)),
            ("[2001:db8::1]", ("2001:db8::1", 25)),
            ("2001:db8::1", ("2001:db8::1", 25)),
            ("192.0.2.1:x", ("192.0.2.1:x", 25)),
        ] {
            assert_eq!(host_and_port(text, 25), read);
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:25", "127.0.0.1:25"),
            ("[::]:25", "[::1]:25"),
            ("192.0.2.1:25", "192.0.2.1:25"),
        ] {
            let address = reachable(listens.parse().unwrap());
            assert_eq!(address.to_string(), reached);
        }
    }
}
