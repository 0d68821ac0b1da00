//! Which addresses may be dialled: the public ones, and those that the operator allows.
//!
//! A name under a stranger's control (an MX, a webhook's host) may lead anywhere, also to the
//! machine itself or the network behind it. The tables are those of the IANA special-purpose
//! address registries (RFC 6890), without their entries that are reachable from everywhere but
//! belong to a translation or a relay. An IPv4 address inside an IPv6 one is looked at as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An address that is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ip} is not dialled: it is {range}")]
pub struct Forbidden {
    /// The address.
    pub ip: IpAddr,
    /// What it is: `a private address`.
    pub range: &'static str,
}

/// Decides which addresses may be dialled. Checked at the moment of dialling, by the code that
/// dials. Clones are one guard: what is allowed to one is to all.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Arc<ArcSwap<Vec<IpNet>>>,
}

impl Guard {
    /// A guard that lets through public addresses and those in `allowed`, whatever they are.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self {
            allowed: Arc::new(ArcSwap::from_pointee(allowed)),
        }
    }

    /// From now on lets through these, and no longer those that it let through before.
    pub fn allow(&self, allowed: Vec<IpNet>) {
        self.allowed.store(Arc::new(allowed));
    }

    /// A guard that lets everything through: for hosts that the operator named, and no stranger.
    pub fn open() -> Self {
        Self::new(vec![
            Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0).into(),
            Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0).into(),
        ])
    }

    /// Whether this address may be dialled.
    ///
    /// # Errors
    /// It may not; says why.
    pub fn check(&self, ip: IpAddr) -> Result<(), Forbidden> {
        let target = unwrap_ipv4(ip);
        let allowed = |net: &IpNet| net.contains(&ip) || net.contains(&target);
        if self.allowed.load().iter().any(allowed) {
            return Ok(());
        }
        let range = match target {
            IpAddr::V4(v4) => special_v4(v4),
            IpAddr::V6(v6) => special_v6(v6),
        };
        match range {
            Some(range) => Err(Forbidden { ip, range }),
            None => Ok(()),
        }
    }
}

/// The IPv4 address that a packet to `ip` ends at, where `ip` is only a way to write it.
fn unwrap_ipv4(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    // RFC 6052 §2.1: behind a NAT64, public IPv4 hosts are reached through this prefix.
    if NAT64.contains(&v6) {
        return low_ipv4(v6).into();
    }
    ip
}

fn low_ipv4(v6: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = v6.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let found = SPECIAL_V4.iter().find(|(net, _)| net.contains(&ip));
    found.map(|(_, range)| *range)
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let found = SPECIAL_V6.iter().find(|(net, _)| net.contains(&ip));
    found.map(|(_, range)| *range)
}

const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const SPECIAL_V4: &[(Ipv4Net, &str)] = &[
    // RFC 1122 §3.2.1.3; Linux dials its own host for 0.0.0.0.
    (v4([0, 0, 0, 0], 8), "an address of this host"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    // RFC 1918 §3.
    (v4([10, 0, 0, 0], 8), "a private address"),
    (v4([172, 16, 0, 0], 12), "a private address"),
    (v4([192, 168, 0, 0], 16), "a private address"),
    // RFC 6598 §7.
    (v4([100, 64, 0, 0], 10), "a carrier's shared address"),
    // RFC 3927 §2.1; clouds serve their machines' credentials here.
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    // RFC 6890 §2.1.
    (v4([192, 0, 0, 0], 24), "a protocol assignment"),
    // RFC 5737 §3.
    (v4([192, 0, 2, 0], 24), "a documentation address"),
    (v4([198, 51, 100, 0], 24), "a documentation address"),
    (v4([203, 0, 113, 0], 24), "a documentation address"),
    // RFC 7526 §4.
    (v4([192, 88, 99, 0], 24), "a 6to4 relay"),
    // RFC 2544 appendix C.2.2.
    (v4([198, 18, 0, 0], 15), "a benchmarking address"),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    // RFC 919 §7.
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v4([240, 0, 0, 0], 4), "a reserved address"),
];

// The first match counts: the narrow ranges stand before those that hold them.
const SPECIAL_V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "the unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    // RFC 4291 §2.5.5.1; never dialled, also where the IPv4 address in it is public.
    (
        v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
        "an IPv4-compatible address",
    ),
    // RFC 2765.
    (
        v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
        "an IPv4-translated address",
    ),
    // RFC 8215: where the IPv4 address stands in it is the local network's own matter.
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        "a local NAT64 address",
    ),
    // RFC 6666, RFC 9780.
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a discard address"),
    (v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64), "a dummy address"),
    // RFC 4380 §2.6.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a Teredo address"),
    // RFC 5180 §8.
    (
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        "a benchmarking address",
    ),
    // RFC 6890 §2.1, with ORCHID (RFC 4843, RFC 7343).
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "a protocol assignment",
    ),
    // RFC 3849 §2, RFC 9637.
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "a documentation address",
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        "a documentation address",
    ),
    // RFC 7526 §4 retired it; a packet would end at the IPv4 address in it.
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a 6to4 address"),
    // RFC 4193 §3.1.
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private address"),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        "a link-local address",
    ),
    // RFC 3879 §4.
    (
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        "a site-local address",
    ),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
    // RFC 4291 §2.4: of all the rest, only 2000::/3 has been given out.
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 3), "a reserved address"),
    (v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2), "a reserved address"),
    (v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1), "a reserved address"),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, ip: &str) -> Result<(), &'static str> {
        let ip = ip.parse().expect("an address");
        guard.check(ip).map_err(|forbidden| forbidden.range)
    }

    #[test]
    fn what_is_not_public_is_refused() {
        let guard = Guard::default();
        for (ip, range) in [
            ("0.0.0.0", "an address of this host"),
            ("0.1.2.3", "an address of this host"),
            ("10.0.0.1", "a private address"),
            ("10.255.255.255", "a private address"),
            ("100.64.0.1", "a carrier's shared address"),
            ("100.127.255.254", "a carrier's shared address"),
            ("127.0.0.1", "a loopback address"),
            ("127.255.0.3", "a loopback address"),
            ("169.254.169.254", "a link-local address"),
            ("172.16.0.1", "a private address"),
            ("172.31.255.255", "a private address"),
            ("192.0.0.170", "a protocol assignment"),
            ("192.0.2.1", "a documentation address"),
            ("192.88.99.1", "a 6to4 relay"),
            ("192.168.1.1", "a private address"),
            ("198.18.0.1", "a benchmarking address"),
            ("198.19.255.255", "a benchmarking address"),
            ("198.51.100.7", "a documentation address"),
            ("203.0.113.7", "a documentation address"),
            ("224.0.0.1", "a multicast address"),
            ("239.255.255.255", "a multicast address"),
            ("240.0.0.1", "a reserved address"),
            ("255.255.255.255", "the broadcast address"),
            ("::", "the unspecified address"),
            ("::1", "a loopback address"),
            ("::127.0.0.1", "an IPv4-compatible address"),
            ("::8.8.8.8", "an IPv4-compatible address"),
            ("::ffff:127.0.0.1", "a loopback address"),
            ("::ffff:10.0.0.1", "a private address"),
            ("::ffff:169.254.169.254", "a link-local address"),
            ("::ffff:0.0.0.0", "an address of this host"),
            ("::ffff:0:127.0.0.1", "an IPv4-translated address"),
            ("64:ff9b::127.0.0.1", "a loopback address"),
            ("64:ff9b::a9fe:a9fe", "a link-local address"),
            ("64:ff9b::192.168.0.1", "a private address"),
            ("64:ff9b:1::8.8.8.8", "a local NAT64 address"),
            ("64:ff9b:1:7f00:0:100::", "a local NAT64 address"),
            ("100::1", "a discard address"),
            ("100:0:0:1::1", "a dummy address"),
            ("2001::1", "a Teredo address"),
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", "a Teredo address"),
            ("2001:2::1", "a benchmarking address"),
            ("2001:10::1", "a protocol assignment"),
            ("2001:20::1", "a protocol assignment"),
            ("2001:db8::1", "a documentation address"),
            ("3fff:fff::1", "a documentation address"),
            ("2002:7f00:1::", "a 6to4 address"),
            ("2002:808:808::1", "a 6to4 address"),
            ("fc00::1", "a private address"),
            ("fd12:3456:789a::1", "a private address"),
            ("fe80::1", "a link-local address"),
            ("febf::1", "a link-local address"),
            ("fec0::1", "a site-local address"),
            ("ff02::1", "a multicast address"),
            ("4000::1", "a reserved address"),
            ("5f00::1", "a reserved address"),
            ("8000::1", "a reserved address"),
            ("1::1", "a reserved address"),
        ] {
            assert_eq!(check(&guard, ip), Err(range), "{ip}");
        }
    }

    #[test]
    fn what_is_public_is_dialled() {
        let guard = Guard::default();
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1b",
            "2003::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(check(&guard, ip), Ok(()), "{ip}");
        }
    }

    #[test]
    fn what_is_allowed_is_dialled_however_it_is_written() {
        let nets = ["127.0.0.0/8", "fd00:1::/32"].map(|net| net.parse().expect("a network"));
        let guard = Guard::new(nets.to_vec());
        for ip in [
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "fd00:1::9",
        ] {
            assert_eq!(check(&guard, ip), Ok(()), "{ip}");
        }
        assert_eq!(check(&guard, "10.0.0.1"), Err("a private address"));
        assert_eq!(check(&guard, "::1"), Err("a loopback address"));
    }

    #[test]
    fn the_sentence_names_address_and_range() {
        let refused = Guard::default().check(Ipv4Addr::LOCALHOST.into());
        assert_eq!(
            refused.map_err(|forbidden| forbidden.to_string()),
            Err("127.0.0.1 is not dialled: it is a loopback address".to_owned())
        );
    }
}
