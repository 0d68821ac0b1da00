//! What is tracked of a domain's or a configuration set's mail, for machines and for people.

use postbell_model::SendingDomain;
use postbell_model::tracking::SetTracking;
use serde_json::{Map, Value, json};

/// Of a domain, in a line.
pub(super) fn of_domain(domain: &SendingDomain) -> String {
    let brand = &domain.brand;
    let name = brand.name.as_deref().unwrap_or(domain.name.as_str());
    let colour = brand.colour.map(|colour| format!(", {colour}"));
    format!(
        "tracked at {}: opens {}, clicks {}; its page of unsubscribing says {name}{}",
        domain.tracking_host,
        switch(domain.tracking.opens),
        switch(domain.tracking.clicks),
        colour.unwrap_or_default()
    )
}

/// Of a configuration set, by name and in words.
pub(super) fn of_set(tracking: &SetTracking) -> [(&'static str, String); 4] {
    let additions = tracking.additions.iter();
    let additions = additions.map(|(name, value)| format!("{name}={value}"));
    [
        ("tracking", switches(tracking)),
        ("parameters", listed(additions)),
        ("untracked", listed(tracking.untracked.iter().cloned())),
        ("unsubscribe", switch(tracking.unsubscribe).to_owned()),
    ]
}

/// `opens on, clicks as its domain, plain text off`
pub(super) fn switches(tracking: &SetTracking) -> String {
    let choice = |on: Option<bool>| on.map_or("as its domain", switch);
    format!(
        "opens {}, clicks {}, plain text {}",
        choice(tracking.opens),
        choice(tracking.clicks),
        switch(tracking.plain_text)
    )
}

/// The members of a configuration set's document.
pub(super) fn document(tracking: &SetTracking) -> Value {
    let additions = tracking.additions.iter();
    let parameters: Map<_, _> = additions
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    json!({
        "trackOpens": tracking.opens,
        "trackClicks": tracking.clicks,
        "trackPlainText": tracking.plain_text,
        "parameters": parameters,
        "untracked": tracking.untracked,
        "unsubscribe": tracking.unsubscribe,
    })
}

pub(super) const fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.collect();
    match texts.is_empty() {
        true => "none".to_owned(),
        false => texts.join(", "),
    }
}
