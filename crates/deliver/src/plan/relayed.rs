//! The plan for mail that goes by relays: their addresses are asked for, and no MX.

use std::sync::Arc;

use futures_util::future::join_all;
use postbell_model::{BounceClass, Domain, Reply};
use postbell_net::{Addresses, Guard, LookupError};

use super::lookup::Lookup;
use super::{Found, Plan, Planned, Refusal, Route, SiteKey};
use crate::relay::Relay;

impl Lookup {
    /// The plan for a domain whose mail goes by these.
    pub(super) async fn by_relays(&self, relays: Vec<Arc<Relay>>) -> Planned {
        let asked = relays.into_iter().map(|relay| async move {
            let answer = match relay.host.literal() {
                Some(ip) => Ok(Addresses {
                    ips: vec![ip],
                    valid_for: self.lifetime,
                }),
                None => self.resolver.addresses(&relay.host).await,
            };
            (relay, answer)
        });
        relay_route(join_all(asked).await, self.max_addresses)
    }
}

/// The route by relays whose addresses are known, or why they are not.
pub(super) fn relay_route(
    relays: Vec<(Arc<Relay>, Result<Addresses, LookupError>)>,
    max_addresses: usize,
) -> Planned {
    let names = relays.iter().map(|(relay, _)| site_name(relay));
    let site = SiteKey::of_names(names.collect());
    // The operator named them: whatever their address, it is the one to dial.
    let anywhere = Guard::open();
    let mut found = Found::default();
    let mut lost: Option<(Domain, String)> = None;
    for (relay, answer) in relays {
        if let Err(error) = &answer {
            lost = Some((relay.host.clone(), error.to_string()));
        }
        let before = found.targets.len();
        found.see(relay.preference, &relay.host, answer, &anywhere, 2);
        for target in &mut found.targets[before..] {
            target.relay = Some(Arc::clone(&relay));
        }
    }
    if found.targets.is_empty() {
        let (host, why) = lost.unwrap_or_else(|| (nobody(), "it has no address".to_owned()));
        // Never for good: it is our configuration or our DNS, and not the recipient.
        let reply = Reply::new(451, 4, 3, format!("Relay {host} can't be found: {why}"));
        return Planned::refused(Refusal::new(&host, reply, BounceClass::NetworkError));
    }
    found.targets.truncate(max_addresses);
    Planned {
        plan: Plan::Route(Arc::new(Route {
            site,
            targets: found.targets,
        })),
        valid_for: found.valid_for.unwrap_or_default(),
    }
}

fn site_name(relay: &Relay) -> String {
    format!("{}:{}", relay.host, relay.port)
}

fn nobody() -> Domain {
    Domain::parse("localhost").expect("invariant: it is a name")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::relay::{RelayCertificate, RelayOptions, RelayTls, Relays};

    fn relays(hosts: &[(&str, u16)]) -> Vec<Arc<Relay>> {
        let options: Vec<_> = hosts
            .iter()
            .map(|(host, preference)| RelayOptions {
                host: (*host).to_owned(),
                port: 587,
                tls: RelayTls::StartTls,
                certificate: RelayCertificate::Verified,
                username: None,
                password_file: None,
                password_env: None,
                preference: *preference,
                domains: Vec::new(),
            })
            .collect();
        let domain = Domain::parse("example.org").unwrap();
        Relays::without_passwords(&options).unwrap().of(&domain)
    }

    #[test]
    fn relays_are_dialled_by_preference_wherever_they_are() {
        let known = Addresses {
            ips: vec!["10.0.0.7".parse().unwrap()],
            valid_for: Duration::from_secs(60),
        };
        let relays = relays(&[("b.example", 20), ("a.example", 10), ("c.example", 30)]);
        let answers = [Ok(known.clone()), Ok(known), Err(LookupError::NoSuchDomain)];
        let planned = relay_route(relays.into_iter().zip(answers).collect(), 5);
        let Plan::Route(route) = planned.plan else {
            panic!("refused");
        };
        let hosts: Vec<_> = route.targets.iter().map(|t| t.host.as_str()).collect();
        assert_eq!(hosts, ["a.example", "b.example"]);
        assert!(route.targets.iter().all(|target| target.relay.is_some()));
    }

    #[test]
    fn a_relay_that_does_not_exist_bounces_nothing() {
        let relays = relays(&[("gone.example", 10)]);
        let answers = [Err(LookupError::NoSuchDomain)];
        let planned = relay_route(relays.into_iter().zip(answers).collect(), 5);
        let Plan::Refused(refusal) = planned.plan else {
            panic!("not refused");
        };
        assert!(refusal.is_temporary());
        assert!(refusal.reply.text.contains("gone.example"));
    }
}
