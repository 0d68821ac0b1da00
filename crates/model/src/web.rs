//! Addresses on the web as browsers read them (WHATWG URL, 4.4): that is what a block of links has to be compared
//! with, however an address is written.
//!
//! Refused: to say what is no such address. Nothing here fails.

use url::{Host, Url};

use crate::Domain;
use crate::tracking::web_host;

/// The host that a browser asks for an address, and the domains that this lies within, the host first. None where
/// there is no host.
pub fn hosts(address: &str) -> Vec<Domain> {
    let read = Url::parse(address).ok();
    let host = match read.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(ip)) => return vec![Domain::from(std::net::IpAddr::V4(ip))],
        Some(Host::Ipv6(ip)) => return vec![Domain::from(std::net::IpAddr::V6(ip))],
        Some(Host::Domain(name)) => name,
        // No browser follows this one, but other programs may.
        None => web_host(address).unwrap_or_default(),
    };
    let host = host.trim_end_matches('.');
    let ends = std::iter::successors(Some(host), |rest| {
        rest.split_once('.').map(|(_, parent)| parent)
    });
    ends.filter_map(|end| Domain::parse(end).ok()).collect()
}

/// The address in the one way in which all that lead to the same page of the same host are written: the host in lower
/// case, decoded and without a dot at its end, no port where it is the usual one, nobody's name.
pub fn normal(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return address.to_owned();
    };
    let host = url.host_str().unwrap_or_default();
    let name = host.trim_end_matches('.').to_owned();
    let changes = [
        url.set_username("").is_ok(),
        url.set_password(None).is_ok(),
        url.set_host(Some(&name)).is_ok(),
    ];
    if changes.contains(&false) {
        return address.to_owned();
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_browsers_ask() {
        for address in [
            "https://shop.evil.example/a",
            "https://shop.ev%69l.example/a",
            "HTTPS://SHOP.EVIL%2EEXAMPLE",
            "https://user:word@shop.evil.example.:8443/?a@b",
            "https://ｓhop。evil.example\\@a.example",
            "https://shop.e\u{ad}vil.example",
            "https://sh\top.evil.example",
        ] {
            let hosts: Vec<_> = hosts(address).iter().map(ToString::to_string).collect();
            let wanted = ["shop.evil.example", "evil.example", "example"];
            assert_eq!(hosts, wanted, "{address}");
        }
        for (address, host) in [
            ("http://3221225985/", "[192.0.2.1]"),
            ("http://0300.0.0x2.1", "[192.0.2.1]"),
            ("http://[2001:DB8::0:1]:80/", "[IPv6:2001:db8::1]"),
            ("http://evil%00.example.net", "example.net"),
        ] {
            let found = hosts(address);
            let first = found.iter().find(|found| found.as_str() == host);
            assert!(first.is_some(), "{address}: {found:?}");
        }
        for address in ["", "evil.example", "mailto:a@evil.example", "https://"] {
            assert_eq!(hosts(address), [], "{address}");
        }
        // Labels that no host of ours has.
        assert_eq!(
            hosts("https://-x.evil.example/")[0].as_str(),
            "evil.example"
        );
    }

    #[test]
    fn what_leads_to_the_same_page_is_written_alike() {
        for address in [
            "https://evil.example/a?b=C#d",
            "HTTPS://EVIL.example/a?b=C#d",
            "https://ev%69l.example:443/a?b=C#d",
            "https://evil.example./a?b=C#d",
            "https://me:word@evil.example/x/../a?b=C#d",
        ] {
            assert_eq!(normal(address), "https://evil.example/a?b=C#d");
        }
        for (address, other) in [
            ("https://a.example", "https://a.example/"),
            ("https://a.example:8443/", "https://a.example:8443/"),
            ("https://a.example/A", "https://a.example/A"),
            ("http://192.0.2.1:80", "http://192.0.2.1/"),
            ("https://", "https://"),
            ("", ""),
        ] {
            assert_eq!(normal(address), other);
        }
    }
}
