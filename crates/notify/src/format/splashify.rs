//! The documents of SplashifyPro: an envelope of `eventType` and `mail`, and one block that has
//! the event's name in lower camel case. Times have milliseconds.
//!
//! Two members go beyond the reference: `late` in what a report said after a `Delivery`, and
//! `autoReply` in a reply that a program wrote. Nothing else shows a consumer either.

use std::borrow::Cow;

use postbell_model::inbound::AutoReplyClass;
use postbell_model::{BounceClass, BounceType, Event, Fact};
use postbell_store::LoggedEvent;
use serde::Serialize;

use super::incoming::{Written, one_line};
use super::moment::Millis;
use super::visitor::Visitor;
use super::{ON_THE_LIST, last_reply};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    event_type: &'static str,
    mail: Mail<'a>,
    #[serde(flatten)]
    told: Option<Told<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Told<'a> {
    Send(Send),
    Delivery(Delivery<'a>),
    Bounce(Bounce<'a>),
    DeliveryDelay(DeliveryDelay<'a>),
    Reject(Reject),
    Complaint(Complaint<'a>),
    Reply(Reply<'a>),
    Open(Open<'a>),
    Click(Click<'a>),
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
    reason: Cow<'static, str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
}

/// Beyond the reference: it came by mail, after a `Delivery`.
const LATE: Option<bool> = Some(true);

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
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Complaint<'a> {
    timestamp: Millis,
    complaint_feedback_type: Cow<'a, str>,
    complained_recipients: [ComplainedRecipient<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComplainedRecipient<'a> {
    email_address: &'a str,
}

#[derive(Serialize)]
struct Reply<'a> {
    outbox_id: String,
    original_recipient: &'a str,
    #[serde(flatten)]
    written: Written<'a>,
    received_at: Millis,
    /// Beyond the reference, so that a program's answer is told from a person's.
    #[serde(rename = "autoReply", skip_serializing_if = "Option::is_none")]
    auto_reply: Option<&'static str>,
}

#[derive(Serialize)]
struct Open<'a> {
    timestamp: Millis,
    #[serde(flatten)]
    visitor: Visitor<'a>,
}

#[derive(Serialize)]
struct Click<'a> {
    timestamp: Millis,
    #[serde(flatten)]
    visitor: Visitor<'a>,
    link: Cow<'a, str>,
}

impl<'a> Body<'a> {
    pub(super) fn new(logged: &'a LoggedEvent) -> Self {
        let recipient = logged.recipient.as_str();
        let message = &logged.message;
        Self {
            event_type: logged.event.fact.kind().name(),
            mail: Mail {
                timestamp: Millis(message.accepted_at),
                message_id: message.id.to_string(),
                source: &message.source,
                destination: [recipient],
            },
            told: told(&logged.event, recipient),
        }
    }
}

/// `None`: there is no word for it.
fn told<'a>(event: &'a Event, recipient: &'a str) -> Option<Told<'a>> {
    let timestamp = Millis(event.at);
    Some(match &event.fact {
        Fact::Scheduled { .. }
        | Fact::Held
        | Fact::Released { .. }
        | Fact::Cancelled
        | Fact::Confirmed { .. }
        | Fact::NotSpam(_)
        | Fact::Unsubscribe { .. } => return None,
        Fact::Send => Told::Send(Send {}),
        Fact::Reject { reason } => Told::Reject(Reject {
            reason: reason.to_string().into(),
        }),
        Fact::Suppressed(_) => Told::Reject(Reject {
            reason: ON_THE_LIST.into(),
        }),
        Fact::Open(open) => Told::Open(Open {
            timestamp,
            visitor: Visitor::new(open),
        }),
        Fact::Click(click) => Told::Click(Click {
            timestamp,
            visitor: Visitor::new(&click.engagement),
            link: one_line(&click.url),
        }),
        Fact::Delivery { .. } => Told::Delivery(Delivery {
            timestamp,
            recipients: [recipient],
            smtp_response: last_reply(&event.fact),
        }),
        Fact::DeliveryDelay { .. } => Told::DeliveryDelay(delay(timestamp, recipient, None)),
        Fact::LateDelay { .. } => Told::DeliveryDelay(delay(timestamp, recipient, LATE)),
        Fact::Bounce {
            class, bounce_type, ..
        } => {
            let said = last_reply(&event.fact);
            Told::Bounce(bounce(timestamp, (*bounce_type, *class), recipient, said))
        }
        Fact::LateBounce {
            class,
            bounce_type,
            report,
        } => Told::Bounce(Bounce {
            late: LATE,
            ..bounce(timestamp, (*bounce_type, *class), recipient, report.said())
        }),
        Fact::Complaint(report) => Told::Complaint(Complaint {
            timestamp,
            complaint_feedback_type: one_line(&report.feedback_type),
            complained_recipients: [ComplainedRecipient {
                email_address: recipient,
            }],
        }),
        Fact::Reply(reply) => Told::Reply(Reply {
            outbox_id: event.delivery.to_string(),
            original_recipient: recipient,
            written: Written::new(&reply.content),
            received_at: timestamp,
            auto_reply: reply.content.auto_reply.map(AutoReplyClass::name),
        }),
    })
}

const fn delay(timestamp: Millis, recipient: &str, late: Option<bool>) -> DeliveryDelay<'_> {
    DeliveryDelay {
        timestamp,
        delay_type: "TemporaryFailure",
        delayed_recipients: [recipient],
        late,
    }
}

const fn bounce(
    timestamp: Millis,
    (bounce_type, class): (BounceType, BounceClass),
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
        late: None,
    }
}
