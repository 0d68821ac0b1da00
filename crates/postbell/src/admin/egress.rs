//! How a configuration set's mail leaves, for machines and for people.

use postbell_model::Egress;
use serde_json::{Value, json};

pub(super) fn document(egress: &Egress) -> Value {
    json!({
        "sourceIpv4": egress.ipv4,
        "sourceIpv6": egress.ipv6,
        "ehloName": egress.ehlo_name.as_ref().map(ToString::to_string),
    })
}

/// In words: `from 192.0.2.1 as out.example`.
pub(super) fn told(egress: &Egress) -> String {
    let v4 = egress.ipv4.map(|ip| ip.to_string());
    let v6 = egress.ipv6.map(|ip| ip.to_string());
    let sources: Vec<_> = v4.into_iter().chain(v6).collect();
    let name = egress.ehlo_name.as_ref().map(ToString::to_string);
    match (sources.is_empty(), name) {
        (true, None) => "mail leaves as configured".to_owned(),
        (true, Some(name)) => format!("mail leaves as {name}"),
        (false, None) => format!("mail leaves from {}", sources.join(" and ")),
        (false, Some(name)) => format!("mail leaves from {} as {name}", sources.join(" and ")),
    }
}
