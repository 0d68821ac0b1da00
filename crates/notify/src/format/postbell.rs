//! Our own documents: the Splashify envelope with everything else that a fact carries.
//!
//! Every member of the Splashify documents stands here under the same name and with the same
//! meaning, so that a consumer written for those reads these unchanged. Times have microseconds.
//! New members may be added; consumers ignore what they don't know.

use std::collections::BTreeMap;
use std::net::IpAddr;

use postbell_model::attempt::Verification;
use postbell_model::{Attempt, BounceClass, BounceType, Event, Fact, HostTry, Timestamp};
use postbell_store::LoggedEvent;
use serde::Serialize;

use super::last_reply;
use super::moment::Micros;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    id: String,
    event_type: &'static str,
    timestamp: Micros,
    workspace_id: String,
    sequence: u32,
    mail: Mail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled: Option<Scheduled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<Released>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<Send>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_delay: Option<DeliveryDelay<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounce: Option<Bounce<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject: Option<Reject>,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scheduled {
    send_at: Micros,
}

#[derive(Serialize)]
struct Released {
    state: &'static str,
}

#[derive(Serialize)]
struct Send {}

#[derive(Serialize)]
struct Reject {
    reason: String,
    cause: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    timestamp: Micros,
    recipients: [&'a str; 1],
    smtp_response: String,
    mx: Option<&'a str>,
    remote_ip: Option<IpAddr>,
    tls: Option<Tls<'a>>,
    attempts: u32,
    latency_ms: u64,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: Option<&'a str>,
    policy: &'a str,
    cipher: Option<&'a str>,
    verified: bool,
    reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryDelay<'a> {
    timestamp: Micros,
    delay_type: &'static str,
    delayed_recipients: [&'a str; 1],
    attempt: u32,
    next_attempt_at: Micros,
    expires_at: Micros,
    reply: String,
    class: &'static str,
    reason: &'static str,
    #[serde(flatten)]
    refusal: Refusal<'a>,
    late: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bounce<'a> {
    timestamp: Micros,
    bounce_type: &'static str,
    bounce_sub_type: &'static str,
    bounced_recipients: [BouncedRecipient<'a>; 1],
    r#final: bool,
    reason: &'static str,
    #[serde(flatten)]
    refusal: Refusal<'a>,
    diagnostic: &'a str,
    late: bool,
    #[serde(rename = "reportingMta")]
    reporting_mta: Option<&'a str>,
    attempts: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BouncedRecipient<'a> {
    email_address: &'a str,
    diagnostic_code: String,
}

/// Who refused, and with which codes. Where no host gave a reply, the codes are ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refusal<'a> {
    smtp_code: Option<u16>,
    enhanced_code: Option<String>,
    phase: Option<&'static str>,
    mx: Option<&'a str>,
    remote_ip: Option<IpAddr>,
}

impl<'a> Body<'a> {
    pub(super) fn new(logged: &'a LoggedEvent, configuration_set: &'a str) -> Self {
        let event = &logged.event;
        let mut body = Self {
            id: event.id.to_string(),
            event_type: event.fact.kind().name(),
            timestamp: Micros(event.at),
            workspace_id: logged.message.workspace.to_string(),
            sequence: event.sequence,
            mail: mail(logged, configuration_set),
            scheduled: None,
            released: None,
            send: None,
            delivery: None,
            delivery_delay: None,
            bounce: None,
            reject: None,
        };
        body.tell(event, logged.recipient.as_str(), logged.message.accepted_at);
        body
    }

    fn tell(&mut self, event: &'a Event, recipient: &'a str, accepted_at: Timestamp) {
        match &event.fact {
            Fact::Scheduled { send_at } => {
                let send_at = Micros(*send_at);
                self.scheduled = Some(Scheduled { send_at });
            }
            Fact::Released { state } => {
                self.released = Some(Released {
                    state: state.name(),
                });
            }
            // The type of the event says it all.
            Fact::Held | Fact::Cancelled => {}
            Fact::LateBounce { .. }
            | Fact::LateDelay { .. }
            | Fact::Confirmed { .. }
            | Fact::Complaint(_)
            | Fact::NotSpam(_)
            | Fact::Reply(_)
            | Fact::Unsubscribe { .. } => {}
            Fact::Send => self.send = Some(Send {}),
            Fact::Reject { reason } => {
                self.reject = Some(Reject {
                    reason: reason.to_string(),
                    cause: reason.name(),
                });
            }
            Fact::Delivery { attempt } => {
                self.delivery = Some(delivery(event, attempt, recipient, accepted_at));
            }
            Fact::DeliveryDelay {
                attempt,
                class,
                next_attempt_at,
                expires_at,
            } => {
                let times = (*next_attempt_at, *expires_at);
                self.delivery_delay = Some(delay(event, attempt, recipient, *class, times));
            }
            Fact::Bounce {
                attempt,
                class,
                bounce_type,
            } => {
                self.bounce = Some(bounce(event, attempt, recipient, *class, *bounce_type));
            }
        }
    }
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

fn delivery<'a>(
    event: &'a Event,
    attempt: &'a Attempt,
    recipient: &'a str,
    accepted_at: Timestamp,
) -> Delivery<'a> {
    let last = attempt.last();
    let latency = event.at.since(accepted_at).as_millis();
    Delivery {
        timestamp: Micros(event.at),
        recipients: [recipient],
        smtp_response: last_reply(&event.fact),
        mx: last.map(|host| host.host.as_str()),
        remote_ip: last.and_then(|host| host.ip),
        tls: last.and_then(tls),
        attempts: attempt.number,
        latency_ms: u64::try_from(latency).unwrap_or(u64::MAX),
    }
}

/// How the connection was secured, or why not although the host offers it.
fn tls(host: &HostTry) -> Option<Tls<'_>> {
    let Some(used) = &host.tls else {
        return host.plaintext.map(|reason| Tls {
            version: None,
            policy: "none",
            cipher: None,
            verified: false,
            reason: Some(reason.name()),
        });
    };
    let verified = used.verification == Verification::Verified;
    Some(Tls {
        version: Some(&used.version),
        policy: &used.policy,
        cipher: Some(&*used.cipher).filter(|cipher| !cipher.is_empty()),
        verified,
        reason: (!verified).then(|| used.verification.name()),
    })
}

fn delay<'a>(
    event: &'a Event,
    attempt: &'a Attempt,
    recipient: &'a str,
    class: BounceClass,
    (next_attempt_at, expires_at): (Timestamp, Timestamp),
) -> DeliveryDelay<'a> {
    DeliveryDelay {
        timestamp: Micros(event.at),
        delay_type: "TemporaryFailure",
        delayed_recipients: [recipient],
        attempt: attempt.number,
        next_attempt_at: Micros(next_attempt_at),
        expires_at: Micros(expires_at),
        reply: last_reply(&event.fact),
        class: class.name(),
        reason: class.sentence(),
        refusal: refusal(attempt.last()),
        late: false,
    }
}

fn bounce<'a>(
    event: &'a Event,
    attempt: &'a Attempt,
    recipient: &'a str,
    class: BounceClass,
    bounce_type: BounceType,
) -> Bounce<'a> {
    let last = attempt.last();
    let reporting = last.filter(|host| host.from_peer);
    Bounce {
        timestamp: Micros(event.at),
        bounce_type: bounce_type.name(),
        bounce_sub_type: class.name(),
        bounced_recipients: [BouncedRecipient {
            email_address: recipient,
            diagnostic_code: last_reply(&event.fact),
        }],
        // Nothing more is tried after a bounce, whatever its type says about the address.
        r#final: true,
        reason: class.sentence(),
        refusal: refusal(last),
        diagnostic: last.map_or("", |host| &host.reply.text),
        late: false,
        reporting_mta: reporting.map(|host| host.host.as_str()),
        attempts: attempt.number,
    }
}

fn refusal(last: Option<&HostTry>) -> Refusal<'_> {
    let enhanced = last.and_then(|host| host.reply.enhanced);
    Refusal {
        smtp_code: last.map(|host| host.reply.code),
        enhanced_code: enhanced.map(|code| code.to_string()),
        phase: last.map(|host| host.phase.name()),
        mx: last.map(|host| host.host.as_str()),
        remote_ip: last.and_then(|host| host.ip),
    }
}
