//! Delays and bounces: what a far server said to us, or what a report said later.
//!
//! Both have the same members. What only one of them knows is null in the other; `late` tells them
//! apart.

use std::borrow::Cow;
use std::net::IpAddr;

use postbell_model::inbound::LateReport;
use postbell_model::{Attempt, BounceClass, BounceType, Event, HostTry, Timestamp};
use serde::Serialize;

use crate::format::incoming::one_line;
use crate::format::last_reply;
use crate::format::moment::Micros;

use super::reports::Report;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryDelay<'a> {
    timestamp: Micros,
    delay_type: &'static str,
    delayed_recipients: [&'a str; 1],
    attempt: Option<u32>,
    next_attempt_at: Option<Micros>,
    expires_at: Option<Micros>,
    reply: String,
    class: Option<&'static str>,
    reason: Option<&'static str>,
    #[serde(flatten)]
    refusal: Refusal<'a>,
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reporting_mta: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bounce<'a> {
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
    reporting_mta: Option<Cow<'a, str>>,
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report<'a>>,
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

impl<'a> DeliveryDelay<'a> {
    /// An attempt failed, and there will be another.
    pub(super) fn of_attempt(
        event: &'a Event,
        attempt: &'a Attempt,
        recipient: &'a str,
        class: BounceClass,
        (next_attempt_at, expires_at): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            timestamp: Micros(event.at),
            delay_type: DELAY_TYPE,
            delayed_recipients: [recipient],
            attempt: Some(attempt.number),
            next_attempt_at: Some(Micros(next_attempt_at)),
            expires_at: Some(Micros(expires_at)),
            reply: last_reply(&event.fact),
            class: Some(class.name()),
            reason: Some(class.sentence()),
            refusal: Refusal::of_host(attempt.last()),
            late: false,
            reporting_mta: None,
            report: None,
        }
    }

    /// A report says that it waits elsewhere: for how long, only that server knows.
    pub(super) fn of_report(at: Timestamp, recipient: &'a str, report: &'a LateReport) -> Self {
        Self {
            timestamp: Micros(at),
            delay_type: DELAY_TYPE,
            delayed_recipients: [recipient],
            attempt: None,
            next_attempt_at: None,
            expires_at: None,
            reply: report.said(),
            class: report.class.map(BounceClass::name),
            reason: report.class.map(BounceClass::sentence),
            refusal: Refusal::of_report(report),
            late: true,
            reporting_mta: report.reporting_mta.as_deref().map(one_line),
            report: Some(Report::new(report)),
        }
    }
}

const DELAY_TYPE: &str = "TemporaryFailure";

impl<'a> Bounce<'a> {
    /// A far server refused it, or we gave up.
    pub(super) fn of_attempt(
        event: &'a Event,
        attempt: &'a Attempt,
        recipient: &'a str,
        (class, bounce_type): (BounceClass, BounceType),
    ) -> Self {
        let last = attempt.last();
        let reporting = last.filter(|host| host.from_peer);
        Self {
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
            refusal: Refusal::of_host(last),
            diagnostic: last.map_or("", |host| &host.reply.text),
            late: false,
            reporting_mta: reporting.map(|host| host.host.as_str().into()),
            attempts: Some(attempt.number),
            report: None,
        }
    }

    /// A report says that it was not delivered.
    pub(super) fn of_report(
        at: Timestamp,
        recipient: &'a str,
        (class, bounce_type): (BounceClass, BounceType),
        report: &'a LateReport,
    ) -> Self {
        Self {
            timestamp: Micros(at),
            bounce_type: bounce_type.name(),
            bounce_sub_type: class.name(),
            bounced_recipients: [BouncedRecipient {
                email_address: recipient,
                diagnostic_code: report.said(),
            }],
            // RFC 3464 §2.3.3: after `failed` no further delivery is tried.
            r#final: true,
            reason: class.sentence(),
            refusal: Refusal::of_report(report),
            diagnostic: &report.diagnostic,
            late: true,
            reporting_mta: report.reporting_mta.as_deref().map(one_line),
            attempts: None,
            report: Some(Report::new(report)),
        }
    }
}

impl<'a> Refusal<'a> {
    fn of_host(last: Option<&'a HostTry>) -> Self {
        let enhanced = last.and_then(|host| host.reply.enhanced);
        Self {
            smtp_code: last.map(|host| host.reply.code),
            enhanced_code: enhanced.map(|code| code.to_string()),
            phase: last.map(|host| host.phase.name()),
            mx: last.map(|host| host.host.as_str()),
            remote_ip: last.and_then(|host| host.ip),
        }
    }

    /// The host that refused spoke to another one: it stands in [`Report`].
    fn of_report(report: &LateReport) -> Self {
        Self {
            smtp_code: report.code,
            enhanced_code: report.status.map(|code| code.to_string()),
            phase: None,
            mx: None,
            remote_ip: None,
        }
    }
}
