//! The plan for mail that a route sends on to a server: its addresses are asked for, and no MX.

use postbell_model::{BounceClass, Domain, Reply};
use postbell_net::{Addresses, Guard, LookupError};

use super::lookup::Lookup;
use super::{Found, Plan, Planned, Refusal, Route, SiteKey};

impl Lookup {
    /// The plan for a server.
    pub(super) async fn by_name(&self, host: &Domain, port: u16) -> Planned {
        let answer = match host.literal() {
            Some(ip) => Ok(Addresses {
                ips: vec![ip],
                valid_for: self.lifetime,
            }),
            None => self.resolver.addresses(host).await,
        };
        route_to(host, port, answer, self.max_addresses)
    }
}

pub(super) fn route_to(
    host: &Domain,
    port: u16,
    answer: Result<Addresses, LookupError>,
    max_addresses: usize,
) -> Planned {
    let lost = answer.as_ref().err().map(ToString::to_string);
    let mut found = Found::default();
    // The operator named it: whatever its address, it is the one to dial.
    found.see(0, host, answer, &Guard::open(), max_addresses);
    if found.targets.is_empty() {
        let why = lost.unwrap_or_else(|| "it has no address".to_owned());
        // Never for good: it is our configuration or our DNS, and not the recipient.
        let reply = Reply::new(451, 4, 3, format!("Server {host} can't be found: {why}"));
        return Planned::refused(Refusal::new(host, reply, BounceClass::NetworkError));
    }
    for target in &mut found.targets {
        target.named_port = Some(port);
    }
    let route = Route {
        // Not the site of a relay at the same port, which has its own TLS and login.
        site: SiteKey::of_names(vec![format!("smtp://{host}:{port}")]),
        targets: found.targets,
    };
    Planned {
        plan: Plan::Route(route.into()),
        valid_for: found.valid_for.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn plan(answer: Result<Addresses, LookupError>) -> Plan {
        let host = Domain::parse("mail.acme.example").unwrap();
        route_to(&host, 2525, answer, 5).plan
    }

    #[test]
    fn a_server_is_dialled_at_its_port_wherever_it_is() {
        let Plan::Route(route) = plan(Ok(Addresses {
            ips: vec!["10.0.0.7".parse().unwrap()],
            valid_for: Duration::from_secs(60),
        })) else {
            panic!("refused");
        };
        assert_eq!(route.site.hosts(), "smtp://mail.acme.example:2525");
        let [target] = route.targets.as_slice() else {
            panic!("{} targets", route.targets.len());
        };
        assert_eq!((target.port(25), target.relay.is_none()), (2525, true));
    }

    #[test]
    fn a_server_that_does_not_exist_bounces_nothing() {
        let Plan::Refused(refusal) = plan(Err(LookupError::NoSuchDomain)) else {
            panic!("not refused");
        };
        assert!(refusal.is_temporary());
        assert!(refusal.reply.text.contains("mail.acme.example"));
    }
}
