//! How much comes from where: connections at a time, messages and recipients a minute.
//!
//! Addresses cost a stranger nothing, networks do: a host has a whole IPv6 /64 to choose from, and
//! what is rented comes in a /24 or a /48.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postbell_model::{Monotonic, Reply};

use super::InboundLimits;
use crate::door::buckets::Buckets;
use crate::door::{Peers, Place};

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) host: IpNet,
    pub(super) network: IpNet,
}

impl Source {
    pub(super) fn of(ip: IpAddr) -> Self {
        let (host, network) = match ip {
            IpAddr::V4(_) => (32, 24),
            IpAddr::V6(_) => (64, 48),
        };
        Self {
            host: block(ip, host),
            network: block(ip, network),
        }
    }
}

/// A client's places: as a host, and in its network.
#[derive(Debug)]
pub(super) struct Places {
    _host: Place<IpNet>,
    _network: Place<IpNet>,
}

/// Counts what comes. One for all sessions of a door.
#[derive(Debug)]
pub(super) struct Crowd {
    hosts: Peers<IpNet>,
    networks: Peers<IpNet>,
    messages: Mutex<Buckets<IpNet>>,
    recipients: Mutex<Buckets<IpNet>>,
}

impl Crowd {
    pub(super) fn new(limits: &InboundLimits) -> Self {
        Self {
            hosts: Peers::new(limits.max_connections_per_host),
            networks: Peers::new(limits.max_connections_per_network),
            messages: Mutex::new(Buckets::new(limits.max_networks)),
            recipients: Mutex::new(Buckets::new(limits.max_networks)),
        }
    }

    /// So many connections from now on; those that are open stay.
    pub(super) fn limit_to(&self, limits: &InboundLimits) {
        self.hosts.limit_to(limits.max_connections_per_host);
        self.networks.limit_to(limits.max_connections_per_network);
    }

    /// Places for one more connection; otherwise who has too many.
    pub(super) fn enter(&self, source: Source) -> Result<Places, IpNet> {
        let host = self.hosts.enter(source.host).ok_or(source.host)?;
        let network = self.networks.enter(source.network).ok_or(source.network)?;
        Ok(Places {
            _host: host,
            _network: network,
        })
    }

    /// Counts a message that begins; otherwise when to try again.
    pub(super) fn begin(
        &self,
        source: Source,
        limits: &InboundLimits,
        now: Monotonic,
    ) -> Result<(), Reply> {
        let rate = limits.max_messages_per_minute;
        take(&self.messages, source.network, rate, now)
            .map_err(|wait| too_many(source, (rate, "messages"), wait))
    }

    /// Counts a recipient, taken or not; otherwise when to try again.
    pub(super) fn add_recipient(
        &self,
        source: Source,
        limits: &InboundLimits,
        now: Monotonic,
    ) -> Result<(), Reply> {
        let rate = limits.max_recipients_per_minute;
        take(&self.recipients, source.network, rate, now)
            .map_err(|wait| too_many(source, (rate, "recipients"), wait))
    }
}

fn take(
    buckets: &Mutex<Buckets<IpNet>>,
    of: IpNet,
    rate: u32,
    now: Monotonic,
) -> Result<(), Duration> {
    let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
    let full_at = buckets.after_one(of, rate, now)?;
    buckets.take([(of, full_at)], now);
    Ok(())
}

// RFC 5321 §4.2.3: 450 is for what policy does not allow now; RFC 3463 §3.8: X.7.1.
fn too_many(source: Source, (rate, what): (u32, &str), wait: Duration) -> Reply {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let network = source.network;
    let text = format!(
        "At most {rate} {what} a minute are taken from {network}; try again in {seconds} s"
    );
    Reply::new(450, 7, 1, text)
}

/// The block of this length that an address lies in.
fn block(ip: IpAddr, length: u8) -> IpNet {
    match ip {
        IpAddr::V4(ip) => Ipv4Net::new_assert(ip, length).trunc().into(),
        IpAddr::V6(ip) => Ipv6Net::new_assert(ip, length).trunc().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_networks() {
        for (ip, host, network) in [
            ("192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ] {
            let source = Source::of(ip.parse().unwrap());
            assert_eq!(source.host.to_string(), host);
            assert_eq!(source.network.to_string(), network);
        }
    }
}
