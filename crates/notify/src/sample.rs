//! A document of each kind, made up: what a consumer can be written against before anything has
//! happened.
//!
//! They are the fixtures that the formats' tests compare with what is sent.

use postbell_model::EventKind;

use crate::Format;

/// The document of this name in the folder of the fixtures.
macro_rules! fixture {
    ($format:literal, $name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/webhooks/",
            $format,
            "/",
            $name,
            ".json"
        ))
    };
}

#[cfg(test)]
pub(crate) use fixture;

macro_rules! samples {
    ($format:literal: $($kind:ident = $name:literal),* $(,)?) => {
        &[$((EventKind::$kind, fixture!($format, $name))),*]
    };
}

const POSTBELL: &[(EventKind, &str)] = samples!("postbell":
    Scheduled = "scheduled",
    Send = "send",
    Delivery = "delivery",
    DeliveryDelay = "delivery-delay",
    Held = "held",
    Released = "released",
    Cancelled = "cancelled",
    Reject = "reject-suppressed",
    Bounce = "bounce",
    Confirmed = "confirmed",
    Complaint = "complaint",
    NotSpam = "not-spam",
    Reply = "reply",
    Unsubscribe = "unsubscribe",
    Open = "open",
    Click = "click",
    Received = "received",
    DestinationDisabled = "destination-disabled",
    DomainCreated = "domain-created",
    DomainUpdated = "domain-updated",
    DomainVerified = "domain-verified",
    DomainUnverified = "domain-unverified",
    DomainDeleted = "domain-deleted",
    SendingPaused = "sending-paused",
    SendingResumed = "sending-resumed",
    SuppressionAdded = "suppression-added",
    SuppressionRemoved = "suppression-removed",
);

const SPLASHIFY: &[(EventKind, &str)] = samples!("splashify":
    Send = "send",
    Delivery = "delivery",
    DeliveryDelay = "delivery-delay",
    Reject = "reject-suppressed",
    Bounce = "bounce",
    Complaint = "complaint",
    Reply = "reply",
    Open = "open",
    Click = "click",
);

/// A made-up document about an event of this kind, as JSON on several lines; `None`: the format has no
/// word for it.
pub fn sample(format: Format, kind: EventKind) -> Option<&'static str> {
    let samples = match format {
        Format::Postbell => POSTBELL,
        Format::Splashify => SPLASHIFY,
    };
    let found = samples.iter().find(|(of, _)| *of == kind);
    found.map(|(_, document)| *document)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn there_is_one_of_each_kind_that_a_format_has_a_word_for() {
        for format in Format::ALL {
            for kind in EventKind::ALL {
                let document = sample(*format, *kind);
                assert_eq!(document.is_some(), format.has_word_for(*kind), "{kind}");
                if let Some(document) = document {
                    let document: Value = serde_json::from_str(document).unwrap();
                    assert_eq!(document["eventType"], kind.name());
                }
            }
        }
    }
}
