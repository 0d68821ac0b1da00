//! What happens while a message is sent, but for refusals.

use std::borrow::Cow;
use std::net::IpAddr;

use postbell_model::attempt::Verification;
use postbell_model::suppression::SuppressedBy;
use postbell_model::{Attempt, DeliveryState, Event, HostTry, RejectReason, Timestamp};
use serde::Serialize;

use crate::format::moment::Micros;
use crate::format::{ON_THE_LIST, last_reply};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scheduled {
    send_at: Micros,
}

#[derive(Serialize)]
pub(super) struct Released {
    state: &'static str,
}

#[derive(Serialize)]
pub(super) struct Send {}

#[derive(Serialize)]
pub(super) struct Reject<'a> {
    reason: Cow<'static, str>,
    cause: &'static str,
    #[serde(flatten)]
    listed: Option<Listed<'a>>,
}

/// What put the address on the suppression list, and which mail it keeps back: null: all.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    original_event_at: Micros,
    original_event_id: Option<String>,
    stream: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery<'a> {
    timestamp: Micros,
    recipients: [&'a str; 1],
    smtp_response: String,
    mx: Option<&'a str>,
    remote_ip: Option<IpAddr>,
    tls: Option<Tls<'a>>,
    attempts: u32,
    latency_ms: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tracking_notes: &'a [String],
}

#[derive(Serialize)]
struct Tls<'a> {
    version: Option<&'a str>,
    policy: &'a str,
    cipher: Option<&'a str>,
    verified: bool,
    reason: Option<&'static str>,
}

impl Scheduled {
    pub(super) const fn new(send_at: Timestamp) -> Self {
        Self {
            send_at: Micros(send_at),
        }
    }
}

impl Released {
    pub(super) fn new(state: DeliveryState) -> Self {
        Self {
            state: state.name(),
        }
    }
}

impl<'a> Reject<'a> {
    pub(super) fn by_policy(reason: RejectReason) -> Self {
        Self {
            reason: reason.to_string().into(),
            cause: reason.name(),
            listed: None,
        }
    }

    pub(super) fn by_list(by: &'a SuppressedBy) -> Self {
        Self {
            reason: ON_THE_LIST.into(),
            cause: by.cause.name(),
            listed: Some(Listed {
                original_event_at: Micros(by.since),
                original_event_id: by.event.map(|event| event.to_string()),
                stream: by.scope.stream(),
            }),
        }
    }
}

impl<'a> Delivery<'a> {
    pub(super) fn new(
        event: &'a Event,
        attempt: &'a Attempt,
        recipient: &'a str,
        accepted_at: Timestamp,
    ) -> Self {
        let last = attempt.last();
        let latency = event.at.since(accepted_at).as_millis();
        Self {
            timestamp: Micros(event.at),
            recipients: [recipient],
            smtp_response: last_reply(&event.fact),
            mx: last.map(|host| host.host.as_str()),
            remote_ip: last.and_then(|host| host.ip),
            tls: last.and_then(tls),
            attempts: attempt.number,
            latency_ms: u64::try_from(latency).unwrap_or(u64::MAX),
            tracking_notes: &attempt.tracking_notes,
        }
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
