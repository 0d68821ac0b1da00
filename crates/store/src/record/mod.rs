//! How facts and what senders ask for are written down: JSON in a column.
//!
//! This is the store's own encoding. Members are only ever added; one that is missing reads as
//! its default, so that a newer program reads what an older one wrote.

mod authentication;
mod destination;
mod domain;
mod engagement;
mod forward;
mod hit;
mod inbound;
mod instructions;
mod sending;
mod tracking;

use std::borrow::Cow;
use std::net::IpAddr;

use postbell_model::attempt::{PlaintextReason, TlsUsed, Verification};
use postbell_model::{
    Attempt, BounceClass, BounceType, Domain, EnhancedCode, EventKind, Fact, HostTry, Reply,
    Timestamp,
};
use serde::{Deserialize, Serialize};

pub(crate) use authentication::{read_authentication, write_authentication};
pub(crate) use destination::{read_settings, read_workspace, write_settings, write_workspace};
pub(crate) use forward::{read_forward, write_forward};
pub(crate) use hit::{read_hit, write_hit};
pub(crate) use instructions::{read_instructions, write_instructions};
pub(crate) use sending::{read_sending, write_sending};
pub(crate) use tracking::{read_tracking, write_tracking};

/// A payload that can't be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of a {kind} event can't be read: {what}")]
pub(crate) struct PayloadError {
    kind: EventKind,
    what: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Payload {
    number: u32,
    started_at: i64,
    ended_at: i64,
    tries: Vec<TryRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bounce_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TryRecord {
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<TlsRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plaintext: Option<String>,
    phase: String,
    code: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enhanced: Option<String>,
    text: String,
    from_peer: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dsn: bool,
}

/// The payload of a `Scheduled`.
#[derive(Debug, Serialize, Deserialize)]
struct ScheduledRecord {
    send_at: i64,
}

/// The payload of a `Released`.
#[derive(Debug, Serialize, Deserialize)]
struct ReleasedRecord {
    state: String,
}

/// The payload of a `Reject`.
#[derive(Debug, Serialize, Deserialize)]
struct RejectRecord {
    reason: String,
}

/// A pair was written before there was more to tell than version and policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum TlsRecord {
    Pair(String, String),
    Full {
        version: Cow<'static, str>,
        policy: Cow<'static, str>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        cipher: Cow<'static, str>,
        #[serde(default)]
        verification: String,
    },
}

/// What the row of `fact` carries; `None` where the kind says it all.
pub(crate) fn write(fact: &Fact) -> Option<String> {
    let payload = match fact {
        Fact::Send | Fact::Held | Fact::Cancelled => return None,
        Fact::Released { state } => {
            return Some(json(&ReleasedRecord {
                state: state.name().to_owned(),
            }));
        }
        Fact::Scheduled { send_at } => {
            return Some(json(&ScheduledRecord {
                send_at: send_at.as_micros(),
            }));
        }
        Fact::Reject { reason } => {
            return Some(json(&RejectRecord {
                reason: reason.name().to_owned(),
            }));
        }
        Fact::Suppressed(by) => return Some(engagement::write_suppressed(by)),
        Fact::Open(open) => return Some(engagement::write_open(open)),
        Fact::Click(click) => return Some(engagement::write_click(click)),
        Fact::Delivery { attempt } => attempt_payload(attempt),
        Fact::DeliveryDelay {
            attempt,
            class,
            next_attempt_at,
            expires_at,
        } => Payload {
            class: Some(class.name().to_owned()),
            next_attempt_at: Some(next_attempt_at.as_micros()),
            expires_at: Some(expires_at.as_micros()),
            ..attempt_payload(attempt)
        },
        Fact::Bounce {
            attempt,
            class,
            bounce_type,
        } => Payload {
            class: Some(class.name().to_owned()),
            bounce_type: Some(bounce_type.name().to_owned()),
            ..attempt_payload(attempt)
        },
        Fact::LateBounce { .. }
        | Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. } => return inbound::write(fact),
    };
    Some(json(&payload))
}

fn json(record: &impl Serialize) -> String {
    let json = serde_json::to_string(record);
    json.expect("invariant: numbers and strings are always JSON")
}

/// Reads a fact back.
pub(crate) fn read(kind: EventKind, payload: Option<&str>) -> Result<Fact, PayloadError> {
    let fault = |what: &str| PayloadError {
        kind,
        what: what.to_owned(),
    };
    let json = match kind {
        EventKind::Send => return Ok(Fact::Send),
        EventKind::Held => return Ok(Fact::Held),
        EventKind::Cancelled => return Ok(Fact::Cancelled),
        _ => payload.ok_or_else(|| fault("there is none"))?,
    };
    if let Some(read) = inbound::read(kind, json) {
        return read.map_err(|error| fault(&error));
    }
    match kind {
        EventKind::Scheduled => return read_scheduled(json).map_err(|error| fault(&error)),
        EventKind::Released => return read_released(json).map_err(|error| fault(&error)),
        EventKind::Reject => return read_reject(json).map_err(|error| fault(&error)),
        EventKind::Open | EventKind::Click => {
            return engagement::read(kind, json).map_err(|error| fault(&error));
        }
        _ => {}
    }
    let payload: Payload = serde_json::from_str(json).map_err(|error| fault(&error.to_string()))?;
    let attempt = read_attempt(&payload).ok_or_else(|| fault("an attempt is malformed"))?;
    let class = || -> Result<BounceClass, PayloadError> {
        let name = payload
            .class
            .as_deref()
            .ok_or_else(|| fault("it has no class"))?;
        name.parse().map_err(|_| fault("its class is unknown"))
    };
    let time = |micros: Option<i64>| {
        micros
            .map(Timestamp::from_micros)
            .ok_or_else(|| fault("a time is missing"))
    };
    Ok(match kind {
        EventKind::Send
        | EventKind::Scheduled
        | EventKind::Held
        | EventKind::Released
        | EventKind::Cancelled
        | EventKind::Reject
        | EventKind::DestinationDisabled
        | EventKind::DomainCreated
        | EventKind::DomainUpdated
        | EventKind::DomainVerified
        | EventKind::DomainUnverified
        | EventKind::DomainDeleted
        | EventKind::SendingPaused
        | EventKind::SendingResumed
        | EventKind::Confirmed
        | EventKind::Complaint
        | EventKind::NotSpam
        | EventKind::Reply
        | EventKind::Unsubscribe
        | EventKind::Open
        | EventKind::Click
        | EventKind::SuppressionAdded
        | EventKind::SuppressionRemoved
        | EventKind::Received => return Err(fault("it tells of no attempt")),
        EventKind::Delivery => Fact::Delivery { attempt },
        EventKind::DeliveryDelay => Fact::DeliveryDelay {
            attempt,
            class: class()?,
            next_attempt_at: time(payload.next_attempt_at)?,
            expires_at: time(payload.expires_at)?,
        },
        EventKind::Bounce => Fact::Bounce {
            attempt,
            class: class()?,
            bounce_type: read_bounce_type(&payload).ok_or_else(|| fault("it has no type"))?,
        },
    })
}

fn read_scheduled(json: &str) -> Result<Fact, String> {
    let record: ScheduledRecord = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(Fact::Scheduled {
        send_at: Timestamp::from_micros(record.send_at),
    })
}

fn read_released(json: &str) -> Result<Fact, String> {
    let record: ReleasedRecord = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let state = record.state.parse().map_err(|_| "its state is unknown")?;
    Ok(Fact::Released { state })
}

fn read_reject(json: &str) -> Result<Fact, String> {
    if let Some(suppressed) = engagement::read_suppressed(json) {
        return suppressed;
    }
    let record: RejectRecord = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let reason = record.reason.parse().map_err(|_| "its reason is unknown")?;
    Ok(Fact::Reject { reason })
}

fn attempt_payload(attempt: &Attempt) -> Payload {
    Payload {
        number: attempt.number,
        started_at: attempt.started_at.as_micros(),
        ended_at: attempt.ended_at.as_micros(),
        tries: attempt.tries.iter().map(try_record).collect(),
        ..Payload::default()
    }
}

fn try_record(host_try: &HostTry) -> TryRecord {
    TryRecord {
        host: host_try.host.as_str().to_owned(),
        ip: host_try.ip,
        tls: host_try.tls.as_ref().map(tls_record),
        plaintext: host_try.plaintext.map(|reason| reason.name().to_owned()),
        phase: host_try.phase.name().to_owned(),
        code: host_try.reply.code,
        enhanced: host_try.reply.enhanced.map(|code| code.to_string()),
        text: host_try.reply.text.clone(),
        from_peer: host_try.from_peer,
        dsn: host_try.dsn,
    }
}

fn tls_record(used: &TlsUsed) -> TlsRecord {
    TlsRecord::Full {
        version: used.version.clone(),
        policy: used.policy.clone(),
        cipher: used.cipher.clone(),
        verification: used.verification.name().to_owned(),
    }
}

fn read_tls(record: TlsRecord) -> TlsUsed {
    match record {
        TlsRecord::Pair(version, policy) => TlsUsed {
            version: version.into(),
            policy: policy.into(),
            cipher: Cow::default(),
            verification: Verification::Unchecked,
        },
        TlsRecord::Full {
            version,
            policy,
            cipher,
            verification,
        } => TlsUsed {
            version,
            policy,
            cipher,
            verification: Verification::of_name(&verification),
        },
    }
}

fn read_bounce_type(payload: &Payload) -> Option<BounceType> {
    payload.bounce_type.as_deref()?.parse().ok()
}

fn read_attempt(payload: &Payload) -> Option<Attempt> {
    Some(Attempt {
        number: payload.number,
        started_at: Timestamp::from_micros(payload.started_at),
        ended_at: Timestamp::from_micros(payload.ended_at),
        tries: payload.tries.iter().map(read_try).collect::<Option<_>>()?,
    })
}

fn read_try(record: &TryRecord) -> Option<HostTry> {
    let enhanced = match &record.enhanced {
        Some(text) => Some(EnhancedCode::parse(text)?),
        None => None,
    };
    Some(HostTry {
        host: Domain::parse(&record.host).ok()?,
        ip: record.ip,
        tls: record.tls.clone().map(read_tls),
        plaintext: record
            .plaintext
            .as_deref()
            .and_then(PlaintextReason::of_name),
        phase: record.phase.parse().ok()?,
        reply: Reply {
            code: record.code,
            enhanced,
            text: record.text.clone(),
        },
        from_peer: record.from_peer,
        dsn: record.dsn,
    })
}

#[cfg(test)]
mod tests {
    use postbell_model::{DeliveryState, Phase, RejectReason};

    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            number: 3,
            started_at: Timestamp::from_micros(5),
            ended_at: Timestamp::from_micros(7),
            tries: vec![
                HostTry {
                    host: Domain::parse("mx1.example.com").unwrap(),
                    ip: None,
                    tls: None,
                    plaintext: Some(PlaintextReason::Refused),
                    phase: Phase::Dns,
                    reply: Reply::new(451, 4, 3, "no address"),
                    from_peer: false,
                    dsn: false,
                },
                HostTry {
                    host: Domain::parse("mx2.example.com").unwrap(),
                    ip: Some("192.0.2.1".parse().unwrap()),
                    tls: Some(TlsUsed {
                        version: "TLSv1.3".into(),
                        policy: "opportunistic".into(),
                        cipher: "TLS_AES_128_GCM_SHA256".into(),
                        verification: Verification::NameMismatch,
                    }),
                    plaintext: None,
                    phase: Phase::Message,
                    reply: Reply::plain(250, "OK\nqueued \"here\""),
                    from_peer: true,
                    dsn: true,
                },
            ],
        }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let moment = Timestamp::from_micros(9);
        for fact in [
            Fact::Send,
            Fact::Scheduled { send_at: moment },
            Fact::Held,
            Fact::Released {
                state: DeliveryState::Queued,
            },
            Fact::Cancelled,
            Fact::Reject {
                reason: RejectReason::DomainDeleted,
            },
            Fact::Delivery { attempt: attempt() },
            Fact::DeliveryDelay {
                attempt: attempt(),
                class: BounceClass::RateLimited,
                next_attempt_at: moment,
                expires_at: moment,
            },
            Fact::Bounce {
                attempt: attempt(),
                class: BounceClass::NoSuchUser,
                bounce_type: BounceType::Permanent,
            },
        ] {
            assert_eq!(read(fact.kind(), write(&fact).as_deref()), Ok(fact));
        }
    }

    #[test]
    fn what_older_programs_wrote_is_read() {
        let payload = r#"{"number":1,"started_at":5,"ended_at":7,"tries":[{"host":"mx.example.com",
            "tls":["TLSv1.2","opportunistic"],"phase":"message","code":250,"text":"OK","from_peer":true}]}"#;
        let fact = read(EventKind::Delivery, Some(payload)).unwrap();
        let tls = fact.attempt().unwrap().tries[0].tls.clone().unwrap();
        assert_eq!((&*tls.version, &*tls.cipher), ("TLSv1.2", ""));
        assert_eq!(tls.verification, Verification::Unchecked);
    }

    #[test]
    fn unreadable_payloads_are_errors() {
        for payload in [
            None,
            Some(""),
            Some("{}"),
            Some("[1]"),
            Some("{\"number\":\"x\"}"),
        ] {
            assert!(read(EventKind::Bounce, payload).is_err(), "{payload:?}");
        }
    }
}
