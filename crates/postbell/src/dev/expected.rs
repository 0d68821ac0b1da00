//! The events that the sample mails must lead to.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::setup::TO_DOMAIN;

/// What each recipient of the sample stands for.
const SAMPLE: [(&str, &[&str]); 11] = [
    ("ada", &["Send", "Delivery"]),
    ("bounce", &["Send", "Bounce"]),
    ("delay", &["Send", "DeliveryDelay", "Delivery"]),
    ("softbounce", &["Send", "Bounce"]),
    ("reply", &["Send", "Delivery", "Reply"]),
    ("vacation", &["Send", "Delivery", "Reply"]),
    ("bounce-later", &["Send", "Delivery", "Bounce"]),
    ("complaint", &["Send", "Delivery", "Complaint"]),
    ("open", &["Send", "Delivery", "Open"]),
    ("click", &["Send", "Delivery", "Click"]),
    ("unsubscribe", &["Send", "Delivery", "Unsubscribe"]),
];

/// Events not yet arrived: recipient and kind.
#[derive(Debug)]
pub(super) struct Expected(BTreeSet<(String, String)>);

impl Expected {
    pub(super) fn new() -> Self {
        let all = SAMPLE.iter().flat_map(|(local_part, kinds)| {
            let recipient = format!("{local_part}@{TO_DOMAIN}");
            kinds
                .iter()
                .map(move |kind| (recipient.clone(), (*kind).to_owned()))
        });
        Self(all.collect())
    }

    /// Crosses an event off. One that comes twice, as it may, changes nothing.
    pub(super) fn arrived(&mut self, event: &Value) {
        let text = |pointer| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let arrived = (
            text("/mail/destination/0").to_owned(),
            text("/eventType").to_owned(),
        );
        self.0.remove(&arrived);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.0.is_empty()
    }
}

/// `Bounce of bounce@simulator.localhost, …`
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<_> = self
            .0
            .iter()
            .map(|(to, kind)| format!("{kind} of {to}"))
            .collect();
        f.write_str(&missing.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sample_has_the_recipients_that_are_expected() {
        let mails = postbell_peers::sample::mails("example.com", TO_DOMAIN);
        let sent: BTreeSet<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
        let expected: BTreeSet<_> = Expected::new().0.into_iter().map(|(to, _)| to).collect();
        assert_eq!(sent, expected);
    }

    #[test]
    fn complete_when_each_has_arrived_in_any_order_and_number() {
        let mut expected = Expected::new();
        let all = expected.0.clone();
        for (to, kind) in all.iter().rev().chain(all.iter()) {
            assert!(!expected.is_complete() || all.contains(&(to.clone(), kind.clone())));
            expected.arrived(&json!({"eventType": kind, "mail": {"destination": [to]}}));
        }
        assert!(expected.is_complete());

        let mut two_missing = Expected::new();
        two_missing.0.retain(|(to, _)| to.starts_with("bounce@"));
        assert_eq!(
            two_missing.to_string(),
            "Bounce of bounce@simulator.localhost, Send of bounce@simulator.localhost"
        );
    }
}
