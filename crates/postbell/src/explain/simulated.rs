//! `postbell explain` of the simulator's domain: nobody is asked about it.

use postbell_model::{Domain, Simulated};
use serde_json::{Value, json};

use crate::config::Config;
use crate::simulator::{Missing, configured_doors};

pub(super) fn lines(domain: &Domain, config: &Config) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{domain} is simulated: mail to it stays on this machine, and no DNS or relay is asked."
        ),
        format!("Addresses: {}.", names().join(", ")),
    ];
    lines.extend(missing(config).map(|missing| format!("{missing}.")));
    lines
}

pub(super) fn document(domain: &Domain, config: &Config) -> Value {
    json!({
        "domain": domain.as_str(),
        "source": "simulator",
        "error": null,
        "hosts": [],
        "plan": {
            "outcome": "simulate",
            "simulated": names(),
            "missing": missing(config).collect::<Vec<_>>(),
        },
    })
}

fn names() -> Vec<&'static str> {
    Simulated::ALL.iter().map(|name| name.name()).collect()
}

/// What some of them lack.
fn missing(config: &Config) -> impl Iterator<Item = &'static str> {
    Missing::of(configured_doors(config)).map(Missing::told)
}
