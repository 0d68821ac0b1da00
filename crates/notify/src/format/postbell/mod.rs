//! Our own documents: the Splashify envelope with everything else that a fact carries.
//!
//! Every member of the Splashify documents stands here under the same name and with the same
//! meaning, so that a consumer written for those reads these unchanged. Times have microseconds.
//! New members may be added; consumers ignore what they don't know.

mod engagement;
mod refused;
mod reply;
mod reports;
mod sent;

use std::collections::BTreeMap;

use postbell_model::{Event, Fact, Timestamp};
use postbell_store::LoggedEvent;
use serde::Serialize;

use super::moment::Micros;

use engagement::{Click, Open};
use refused::{Bounce, DeliveryDelay};
use reply::Reply;
use reports::{Complaint, Confirmed, NotSpam, Unsubscribe};
use sent::{Delivery, Reject, Released, Scheduled, Send};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    id: String,
    event_type: &'static str,
    timestamp: Micros,
    workspace_id: String,
    sequence: u32,
    mail: Mail<'a>,
    #[serde(flatten)]
    told: Option<Told<'a>>,
}

/// The member that has the event's name in lower camel case.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Told<'a> {
    Scheduled(Scheduled),
    Released(Released),
    Send(Send),
    Delivery(Delivery<'a>),
    DeliveryDelay(DeliveryDelay<'a>),
    Bounce(Bounce<'a>),
    Reject(Reject<'a>),
    Confirmed(Confirmed<'a>),
    Complaint(Complaint<'a>),
    NotSpam(NotSpam<'a>),
    Reply(Box<Reply<'a>>),
    Unsubscribe(Unsubscribe<'a>),
    Open(Open<'a>),
    Click(Click<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mail<'a> {
    timestamp: Micros,
    message_id: String,
    delivery_id: String,
    source: &'a str,
    destination: [&'a str; 1],
    subject: &'a str,
    header_message_id: &'a str,
    tags: &'a [String],
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    /// The message that came in, where this one is not a submission but goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_of: Option<String>,
    configuration_set: &'a str,
}

impl<'a> Body<'a> {
    pub(super) fn new(logged: &'a LoggedEvent, configuration_set: &'a str) -> Self {
        let event = &logged.event;
        Self {
            id: event.id.to_string(),
            event_type: event.fact.kind().name(),
            timestamp: Micros(event.at),
            workspace_id: logged.message.workspace.to_string(),
            sequence: event.sequence,
            mail: mail(logged, configuration_set),
            told: told(event, logged.recipient.as_str(), logged.message.accepted_at),
        }
    }
}

/// `None`: the type of the event says it all.
fn told<'a>(event: &'a Event, to: &'a str, accepted_at: Timestamp) -> Option<Told<'a>> {
    let at = event.at;
    Some(match &event.fact {
        Fact::Held | Fact::Cancelled => return None,
        Fact::Scheduled { send_at } => Told::Scheduled(Scheduled::new(*send_at)),
        Fact::Released { state } => Told::Released(Released::new(*state)),
        Fact::Send => Told::Send(Send {}),
        Fact::Reject { reason } => Told::Reject(Reject::by_policy(*reason)),
        Fact::Suppressed(by) => Told::Reject(Reject::by_list(by)),
        Fact::Delivery { attempt } => {
            Told::Delivery(Delivery::new(event, attempt, to, accepted_at))
        }
        Fact::DeliveryDelay {
            attempt,
            class,
            next_attempt_at,
            expires_at,
        } => {
            let times = (*next_attempt_at, *expires_at);
            Told::DeliveryDelay(DeliveryDelay::of_attempt(event, attempt, to, *class, times))
        }
        Fact::Bounce {
            attempt,
            class,
            bounce_type,
        } => Told::Bounce(Bounce::of_attempt(
            event,
            attempt,
            to,
            (*class, *bounce_type),
        )),
        Fact::LateBounce {
            class,
            bounce_type,
            report,
        } => Told::Bounce(Bounce::of_report(at, to, (*class, *bounce_type), report)),
        Fact::LateDelay { report } => Told::DeliveryDelay(DeliveryDelay::of_report(at, to, report)),
        Fact::Confirmed {
            confirmation,
            report,
        } => Told::Confirmed(Confirmed::new(at, to, *confirmation, report)),
        Fact::Complaint(report) => Told::Complaint(Complaint::new(at, to, report)),
        Fact::NotSpam(report) => Told::NotSpam(NotSpam::new(at, to, report)),
        Fact::Reply(reply) => Told::Reply(Box::new(Reply::new(at, event.delivery, to, reply))),
        Fact::Unsubscribe { method, inbound } => {
            Told::Unsubscribe(Unsubscribe::new(at, to, *method, *inbound))
        }
        Fact::Open(open) => Told::Open(Open::new(at, open)),
        Fact::Click(click) => Told::Click(Click::new(at, click)),
    })
}

fn mail<'a>(logged: &'a LoggedEvent, configuration_set: &'a str) -> Mail<'a> {
    let message = &logged.message;
    Mail {
        timestamp: Micros(message.accepted_at),
        message_id: message.id.to_string(),
        delivery_id: logged.event.delivery.to_string(),
        source: &message.source,
        destination: [logged.recipient.as_str()],
        subject: &message.subject,
        header_message_id: &message.header_message_id,
        tags: &message.instructions.tags,
        metadata: &message.instructions.metadata,
        stream: message.instructions.stream.as_deref(),
        forward_of: message.forward.as_ref().map(|f| f.of.to_string()),
        configuration_set,
    }
}
