//! The part for programs: `message/delivery-status` (RFC 3464 §2), or
//! `message/global-delivery-status` (RFC 6533 §4.1) where an address is not ASCII.

use postbell_model::{BounceClass, EnhancedCode, Fact, Reply, ReportKind};

use super::text::{field, quoted_printable};
use super::{Part, Report};

/// Characters of a reply that a report repeats.
pub(super) const REPLY_MAX: usize = 2_000;

/// Whether an address of the part is not ASCII.
fn is_global(report: &Report<'_>) -> bool {
    let original = report.request.orcpt.as_ref();
    !report.recipient.as_str().is_ascii() || original.is_some_and(|o| !o.address().is_ascii())
}

/// The parameter of `multipart/report`.
pub(super) fn report_type(report: &Report<'_>) -> &'static str {
    if is_global(report) {
        "global-delivery-status"
    } else {
        "delivery-status"
    }
}

pub(super) fn part(report: &Report<'_>) -> Part {
    let fields = format!("{}\r\n{}", of_message(report), of_recipient(report));
    if is_global(report) {
        return Part {
            // RFC 6533 §4.1: encoded where the way may not be 8-bit.
            header: "Content-Type: message/global-delivery-status\r\n\
                     Content-Transfer-Encoding: quoted-printable\r\n"
                .to_owned(),
            content: quoted_printable(fields.as_bytes()),
            eight_bit: false,
        };
    }
    let ascii = |c: char| if c.is_ascii() { c } else { '?' };
    Part {
        header: "Content-Type: message/delivery-status\r\n".to_owned(),
        content: fields.chars().map(ascii).collect::<String>().into_bytes(),
        eight_bit: false,
    }
}

// RFC 3464 §2.2
fn of_message(report: &Report<'_>) -> String {
    let mut fields = field("Reporting-MTA", &format!("dns; {}", report.hostname));
    if let Some(envid) = &report.message.instructions.envid {
        fields.push_str(&field("Original-Envelope-Id", envid));
    }
    fields + &field("Arrival-Date", &report.message.accepted_at.to_rfc5322())
}

// RFC 3464 §2.3
fn of_recipient(report: &Report<'_>) -> String {
    let mut fields = String::new();
    if let Some(original) = &report.request.orcpt {
        let value = format!("{}; {}", original.kind(), original.address());
        fields.push_str(&field("Original-Recipient", &value));
    }
    let kind = if report.recipient.as_str().is_ascii() {
        "rfc822"
    } else {
        "utf-8"
    };
    let recipient = format!("{kind}; {}", report.recipient);
    fields.push_str(&field("Final-Recipient", &recipient));
    fields.push_str(&field("Action", report.kind.action()));
    fields.push_str(&field("Status", &status(report).to_string()));
    if let Some(last) = report.last_try() {
        if last.from_peer {
            fields.push_str(&field("Remote-MTA", &format!("dns; {}", last.host)));
        }
        // RFC 3464 §2.3.6: `smtp` is for what a server has said; the rest is our own word.
        let kind = if last.from_peer { "smtp" } else { "X-Postbell" };
        let said: String = last.reply.to_string().chars().take(REPLY_MAX).collect();
        fields.push_str(&field("Diagnostic-Code", &format!("{kind}; {said}")));
    }
    if let Some(attempt) = report.event.fact.attempt() {
        let at = attempt.ended_at.to_rfc5322();
        fields.push_str(&field("Last-Attempt-Date", &at));
    }
    if let Fact::DeliveryDelay { expires_at, .. } = &report.event.fact {
        fields.push_str(&field("Will-Retry-Until", &expires_at.to_rfc5322()));
    }
    fields
}

/// The status (RFC 3463). Its class is that of the action, whatever the server's words.
fn status(report: &Report<'_>) -> EnhancedCode {
    // RFC 3463 §3.5, X.4.7: delivery time expired, a persistent transient failure.
    if let Fact::Bounce {
        class: BounceClass::Expired,
        ..
    } = report.event.fact
    {
        return EnhancedCode::new(4, 4, 7);
    }
    let class = match report.kind {
        ReportKind::Failed => 5,
        ReportKind::Delayed => 4,
        // X.1.9: relayed to a mailer that sends no such reports (RFC 3461 §10 shows it).
        ReportKind::Relayed => return EnhancedCode::new(2, 1, 9),
    };
    let said = report.last_try().map(|tried| &tried.reply);
    let said = said.and_then(|Reply { enhanced, .. }| *enhanced);
    said.map_or(EnhancedCode::new(class, 0, 0), |code| EnhancedCode {
        class,
        ..code
    })
}
