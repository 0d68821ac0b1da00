//! Lists of addresses that mail is not taken from (RFC 5782).
//!
//! A list that does not answer in time lists nobody: its trouble must not become that of whoever
//! writes to us.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use postbell_model::Domain;
use postbell_net::{LookupError, Record, RecordKind, Resolver};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// What all lists may take together.
const LIMIT: Duration = Duration::from_secs(3);

/// The first list to say that it has this address; `None`: none does, as far as is known.
pub(super) async fn list_of<'z>(
    resolver: &Resolver,
    zones: &'z [Domain],
    ip: IpAddr,
) -> Option<&'z Domain> {
    let deadline = Instant::now() + LIMIT;
    let asked = zones
        .iter()
        .map(|zone| async move { is_listed(resolver, zone, ip).await.then_some(zone) });
    let mut asked: FuturesUnordered<_> = asked.collect();
    while let Ok(Some(answer)) = timeout_at(deadline, asked.next()).await {
        if answer.is_some() {
            return answer;
        }
    }
    None
}

async fn is_listed(resolver: &Resolver, zone: &Domain, ip: IpAddr) -> bool {
    let name = format!("{}.{zone}", reversed(ip));
    match resolver.records(&name, RecordKind::A).await {
        Ok(answer) => {
            let mut listed = false;
            for record in &answer.records {
                match meaning(record) {
                    Meaning::Listed => listed = true,
                    Meaning::Nothing => {}
                    Meaning::Trouble(code) => {
                        warn!("the list {zone} answers nobody here: {code}");
                    }
                }
            }
            listed
        }
        Err(LookupError::NoSuchDomain | LookupError::NoData | LookupError::Temporary(_)) => false,
    }
}

enum Meaning {
    Listed,
    Nothing,
    Trouble(Ipv4Addr),
}

/// RFC 5782 §2.1: what is listed has an address of 127.0.0.0/8. Anything else is a list whose
/// domain has lapsed, or a resolver that makes answers up.
fn meaning(record: &Record) -> Meaning {
    match record {
        // 127.255.255.0/24 says, by custom, that the question came by a public resolver, or from
        // somebody who asks too much.
        Record::Address(IpAddr::V4(code)) if code.octets()[..3] == [127, 255, 255] => {
            Meaning::Trouble(*code)
        }
        Record::Address(IpAddr::V4(code)) if code.is_loopback() => Meaning::Listed,
        _ => Meaning::Nothing,
    }
}

/// An address as lists have it: its octets (RFC 5782 §2.1), or its nibbles (§2.4), the last first.
fn reversed(ip: IpAddr) -> String {
    let labels: Vec<String> = match ip {
        IpAddr::V4(ip) => ip.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(ip) => {
            let octets = ip.octets();
            let nibbles = octets.iter().rev().flat_map(|o| [o & 0xF, o >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect()
        }
    };
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 5782 §2.1, §2.4.
    #[test]
    fn addresses_are_turned_round() {
        let reversed = |ip: &str| reversed(ip.parse().unwrap());
        assert_eq!(reversed("192.0.2.99"), "99.2.0.192");
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
    }

    #[test]
    fn only_loopback_means_listed() {
        let listed = |ip: &str| {
            let record = Record::Address(ip.parse().unwrap());
            matches!(meaning(&record), Meaning::Listed)
        };
        assert!(listed("127.0.0.2") && listed("127.0.0.1") && listed("127.1.0.10"));
        assert!(!listed("127.255.255.254") && !listed("192.0.2.1") && !listed("::1"));
    }
}
