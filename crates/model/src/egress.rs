//! How mail leaves: the addresses that it is dialled from, and the name that is given there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Domain;

/// Our side of the connections to mail hosts. What is `None` is as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Egress {
    /// Where hosts are dialled from that have an IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Where hosts are dialled from that have an IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Our name at EHLO.
    pub ehlo_name: Option<Domain>,
}

impl Egress {
    /// Whether all is as configured.
    pub const fn is_default(&self) -> bool {
        self.ipv4.is_none() && self.ipv6.is_none() && self.ehlo_name.is_none()
    }

    /// Where `target` is dialled from.
    pub fn source_for(&self, target: IpAddr) -> Option<IpAddr> {
        match target {
            IpAddr::V4(_) => self.ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => self.ipv6.map(IpAddr::V6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_of_the_family_of_the_target() {
        let egress = Egress {
            ipv4: Some(Ipv4Addr::LOCALHOST),
            ..Egress::default()
        };
        assert!(!egress.is_default() && Egress::default().is_default());
        let v4 = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(egress.source_for(v4), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(egress.source_for(Ipv6Addr::LOCALHOST.into()), None);
    }
}
