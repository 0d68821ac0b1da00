//! What others report of a delivery: confirmations, complaints and their contrary, wishes to get no
//! more mail.

use std::borrow::Cow;

use postbell_model::inbound::{Confirmation, FeedbackReport, LateReport, UnsubscribeMethod};
use postbell_model::{InboundId, Timestamp};
use serde::Serialize;

use crate::format::incoming::{one_line, raw_path};
use crate::format::moment::Micros;

/// The mail that said it: what it is fetched by, and how it led to the delivery.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    inbound_id: String,
    raw: String,
    matched_by: &'static str,
    /// As the report names it: perhaps another address than the mail was sent to.
    recipient: Option<Cow<'a, str>>,
    remote_mta: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Confirmed<'a> {
    timestamp: Micros,
    recipients: [&'a str; 1],
    confirmation: &'static str,
    enhanced_code: Option<String>,
    diagnostic: &'a str,
    reporting_mta: Option<Cow<'a, str>>,
    report: Report<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complaint<'a> {
    timestamp: Micros,
    complaint_feedback_type: Cow<'a, str>,
    complained_recipients: [Recipient<'a>; 1],
    #[serde(flatten)]
    feedback: Feedback<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotSpam<'a> {
    timestamp: Micros,
    feedback_type: Cow<'a, str>,
    recipients: [&'a str; 1],
    #[serde(flatten)]
    feedback: Feedback<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recipient<'a> {
    email_address: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    user_agent: Option<Cow<'a, str>>,
    arrival_date: Option<Cow<'a, str>>,
    source_ip: Option<Cow<'a, str>>,
    reporting_mta: Option<Cow<'a, str>>,
    report: FeedbackMail,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedbackMail {
    inbound_id: String,
    raw: String,
    matched_by: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unsubscribe<'a> {
    timestamp: Micros,
    recipients: [&'a str; 1],
    method: &'static str,
    inbound_id: Option<String>,
    raw: Option<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(report: &'a LateReport) -> Self {
        Self {
            inbound_id: report.inbound.to_string(),
            raw: raw_path(report.inbound),
            matched_by: report.matched_by.name(),
            recipient: report.recipient.as_deref().map(one_line),
            remote_mta: report.remote_mta.as_deref().map(one_line),
        }
    }
}

impl<'a> Confirmed<'a> {
    pub(super) fn new(
        at: Timestamp,
        recipient: &'a str,
        confirmation: Confirmation,
        report: &'a LateReport,
    ) -> Self {
        Self {
            timestamp: Micros(at),
            recipients: [recipient],
            confirmation: confirmation.name(),
            enhanced_code: report.status.map(|code| code.to_string()),
            diagnostic: &report.diagnostic,
            reporting_mta: report.reporting_mta.as_deref().map(one_line),
            report: Report::new(report),
        }
    }
}

impl<'a> Complaint<'a> {
    pub(super) fn new(at: Timestamp, recipient: &'a str, report: &'a FeedbackReport) -> Self {
        Self {
            timestamp: Micros(at),
            complaint_feedback_type: one_line(&report.feedback_type),
            complained_recipients: [Recipient {
                email_address: recipient,
            }],
            feedback: Feedback::new(report),
        }
    }
}

impl<'a> NotSpam<'a> {
    pub(super) fn new(at: Timestamp, recipient: &'a str, report: &'a FeedbackReport) -> Self {
        Self {
            timestamp: Micros(at),
            feedback_type: one_line(&report.feedback_type),
            recipients: [recipient],
            feedback: Feedback::new(report),
        }
    }
}

impl<'a> Feedback<'a> {
    fn new(report: &'a FeedbackReport) -> Self {
        Self {
            user_agent: report.user_agent.as_deref().map(one_line),
            arrival_date: report.arrival_date.as_deref().map(one_line),
            source_ip: report.source_ip.as_deref().map(one_line),
            reporting_mta: report.reporting_mta.as_deref().map(one_line),
            report: FeedbackMail {
                inbound_id: report.inbound.to_string(),
                raw: raw_path(report.inbound),
                matched_by: report.matched_by.name(),
            },
        }
    }
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn new(
        at: Timestamp,
        recipient: &'a str,
        method: UnsubscribeMethod,
        inbound: Option<InboundId>,
    ) -> Self {
        Self {
            timestamp: Micros(at),
            recipients: [recipient],
            method: method.name(),
            inbound_id: inbound.map(|id| id.to_string()),
            raw: inbound.map(raw_path),
        }
    }
}
