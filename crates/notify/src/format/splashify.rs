//! The documents of SplashifyPro: an envelope of `eventType` and `mail`, and one block that has
//! the event's name in lower camel case. Times have milliseconds.

use postbell_model::{BounceClass, BounceType, Event, Fact};
use postbell_store::LoggedEvent;
use serde::Serialize;

use super::last_reply;
use super::moment::Millis;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    event_type: &'static str,
    mail: Mail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<Send>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounce: Option<Bounce<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_delay: Option<DeliveryDelay<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject: Option<Reject>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mail<'a> {
    timestamp: Millis,
    message_id: String,
    source: &'a str,
    destination: [&'a str; 1],
}

#[derive(Serialize)]
struct Send {}

#[derive(Serialize)]
struct Reject {
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    timestamp: Millis,
    recipients: [&'a str; 1],
    smtp_response: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bounce<'a> {
    timestamp: Millis,
    bounce_type: &'static str,
    bounce_sub_type: &'static str,
    bounced_recipients: [BouncedRecipient<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BouncedRecipient<'a> {
    email_address: &'a str,
    diagnostic_code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryDelay<'a> {
    timestamp: Millis,
    delay_type: &'static str,
    delayed_recipients: [&'a str; 1],
}

impl<'a> Body<'a> {
    pub(super) fn new(logged: &'a LoggedEvent) -> Self {
        let recipient = logged.recipient.as_str();
        let message = &logged.message;
        let mut body = Self {
            event_type: logged.event.fact.kind().name(),
            mail: Mail {
                timestamp: Millis(message.accepted_at),
                message_id: message.id.to_string(),
                source: &message.source,
                destination: [recipient],
            },
            send: None,
            delivery: None,
            bounce: None,
            delivery_delay: None,
            reject: None,
        };
        body.tell(&logged.event, recipient);
        body
    }

    fn tell(&mut self, event: &Event, recipient: &'a str) {
        let timestamp = Millis(event.at);
        match &event.fact {
            Fact::Scheduled { .. }
            | Fact::Held
            | Fact::Released { .. }
            | Fact::Cancelled
            | Fact::LateBounce { .. }
            | Fact::LateDelay { .. }
            | Fact::Confirmed { .. }
            | Fact::Complaint(_)
            | Fact::NotSpam(_)
            | Fact::Reply(_)
            | Fact::Unsubscribe { .. } => {}
            Fact::Send => self.send = Some(Send {}),
            Fact::Reject { reason } => {
                let reason = reason.to_string();
                self.reject = Some(Reject { reason });
            }
            Fact::Delivery { .. } => {
                self.delivery = Some(Delivery {
                    timestamp,
                    recipients: [recipient],
                    smtp_response: last_reply(&event.fact),
                });
            }
            Fact::DeliveryDelay { .. } => {
                self.delivery_delay = Some(DeliveryDelay {
                    timestamp,
                    delay_type: "TemporaryFailure",
                    delayed_recipients: [recipient],
                });
            }
            Fact::Bounce {
                class, bounce_type, ..
            } => {
                let diagnostic = last_reply(&event.fact);
                self.bounce = Some(bounce(
                    timestamp,
                    *bounce_type,
                    *class,
                    recipient,
                    diagnostic,
                ));
            }
        }
    }
}

const fn bounce(
    timestamp: Millis,
    bounce_type: BounceType,
    class: BounceClass,
    email_address: &str,
    diagnostic_code: String,
) -> Bounce<'_> {
    Bounce {
        timestamp,
        bounce_type: bounce_type.name(),
        bounce_sub_type: class.name(),
        bounced_recipients: [BouncedRecipient {
            email_address,
            diagnostic_code,
        }],
    }
}
