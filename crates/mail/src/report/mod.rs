//! Reports to senders: delivery status notifications (RFC 3464) as `multipart/report` (RFC 6522,
//! before it RFC 3462), with what RFC 6533 changes where an address is not ASCII.
//!
//! A report is made of the event that it tells of and nothing else, so that one that is made
//! again is the same to the octet. It has 7-bit content but where the sender asked for all of a
//! message that has not. Not done here: whether anybody is told (RFC 3461 §5.2), which
//! [`postbell_model::report`] and whoever sends the report decide.

mod explanation;
mod returned;
mod status;
mod text;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use memchr::memmem;
use postbell_model::{Address, Event, HostTry, Message, ReportKind, ReportRequest};

use crate::header::Header;
use text::encoded_words;

/// Characters of the message's subject that the report's repeats.
const SUBJECT_MAX: usize = 150;
/// A longer Message-ID is not referred to: its line would be too long.
const MESSAGE_ID_MAX: usize = 900;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What it says became of the message.
    pub kind: ReportKind,
    /// The event that it tells of, which has an attempt.
    pub event: &'a Event,
    /// The message that it is about.
    pub message: &'a Message,
    /// The message as submitted; `None` where it can't be read.
    pub original: Option<&'a [u8]>,
    /// The recipient that it is about.
    pub recipient: &'a Address,
    /// What was asked about reports.
    pub request: &'a ReportRequest,
    /// Who sends it.
    pub from: &'a Address,
    /// Who gets it.
    pub to: &'a Address,
    /// Our name.
    pub hostname: &'a str,
    /// A message with more octets is not returned whole.
    pub max_returned: u64,
}

impl<'a> Report<'a> {
    /// The try that decided the attempt.
    fn last_try(&self) -> Option<&'a HostTry> {
        self.event.fact.attempt()?.last()
    }
}

/// One part of the report.
#[derive(Debug)]
struct Part {
    /// Content-Type and what else is in its header, each line with its end.
    header: String,
    content: Vec<u8>,
    eight_bit: bool,
}

/// Composes a report: CRLF line ends, the last line ended. Costs a copy of what it returns of
/// the message.
pub fn compose(report: &Report<'_>) -> Bytes {
    let parts = [
        Some(explanation::part(report)),
        Some(status::part(report)),
        returned::part(report),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let boundary = boundary(report, &parts);
    let mut octets = header(report, &boundary, &parts).into_bytes();
    for part in &parts {
        octets.extend_from_slice(format!("--{boundary}\r\n{}\r\n", part.header).as_bytes());
        octets.extend_from_slice(&part.content);
        // RFC 2046 §5.1.1: this line end belongs to the boundary, so that the content keeps its
        // own.
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    octets.into()
}

/// Whether nobody is to be told what became of this message, whoever sent it: it is itself a
/// report, or the answer of a program (RFC 3834 §2 and §5). An octet stream that can't be read is
/// neither.
pub fn is_answer(original: &[u8]) -> bool {
    let Ok(header) = Header::find(original) else {
        return false;
    };
    header.fields().any(|field| {
        let value = field.unfolded();
        let first = value.split(|octet| b"; \t(".contains(octet)).next();
        let first = first.unwrap_or_default();
        (field.is("Auto-Submitted") && first.eq_ignore_ascii_case(b"auto-replied"))
            || (field.is("Content-Type") && first.eq_ignore_ascii_case(b"multipart/report"))
    })
}

/// A boundary that no part has in it. The event's id makes it one that no other report has.
fn boundary(report: &Report<'_>, parts: &[Part]) -> String {
    let id = report.event.id;
    let candidates = (0_u64..).map(|number| format!("{id}.{number}"));
    let mut free = candidates.filter(|boundary| {
        let finder = memmem::Finder::new(boundary);
        parts
            .iter()
            .all(|part| finder.find(&part.content).is_none())
    });
    free.next()
        .expect("invariant: a part does not have all numbers in it")
}

fn header(report: &Report<'_>, boundary: &str, parts: &[Part]) -> String {
    let event = report.event;
    let subject = format!("{}: {}", subject(report.kind), report.message.subject);
    let mut header = format!(
        "Date: {}\r\n\
         From: Mail Delivery System <{}>\r\n\
         To: <{}>\r\n\
         Subject: {}\r\n\
         Message-ID: <{}@{}>\r\n",
        event.at.to_rfc5322(),
        report.from,
        report.to,
        encoded_words(&subject.chars().take(SUBJECT_MAX).collect::<String>()),
        event.id,
        report.hostname,
    );
    if let Some(id) = message_id(report.message) {
        header.push_str(&format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"));
    }
    // RFC 3834 §5
    header.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    header.push_str(&format!(
        "Content-Type: multipart/report; report-type={};\r\n\tboundary=\"{boundary}\"\r\n",
        status::report_type(report)
    ));
    // RFC 2045 §6.4: a multipart says what the widest of its parts is.
    if parts.iter().any(|part| part.eight_bit) {
        header.push_str("Content-Transfer-Encoding: 8bit\r\n");
    }
    header.push_str("\r\n");
    header
}

const fn subject(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Failed => "Undelivered mail",
        ReportKind::Delayed => "Delayed mail",
        ReportKind::Relayed => "Relayed mail",
    }
}

/// The Message-ID, where it is one that can stand in our header.
fn message_id(message: &Message) -> Option<&str> {
    let id = message.header_message_id.as_str();
    let sound = id.len() <= MESSAGE_ID_MAX
        && id.starts_with('<')
        && id.ends_with('>')
        && id.bytes().all(|octet| octet.is_ascii_graphic());
    sound.then_some(id)
}
