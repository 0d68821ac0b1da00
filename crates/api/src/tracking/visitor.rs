//! Who asks: the client behind proxies of ours, what its request says of machines, and what of it
//! may be kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};
use ipnet::IpNet;
use postbell_model::engagement::{HitTarget, ImageProxy, MachineReason, USER_AGENT_MAX};
use serde::Deserialize;

use super::agents::{Agent, Agents};

/// What Apple's proxy calls itself, and nothing more.
const APPLE_AGENT: &str = "Mozilla/5.0";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Fields by which browsers say that nobody has asked for it yet.
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_PURPOSE: HeaderName = HeaderName::from_static("x-purpose");
const X_MOZ: HeaderName = HeaderName::from_static("x-moz");
/// Addresses of clients and proxies that are looked at.
const HOPS_MAX: usize = 32;

/// What is kept of a client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpKept {
    /// All of it.
    Full,
    /// Its network: 24 bits, of IPv6 48.
    Truncated,
    /// Nothing.
    None,
}

/// What is kept of User-Agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKept {
    /// All of it.
    Full,
    /// Nothing.
    None,
}

/// What a request alone tells of who made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) reasons: Vec<MachineReason>,
    pub(super) proxy: Option<ImageProxy>,
}

impl IpKept {
    pub(super) fn of(self, ip: IpAddr) -> Option<String> {
        match (self, ip) {
            (Self::None, _) => None,
            (Self::Full, ip) => Some(ip.to_string()),
            (Self::Truncated, IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                Some(Ipv4Addr::new(a, b, c, 0).to_string())
            }
            (Self::Truncated, IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string())
            }
        }
    }
}

impl AgentKept {
    pub(super) fn of(self, user_agent: String) -> String {
        match self {
            Self::Full => user_agent,
            Self::None => String::new(),
        }
    }
}

/// The client: whoever has connected, or whom a proxy of ours names. Of the addresses that proxies
/// have noted, the last that is no proxy's counts: what stands before it anybody can write.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    if !is_within(proxies, peer) {
        return peer;
    }
    let mut client = peer;
    for hop in hops(headers).into_iter().rev().take(HOPS_MAX) {
        let Some(ip) = hop else {
            return client;
        };
        client = ip;
        if !is_within(proxies, ip) {
            break;
        }
    }
    client
}

/// The addresses of X-Forwarded-For, or else of Forwarded, in their order; `None` for what is none.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = |name| {
        let all = headers.get_all(name).iter();
        all.map(|value| value.to_str().unwrap_or_default())
    };
    if headers.contains_key(FORWARDED_FOR) {
        let parts = values(FORWARDED_FOR).flat_map(|value| value.split(','));
        return parts.map(|part| address(part.trim())).collect();
    }
    // RFC 7239 §4: elements are divided by commas, their pairs by semicolons.
    let elements = values(header::FORWARDED).flat_map(|value| value.split(','));
    elements.map(forwarded_for).collect()
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, node) = named.next()?;
    address(node.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| {
        let bare = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.0,
            None => text.rsplit_once(':')?.0,
        };
        bare.parse().ok()
    });
    ip.map(|ip| ip.to_canonical())
}

pub(super) fn is_within(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

/// User-Agent without control characters, cut where it is too long.
pub(super) fn user_agent(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(header::USER_AGENT) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let mut text = match text.contains(char::is_control) {
        true => text.replace(char::is_control, " "),
        false => text.into_owned(),
    };
    text.truncate(text.floor_char_boundary(USER_AGENT_MAX));
    text
}

/// What a request alone tells of machines. The address is the whole one, whatever is kept of it.
pub(super) fn signs(
    (ip, user_agent, headers): (IpAddr, &str, &HeaderMap),
    target: &HitTarget,
    (agents, scanners): (&Agents, &[IpNet]),
) -> Signs {
    let mut signs = Signs::default();
    match agents.of(user_agent) {
        Some(Agent::Machine(reason)) => signs.reasons.push(reason),
        Some(Agent::Proxy(proxy)) => signs.proxy = Some(proxy),
        None => signs.reasons.extend(nameless(user_agent, target)),
    }
    if is_ahead(headers) && !signs.reasons.contains(&MachineReason::PrefetchAgent) {
        signs.reasons.push(MachineReason::PrefetchAgent);
    }
    if is_within(scanners, ip) {
        signs.reasons.push(MachineReason::ScannerNetwork);
    }
    signs
}

/// Every browser says more of itself than this. Apple's proxy fetches pictures, and follows no link.
fn nameless(user_agent: &str, target: &HitTarget) -> Option<MachineReason> {
    match (user_agent.trim(), target) {
        (APPLE_AGENT, HitTarget::Pixel) => Some(MachineReason::ApplePrivacyProxy),
        (APPLE_AGENT | "", HitTarget::Link { .. }) => Some(MachineReason::ScannerAgent),
        _ => None,
    }
}

fn is_ahead(headers: &HeaderMap) -> bool {
    let says = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let purposes = [SEC_PURPOSE, PURPOSE, X_PURPOSE, X_MOZ];
    let mut purposes = purposes.iter().filter_map(says);
    purposes.any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let check = |fields: &[_], expected: &str| {
            let found = client(ip("10.0.0.1"), &headers(fields), &proxies);
            assert_eq!(found, ip(expected), "{fields:?}");
        };
        check(&[], "10.0.0.1");
        check(&[("x-forwarded-for", "192.0.2.1")], "192.0.2.1");
        check(
            &[("x-forwarded-for", "1.1.1.1, 192.0.2.1, 10.0.0.2")],
            "192.0.2.1",
        );
        check(
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-for", "192.0.2.1:80"),
            ],
            "192.0.2.1",
        );
        check(
            &[("x-forwarded-for", "192.0.2.1, unknown, 10.0.0.2")],
            "10.0.0.2",
        );
        check(&[("x-forwarded-for", "[2001:db8::1]:80")], "2001:db8::1");
        check(
            &[(
                "forwarded",
                "for=1.1.1.1;proto=https, For=\"[2001:db8::1]:80\";by=x",
            )],
            "2001:db8::1",
        );
        check(&[("forwarded", "for=_hidden")], "10.0.0.1");
        check(
            &[
                ("forwarded", "for=1.1.1.1"),
                ("x-forwarded-for", "192.0.2.1"),
            ],
            "192.0.2.1",
        );
        let fields = headers(&[("x-forwarded-for", "192.0.2.1")]);
        assert_eq!(
            client(ip("198.51.100.1"), &fields, &proxies),
            ip("198.51.100.1")
        );
    }

    #[test]
    fn of_addresses_as_much_is_kept_as_may_be() {
        for (kept, v4, v6) in [
            (IpKept::Full, Some("192.0.2.7"), Some("2001:db8:1:2::7")),
            (IpKept::Truncated, Some("192.0.2.0"), Some("2001:db8:1::")),
            (IpKept::None, None, None),
        ] {
            assert_eq!(kept.of(ip("192.0.2.7")).as_deref(), v4);
            assert_eq!(kept.of(ip("2001:db8:1:2::7")).as_deref(), v6);
        }
    }

    #[test]
    fn long_agents_are_cut_at_a_character() {
        let long = format!("{}ä{}", "a".repeat(USER_AGENT_MAX - 1), "b".repeat(100));
        let mut fields = HeaderMap::new();
        fields.insert(header::USER_AGENT, long.as_bytes().try_into().unwrap());
        assert_eq!(user_agent(&fields), "a".repeat(USER_AGENT_MAX - 1));
        assert_eq!(user_agent(&headers(&[("user-agent", "a\tb")])), "a b");
    }

    #[test]
    fn requests_tell_of_machines() {
        use MachineReason::*;
        let agents = Agents::new().unwrap();
        let scanners = ["198.51.100.0/24".parse().unwrap()];
        let link = HitTarget::Link {
            url: "https://shop.example/".to_owned(),
            index: 0,
        };
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";
        let none = headers(&[]);
        let ahead = headers(&[("sec-purpose", "prefetch;prerender")]);
        let check = |from, agent, fields: &HeaderMap, target: &HitTarget, expected: &[_]| {
            let found = signs((ip(from), agent, fields), target, (&agents, &scanners));
            assert_eq!(found.reasons, expected, "{from} {agent}");
        };
        check("192.0.2.1", browser, &none, &link, &[]);
        check("198.51.100.9", browser, &none, &link, &[ScannerNetwork]);
        check("192.0.2.1", browser, &ahead, &link, &[PrefetchAgent]);
        check(
            "17.58.1.1",
            "Mozilla/5.0",
            &none,
            &HitTarget::Pixel,
            &[ApplePrivacyProxy],
        );
        check("192.0.2.1", "Mozilla/5.0", &none, &link, &[ScannerAgent]);
        check("192.0.2.1", "", &none, &link, &[ScannerAgent]);
        check("192.0.2.1", "", &none, &HitTarget::Pixel, &[]);
        let proxied = signs(
            (ip("192.0.2.1"), "x GoogleImageProxy", &none),
            &HitTarget::Pixel,
            (&agents, &scanners),
        );
        assert_eq!(proxied.reasons, []);
        assert_eq!(proxied.proxy, Some(ImageProxy::Google));
    }
}
