//! Whether the addresses of the simulator behave as they are named: some need a door that answers come
//! in by.

use postbell_model::{Domain, Simulated};
use postbell_peers::answer::Answering;
use postbell_store::Directory;

use super::check::Check;
use crate::config::Config;
use crate::server::simulated_domain;
use crate::simulator::{Missing, configured_doors};

const NAME: &str = "simulator";

/// Nothing where it is switched off.
pub(super) fn look(config: &Config, directory: Option<&Directory>) -> Vec<Check> {
    let Some(domain) = simulated_domain(config) else {
        return Vec::new();
    };
    let mut checks: Vec<_> = Missing::of(configured_doors(config))
        .map(|missing| lacking(missing, config))
        .collect();
    checks.extend(directory.and_then(|directory| taken(&domain, directory)));
    if checks.is_empty() {
        let found = format!("addresses at {domain} behave as they are named");
        checks.push(Check::ok(NAME, found));
    }
    checks
}

fn lacking(missing: Missing, config: &Config) -> Check {
    let (why, advice) = match missing {
        Missing::Mail if config.inbound.listen.is_empty() => (
            "inbound.listen is empty",
            "set it where answers and reports are to be tried",
        ),
        Missing::Mail => (
            "inbound.proxy_from has all addresses of inbound.listen",
            "add one to inbound.listen that is not a proxy's",
        ),
        Missing::Web => (
            "tracking.listen and tracking.listen_tls are empty",
            "set one where visits are to be tried",
        ),
    };
    Check::warning(NAME, format!("{} bounce: {why}", names(missing)), advice)
}

/// `reply@, vacation@`
fn names(missing: Missing) -> String {
    let needing = Simulated::ALL.iter().map(|name| name.name());
    let needing = needing
        .filter(|name| Answering::of(name).is_some_and(|answering| missing.is_for(answering)));
    let names: Vec<_> = needing.map(|name| format!("{name}@")).collect();
    names.join(", ")
}

/// Mail to the domain goes to the simulator, whoever has it.
fn taken(domain: &Domain, directory: &Directory) -> Option<Check> {
    let is_ours = directory.domain(domain).is_some() || directory.takes_mail(domain);
    is_ours.then(|| {
        let found = format!("{domain} is a domain of a workspace as well: mail to it is simulated");
        let advice = "send from another domain, or set simulator.enabled to false";
        Check::warning(NAME, found, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::Mark;
    use super::*;
    use crate::config::{Sources, load};

    fn looked(settings: &str) -> Vec<(Mark, String)> {
        let named = "server.hostname = \"mx.acme.example\"\n";
        let file = Some(("postbell.toml".into(), format!("{named}{settings}")));
        let config = load(&Sources::of(file, Vec::new())).unwrap().config;
        let checks = look(&config, None).into_iter();
        checks.map(|check| (check.mark, check.found)).collect()
    }

    #[test]
    fn names_that_lack_a_door_are_told() {
        let both =
            "inbound.listen = [\"127.0.0.1:2525\"]\ntracking.listen = [\"127.0.0.1:8080\"]\n";
        let well = "addresses at simulator.mx.acme.example behave as they are named";
        assert_eq!(looked(both), [(Mark::Ok, well.to_owned())]);
        assert!(looked("simulator.enabled = false\n").is_empty());

        let none = looked("inbound.listen = []\ntracking.listen = []\n");
        let mail = "complaint@, bounce-later@, reply@, vacation@ bounce: inbound.listen is empty";
        let web = "open@, click@, unsubscribe@ bounce: tracking.listen and tracking.listen_tls are \
                   empty";
        let expected = [mail, web].map(|found| (Mark::Warning, found.to_owned()));
        assert_eq!(none, expected);

        let behind = looked(&format!("{both}inbound.proxy_from = [\"127.0.0.0/8\"]\n"));
        let mail = "complaint@, bounce-later@, reply@, vacation@ bounce: inbound.proxy_from has all \
                    addresses of inbound.listen";
        assert_eq!(behind, [(Mark::Warning, mail.to_owned())]);
    }
}
