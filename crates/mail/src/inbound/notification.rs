//! Facts that a provider mails as JSON: those of Amazon SES, which others have taken over.
//!
//! The text begins with one object; what the mail puts below it is not read.

use serde_json::Value;

use super::complaint::Complaint;
use super::mime::Mail;
use super::origin::Origin;
use super::status::{Action, Form, Judge, RECIPIENTS_MAX, Returned, StatusReport, Told};
use super::{Inbound, address};

/// Octets of a text that are read.
const TEXT_MAX: usize = 256 * 1024;

/// Reads one; `None` where the message is none, or tells of something else. People copy such facts
/// into what they write, so a program has to have sent it.
pub(super) fn read(mail: &Mail<'_>, origin: &Origin, judge: &Judge) -> Option<Inbound> {
    if !origin.is_program() {
        return None;
    }
    let (index, _) = mail
        .own_leaves()
        .find(|(_, part)| part.media.main == "text")?;
    if !begins_with_object(mail, index) {
        return None;
    }
    let text = mail.text(index, TEXT_MAX);
    let fact = object(&text).or_else(|| object(&unfolded(&text)))?;
    let kind = string(&fact, "notificationType").or_else(|| string(&fact, "eventType"))?;
    match kind {
        "Complaint" => Some(Inbound::Complaint(complaint(&fact)?)),
        "Bounce" | "Delivery" | "DeliveryDelay" => status(&fact, kind, judge).map(Inbound::Status),
        _ => None,
    }
}

fn object(text: &str) -> Option<Value> {
    let mut values = serde_json::Deserializer::from_str(text.trim_start()).into_iter();
    values.next()?.ok()
}

/// Without the line ends that a server on the way put into long lines.
fn unfolded(text: &str) -> String {
    text.replace("\r\n ", "")
        .replace("\n ", "")
        .replace(['\r', '\n'], "")
}

fn begins_with_object(mail: &Mail<'_>, index: usize) -> bool {
    let body = mail.body(index).trim_ascii_start();
    let is_encoded = mail
        .parts()
        .get(index)
        .is_some_and(|part| part.encoding == super::mime::Encoding::Base64);
    body.starts_with(b"{") || is_encoded
}

fn complaint(fact: &Value) -> Option<Complaint> {
    let said = fact.get("complaint")?;
    let mut complaint =
        Complaint::of_type(string(said, "complaintFeedbackType").unwrap_or("abuse"));
    complaint.user_agent = string(said, "userAgent").map(str::to_owned);
    complaint.arrival_date = string(said, "arrivalDate").map(str::to_owned);
    let recipients = said.get("complainedRecipients").and_then(Value::as_array);
    for recipient in recipients.into_iter().flatten() {
        complaint.add_recipient(string(recipient, "emailAddress").unwrap_or_default());
    }
    complaint.returned = returned(fact);
    Some(complaint)
}

fn status(fact: &Value, kind: &str, judge: &Judge) -> Option<StatusReport> {
    let (key, list, action) = match kind {
        "Bounce" => ("bounce", "bouncedRecipients", Action::Failed),
        "Delivery" => ("delivery", "recipients", Action::Delivered),
        _ => ("deliveryDelay", "delayedRecipients", Action::Delayed),
    };
    let said = fact.get(key)?;
    let reply = string(said, "smtpResponse").unwrap_or_default();
    let recipients = said
        .get(list)
        .and_then(Value::as_array)?
        .iter()
        .take(RECIPIENTS_MAX);
    let recipients: Vec<_> = recipients
        .map(|recipient| {
            let named = recipient
                .as_str()
                .or_else(|| string(recipient, "emailAddress"));
            let diagnostic = string(recipient, "diagnosticCode").unwrap_or(reply);
            judge.judge(Told {
                address: named.and_then(address::first),
                action: string(recipient, "action")
                    .and_then(Action::read)
                    .or(Some(action)),
                status: string(recipient, "status")
                    .and_then(super::status::first_enhanced)
                    .or_else(|| super::status::first_enhanced(reply)),
                diagnostic: diagnostic.trim_start_matches("smtp;").trim().to_owned(),
                ..Told::default()
            })
        })
        .collect();
    let mta = string(said, "reportingMTA")
        .map(|mta| mta.rsplit(';').next().unwrap_or(mta).trim().to_owned());
    (!recipients.is_empty()).then(|| StatusReport {
        form: Form::Fields,
        reporting_mta: mta,
        envelope_id: None,
        recipients,
        returned: returned(fact),
    })
}

fn returned(fact: &Value) -> Returned {
    let mut header = String::new();
    let fields = fact.pointer("/mail/headers").and_then(Value::as_array);
    for field in fields.into_iter().flatten() {
        if let (Some(name), Some(value)) = (string(field, "name"), string(field, "value")) {
            let one_line = |text: &str| text.replace(['\r', '\n'], " ");
            header.push_str(&format!("{}: {}\r\n", one_line(name), one_line(value)));
        }
    }
    let mut returned = Returned::read(&crate::header::Header::of(header.as_bytes()));
    let common = fact
        .pointer("/mail/commonHeaders/messageId")
        .and_then(Value::as_str);
    let own = fact.pointer("/mail/messageId").and_then(Value::as_str);
    if returned.message_id.is_none() {
        returned.message_id = common
            .or(own)
            .map(|id| id.trim_matches(['<', '>']).to_owned());
    }
    returned
}

fn string<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
