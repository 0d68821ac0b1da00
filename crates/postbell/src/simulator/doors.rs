//! The doors that simulated answers come in by: those of this server, from this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use postbell_peers::answer::{Answering, Doors, WebDoor};

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

/// Where answers go where it listens as it is configured.
pub(crate) fn configured_doors(config: &Config) -> Doors {
    doors(config, &Addresses::configured(config))
}

/// A door that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Mail,
    Web,
}

impl Missing {
    pub(crate) fn of(doors: Doors) -> impl Iterator<Item = Self> {
        let mail = doors.mail.is_none().then_some(Self::Mail);
        let web = doors.web.is_none().then_some(Self::Web);
        mail.into_iter().chain(web)
    }

    /// Whether an answer needs it.
    pub(crate) const fn is_for(self, answering: Answering) -> bool {
        match self {
            Self::Mail => !answering.visits(),
            Self::Web => answering.visits(),
        }
    }

    /// What comes of it, and why it is not there.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Mail => {
                "Nothing can come back: inbound.listen is empty, or what it names can't be reached \
                 from this machine"
            }
            Self::Web => {
                "Nobody can open, click or unsubscribe here: tracking.listen is empty, or what it \
                 names can't be reached from this machine"
            }
        }
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
