//! The plan for simulated addresses: a port of this machine, and no question to the DNS.

use std::net::SocketAddr;

use postbell_model::Domain;
use postbell_net::Addresses;

use super::Planned;
use super::lookup::Lookup;
use super::named::route_to;

/// Where mail to simulated addresses goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorRoute {
    /// The domain of the addresses.
    pub domain: Domain,
    /// Who takes mail for them.
    pub address: SocketAddr,
}

impl Lookup {
    /// The plan for a domain that is simulated; `None`: it is not.
    pub(super) fn simulated(&self, domain: &Domain) -> Option<Planned> {
        let route = self.simulator.as_ref()?;
        if route.domain != *domain {
            return None;
        }
        let answer = Addresses {
            ips: vec![route.address.ip()],
            valid_for: self.lifetime,
        };
        // A site of its own: what happens there slows down no other mail.
        Some(route_to(domain, route.address.port(), Ok(answer), 1))
    }
}
