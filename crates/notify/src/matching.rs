//! Which events a destination wants: names of events in any vocabulary, read leniently.
//!
//! `bounce`, `Bounce`, `email.bounced` and `email.bounce` are one name; `email.*` is all of a
//! group; nothing at all means everything. Names of events that this version never sends are
//! known too, so that a destination can be set up for them.

use std::fmt;

use postbell_model::EventKind;

/// An event as users name it: its own name, its group, its other names. Compared in lower case
/// and without what separates words.
struct Topic {
    name: &'static str,
    group: &'static str,
    others: &'static [&'static str],
}

const fn topic(name: &'static str, group: &'static str, others: &'static [&'static str]) -> Topic {
    Topic {
        name,
        group,
        others,
    }
}

const TOPICS: &[Topic] = &[
    topic("Send", "email", &["sent"]),
    topic("Scheduled", "email", &[]),
    topic("Delivery", "email", &["delivered"]),
    topic(
        "DeliveryDelay",
        "email",
        &["deliverydelayed", "delayed", "deferred"],
    ),
    topic("Bounce", "email", &["bounced"]),
    topic("Confirmed", "email", &[]),
    topic("Complaint", "email", &["complained"]),
    topic("NotSpam", "email", &[]),
    topic("Open", "email", &["opened"]),
    topic("Click", "email", &["clicked"]),
    topic("Reject", "email", &["rejected", "suppressed", "failed"]),
    topic("Cancelled", "email", &["failed"]),
    topic("Held", "email", &[]),
    topic("Released", "email", &[]),
    topic("RenderingFailure", "email", &["failed"]),
    topic("Reply", "email", &["replied"]),
    topic("Received", "email", &[]),
    topic(
        "Unsubscribe",
        "email",
        &["unsubscribed", "subscription", "contactunsubscribed"],
    ),
    topic("SuppressionAdded", "suppression", &[]),
    topic("SuppressionRemoved", "suppression", &[]),
    topic("SendingPaused", "sending", &[]),
    topic("SendingResumed", "sending", &[]),
    topic("DestinationDisabled", "destination", &[]),
    topic("Skipped", "destination", &[]),
    topic("ContactCreated", "contact", &["contactsubscribed"]),
    topic("ContactUpdated", "contact", &[]),
    topic("ContactDeleted", "contact", &[]),
    topic("DomainCreated", "domain", &[]),
    topic("DomainUpdated", "domain", &[]),
    topic("DomainDeleted", "domain", &[]),
    topic("DomainVerified", "domain", &[]),
    topic("DomainUnverified", "domain", &[]),
    topic("SegmentEntered", "segment", &["segmententry"]),
    topic("SegmentExited", "segment", &["segmentexit"]),
    topic("CampaignSent", "campaign", &[]),
];

const CUSTOM: &str = "custom:";

/// A name that no event has. Says which there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName(pub String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no event type \"{}\"; known are ", self.0)?;
        for topic in TOPICS {
            write!(f, "{}, ", topic.name)?;
        }
        f.write_str("groups such as email.*, and custom:NAME")
    }
}

impl std::error::Error for UnknownName {}

/// The events that a destination wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// `None`: all.
    kinds: Option<Vec<EventKind>>,
}

impl Matching {
    /// Reads the names of events; none: everything.
    ///
    /// # Errors
    /// One of the names is unknown.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, UnknownName> {
        if names.is_empty() {
            return Ok(Self { kinds: None });
        }
        let mut wanted = Vec::new();
        for name in names {
            wanted.extend(topics_named(name.as_ref())?);
        }
        let kinds = EventKind::ALL.iter().copied();
        Ok(Self {
            kinds: Some(kinds.filter(|kind| wanted.contains(&kind.name())).collect()),
        })
    }

    /// The kinds of events that are wanted; `None`: all.
    pub fn kinds(&self) -> Option<&[EventKind]> {
        self.kinds.as_deref()
    }

    /// Whether events of this kind are wanted.
    pub fn matches(&self, kind: EventKind) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind))
    }
}

/// The topics that a name stands for; for a custom event none, since those are told by their
/// own names.
fn topics_named(name: &str) -> Result<Vec<&'static str>, UnknownName> {
    let lower = name.trim().to_ascii_lowercase();
    if lower
        .strip_prefix(CUSTOM)
        .is_some_and(|own| !own.is_empty())
    {
        return Ok(Vec::new());
    }
    let found: Vec<_> = TOPICS
        .iter()
        .filter(|topic| topic.is_named(&lower))
        .map(|topic| topic.name)
        .collect();
    if found.is_empty() {
        return Err(UnknownName(name.to_owned()));
    }
    Ok(found)
}

impl Topic {
    fn is_named(&self, lower: &str) -> bool {
        if let Some(group) = lower.strip_suffix('*') {
            return group.is_empty() || group.strip_suffix('.') == Some(self.group);
        }
        let plain = squeeze(&without_slug(lower));
        let bare = plain.strip_prefix("email").unwrap_or(&plain);
        [plain.as_str(), bare]
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name) || self.others.contains(name))
    }
}

/// `segment.vip-customers.entry` names the segment as well, which is no part of the event.
fn without_slug(lower: &str) -> String {
    match lower.split('.').collect::<Vec<_>>()[..] {
        ["segment", .., event] => format!("segment{event}"),
        _ => lower.to_owned(),
    }
}

fn squeeze(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '.' | '_' | '-' | ' '))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(names: &[&str]) -> Vec<&'static str> {
        let matching = Matching::parse(names).unwrap();
        let all = EventKind::ALL.iter();
        all.filter(|kind| matching.matches(**kind))
            .map(|kind| kind.name())
            .collect()
    }

    #[test]
    fn nothing_means_everything() {
        assert_eq!(kinds(&[]).len(), EventKind::ALL.len());
        assert_eq!(kinds(&["*"]).len(), EventKind::ALL.len());
        let mail = kinds(&["email.*"]);
        assert!(mail.contains(&"Held") && !mail.contains(&"DestinationDisabled"));
        assert_eq!(kinds(&["destination.*"]), ["DestinationDisabled"]);
        assert_eq!(
            kinds(&["suppression.*"]),
            ["SuppressionAdded", "SuppressionRemoved"]
        );
    }

    #[test]
    fn every_kind_is_a_topic() {
        for kind in EventKind::ALL {
            assert_eq!(kinds(&[kind.name()]), [kind.name()]);
        }
    }

    #[test]
    fn names_of_all_vocabularies_are_read() {
        for (names, kind) in [
            (
                &[
                    "bounce",
                    "Bounce",
                    "BOUNCED",
                    "email.bounced",
                    "email.bounce",
                ][..],
                "Bounce",
            ),
            (
                &["delivery", "delivered", "email.delivered", "email.delivery"],
                "Delivery",
            ),
            (&["send", "Sent", "email.sent"], "Send"),
            (
                &["complaint", "email.complained", "email.complaint"],
                "Complaint",
            ),
            (&["reply", "Reply", "email.replied"], "Reply"),
            // A reply is told as Reply, so `email.received` names what is not one.
            (&["received", "Received", "email.received"], "Received"),
            (
                &[
                    "unsubscribe",
                    "email.unsubscribed",
                    "contact.unsubscribed",
                    "Subscription",
                ],
                "Unsubscribe",
            ),
            (&["NotSpam", "not-spam", "email.not_spam"], "NotSpam"),
            (&["Confirmed", "email.confirmed"], "Confirmed"),
            (
                &["reject", "Reject", "email.rejected", "email.suppressed"],
                "Reject",
            ),
            (&["Open", "opened", "email.opened", "email.open"], "Open"),
            (
                &["Click", "clicked", "email.clicked", "email.click"],
                "Click",
            ),
            (
                &["SuppressionAdded", "suppression.added", "suppression_added"],
                "SuppressionAdded",
            ),
            (
                &["SuppressionRemoved", "suppression.removed"],
                "SuppressionRemoved",
            ),
            (
                &["DomainVerified", "domain.verified", "domain_verified"],
                "DomainVerified",
            ),
            (
                &[
                    "DeliveryDelay",
                    "deliveryDelay",
                    "delivery_delay",
                    "delivery-delayed",
                    "email.delivery_delayed",
                    " delayed ",
                ],
                "DeliveryDelay",
            ),
        ] {
            for name in names {
                assert_eq!(kinds(&[name]), [kind], "{name}");
            }
        }
    }

    #[test]
    fn events_of_other_versions_are_known_and_match_nothing_here() {
        for name in [
            "Rendering Failure",
            "contact.*",
            "contact.updated",
            "segment.vip-customers.entry",
            "segment.vip.customers.exit",
            "campaign.sent",
            "custom:signed up",
        ] {
            assert_eq!(kinds(&[name]), Vec::<&str>::new(), "{name}");
        }
        assert_eq!(kinds(&["bounce", "campaign.sent"]), ["Bounce"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        for name in [
            "",
            "bounces",
            "email",
            "mail.bounce",
            "custom:",
            "foo.*",
            "segment.x.y",
        ] {
            assert_eq!(
                Matching::parse(&[name]),
                Err(UnknownName(name.to_owned())),
                "{name}"
            );
        }
        let error = Matching::parse(&["send", "dispatch"])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("there is no event type \"dispatch\"; known are Send, "));
    }
}
