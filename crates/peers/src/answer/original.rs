//! The message that is answered, read as far as an answer needs it.
//!
//! Read a second time here, and simply: nothing that stands against this program reads with it.

use std::net::IpAddr;

use bytes::Bytes;
use postbell_model::{Address, Timestamp};

use crate::mx::Received;

/// Lines of text that an answer quotes.
const QUOTED_MAX: usize = 12;
/// Octets of a header that is given back.
const HEADER_MAX: usize = 64 * 1024;

/// A message that the far side has taken, for one recipient.
#[derive(Debug, Clone)]
pub struct Original {
    /// Where answers of programs go: MAIL FROM.
    pub return_path: Address,
    /// The recipient that answers.
    pub recipient: Address,
    /// Who reports of it.
    pub host: String,
    /// The address that handed it over.
    pub peer: IpAddr,
    /// Its header, without the empty line.
    pub header: String,
    /// The first of its text.
    pub text: Vec<String>,
    /// The whole message.
    pub body: Bytes,
    /// When it is answered.
    pub now: Timestamp,
    /// The Message-ID of the answer.
    pub answer_id: String,
}

impl Original {
    /// Reads what was taken. `None` for mail from `<>`, which nobody answers (RFC 3834 §2), and for
    /// addresses that are none.
    pub fn read(
        received: &Received,
        (recipient, host): (&str, &str),
        number: u64,
        now: Timestamp,
    ) -> Option<Self> {
        let whole = String::from_utf8_lossy(&received.body);
        let (header, body) = whole.split_once("\r\n\r\n").unwrap_or((&whole, ""));
        let recipient = Address::parse(recipient).ok()?;
        let domain = recipient.domain();
        Some(Self {
            return_path: Address::parse(&received.from).ok()?,
            host: host.to_owned(),
            peer: received.peer.ip(),
            header: lines_of(cut(header, HEADER_MAX)),
            text: text_of(header, body),
            body: received.body.clone(),
            now,
            answer_id: format!("<answer-{}.{number}@{domain}>", now.as_micros()),
            recipient,
        })
    }

    /// The value of a header field on one line, printable ASCII alone; `None`: there is none.
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.header, name)
    }

    /// The mailbox in a field of one.
    pub fn mailbox(&self, name: &str) -> Option<Address> {
        let value = self.field(name)?;
        let bare = match value.rsplit_once('<') {
            Some((_, rest)) => rest.strip_suffix('>')?,
            None => value.as_str(),
        };
        Address::parse(bare).ok()
    }

    /// The fields by which an answer joins the thread (RFC 5322 §3.6.4).
    pub fn thread(&self) -> String {
        let Some(answered) = self.field("Message-ID") else {
            return String::new();
        };
        let references = self.field("References").unwrap_or_default();
        let references = format!("{references} {answered}").replace(' ', "\r\n ");
        let references = references.trim_start();
        format!("In-Reply-To: {answered}\r\nReferences: {references}\r\n")
    }

    /// Date, Message-ID and addresses: what every answer begins with.
    pub fn heading(&self, from: &str, to: &str, subject: &str) -> String {
        let (date, id) = (self.now.to_rfc5322(), &self.answer_id);
        format!(
            "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: {id}\r\n"
        )
    }

    /// Its Subject.
    pub fn subject(&self) -> String {
        self.field("Subject")
            .unwrap_or_else(|| "your message".to_owned())
    }
}

/// The header of a message.
pub(super) fn header_of(message: &[u8]) -> String {
    let end = memchr::memmem::find(message, b"\r\n\r\n").unwrap_or(message.len());
    let header = String::from_utf8_lossy(&message[..end]);
    lines_of(cut(&header, HEADER_MAX))
}

/// The value of a header field, as [`Original::field`] gives it.
pub(super) fn field(header: &str, name: &str) -> Option<String> {
    let mut lines = header.split("\r\n").skip_while(|line| {
        let field = line.split_once(':').map(|(name, _)| name.trim_end());
        !field.is_some_and(|field| field.eq_ignore_ascii_case(name))
    });
    let mut value = lines.next()?.split_once(':')?.1.to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push_str(line);
    }
    value.retain(|c| c.is_ascii_graphic() || c == ' ');
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The first lines of the text, or of the part that is plain text.
fn text_of(header: &str, body: &str) -> Vec<String> {
    let part = if header.to_ascii_lowercase().contains("multipart/") {
        let parts = body.split("\r\n\r\n").collect::<Vec<_>>();
        let heads = parts.iter().position(|part| part.contains("text/plain"));
        heads.map_or(String::new(), |at| parts[at + 1..].join("\r\n\r\n"))
    } else {
        body.to_owned()
    };
    let lines = part.lines().take_while(|line| !line.starts_with("--"));
    let printable = |line: &str| line.chars().filter(|c| !c.is_control()).take(200).collect();
    let mut lines: Vec<String> = lines.take(QUOTED_MAX).map(printable).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The same without what ends a line or moves a cursor where it should not.
fn lines_of(header: &str) -> String {
    let lines = header.split("\r\n");
    let clean = lines.map(|line| line.replace(|c: char| c.is_control() && c != '\t', " "));
    clean.collect::<Vec<_>>().join("\r\n")
}

fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}
