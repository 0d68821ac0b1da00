//! The doors that simulated answers come in by: those of this server, from this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use postbell_peers::answer::{Doors, WebDoor};

use crate::config::Config;
use crate::server::Addresses;

/// Beyond the time in which visits are taken for a machine's.
const VISIT_MARGIN: Duration = Duration::from_secs(1);

/// Where answers go on a server that listens here.
pub(crate) fn doors(config: &Config, addresses: &Addresses) -> Doors {
    let proxies = &config.inbound.proxy_from;
    // Whoever comes from a proxy's address has to begin with its header.
    let speaks_first = |door: &SocketAddr| !proxies.iter().any(|net| net.contains(&door.ip()));
    let mut mail = addresses.inbound.iter().map(from_here);
    let mut plain = addresses.tracking.iter().map(from_here);
    let mut tls = addresses.tracking_tls.iter().map(from_here);
    let plain = plain.next().map(WebDoor::Plain);
    Doors {
        mail: mail.find(speaks_first),
        web: plain.or_else(|| tls.next().map(WebDoor::Tls)),
        visit_after: config.tracking.early.saturating_add(VISIT_MARGIN),
    }
}

/// How an address that is listened on is reached from this machine.
fn from_here(address: &SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_reached_on_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:25", "127.0.0.1:25"),
            ("[::]:25", "[::1]:25"),
            ("192.0.2.1:25", "192.0.2.1:25"),
        ] {
            let address = from_here(&listens.parse().unwrap());
            assert_eq!(address, reached.parse().unwrap());
        }
    }
}
