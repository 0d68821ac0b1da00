//! Mail hosts whose address is one where our own listeners answer: mail to them would come back.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use postbell_model::Domain;
use postbell_net::{Addresses, LookupError};

/// A host, its preference and its addresses.
pub(super) type Answered = (u16, Domain, Result<Addresses, LookupError>);

/// Where our own SMTP listeners answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ourselves {
    listeners: Vec<SocketAddr>,
}

impl Ourselves {
    /// Those of `listeners` that can be met at the port of mail hosts.
    pub(crate) fn new(listeners: &[SocketAddr], mx_port: u16) -> Self {
        let met = listeners.iter().filter(|at| at.port() == mx_port);
        Self {
            listeners: met.copied().collect(),
        }
    }

    /// Whether mail dialled to this address would come back.
    pub(crate) fn answer_at(&self, ip: IpAddr) -> bool {
        self.listeners.iter().any(|at| {
            let everywhere = at.ip().is_unspecified();
            at.ip() == ip.to_canonical() || everywhere && is_of_this_machine(ip)
        })
    }

    /// Without the hosts that are ourselves, and those that are no better.
    pub(super) fn left_out_of(&self, hosts: Vec<Answered>) -> Vec<Answered> {
        if self.listeners.is_empty() {
            return hosts;
        }
        let own = hosts.iter().filter(|(_, _, answer)| self.are_in(answer));
        match own.map(|(preference, ..)| *preference).min() {
            // RFC 5321 §5.1: as where the name of the host is ours.
            Some(own) => hosts.into_iter().filter(|host| host.0 < own).collect(),
            None => hosts,
        }
    }

    /// Whether one of these addresses is ours.
    pub(super) fn are_in(&self, answer: &Result<Addresses, LookupError>) -> bool {
        let known = answer.as_ref().ok();
        known.is_some_and(|known| known.ips.iter().any(|ip| self.answer_at(*ip)))
    }
}

/// Only an address of this machine can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn host(preference: u16, ip: &str) -> Answered {
        let known = Addresses {
            ips: vec![ip.parse().unwrap()],
            valid_for: Duration::from_secs(60),
        };
        (preference, Domain::parse("mx.example").unwrap(), Ok(known))
    }

    fn left(listeners: &[&str], hosts: Vec<Answered>) -> Vec<u16> {
        let listeners: Vec<_> = listeners.iter().map(|at| at.parse().unwrap()).collect();
        let hosts = Ourselves::new(&listeners, 25).left_out_of(hosts);
        hosts.iter().map(|host| host.0).collect()
    }

    #[test]
    fn our_own_address_is_left_out_with_what_is_no_better() {
        let hosts = || {
            vec![
                host(5, "192.0.2.5"),
                host(10, "127.0.0.1"),
                host(20, "192.0.2.20"),
            ]
        };
        assert_eq!(left(&["127.0.0.1:25"], hosts()), [5]);
        assert_eq!(left(&["0.0.0.0:25"], hosts()), [5], "on all addresses");
        assert_eq!(
            left(&["127.0.0.1:587"], hosts()),
            [5, 10, 20],
            "another server's port"
        );
        assert_eq!(left(&["192.0.2.99:25"], hosts()), [5, 10, 20]);
        assert!(left(&["127.0.0.1:25"], vec![host(10, "127.0.0.1")]).is_empty());
    }
}
