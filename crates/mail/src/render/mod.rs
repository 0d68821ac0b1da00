//! What goes out for one delivery: the submitted message, with our header fields in front and
//! without those that are not for the recipient.
//!
//! RFC 5321 §4.4 (Received), RFC 6409 §8.2 and §8.3 (Date and Message-ID where missing; a Date that
//! nobody can read),
//! RFC 5322 §3.6.3 (Bcc is taken away), §3.6.2 (Reply-To, where answers are caught), RFC 8058
//! (List-Unsubscribe, where that is asked for). The body is never copied: the result is the new block
//! and slices of what was stored.
//!
//! A message that came in and goes on ([`forward`]) is not ours to change: next to nothing is taken
//! from it.
//!
//! Not done here: Return-Path, which belongs to the final delivery (RFC 5321 §4.4), and anything
//! about the content.

mod forward;
mod reply_to;
#[cfg(test)]
mod tests;
mod unsubscribe;

use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use postbell_model::{Domain, Message, Timestamp};

use crate::control;
use crate::header::{Field, Header, HeaderError};

pub use unsubscribe::Unsubscribe;

/// What one delivery's message is rendered from.
#[derive(Debug, Clone, Copy)]
pub struct Rendering<'a> {
    /// The message.
    pub message: &'a Message,
    /// Its octets as submitted or tracked, in chunks; the first has the whole header.
    pub body: &'a [Bytes],
    /// Our name, for the Received field.
    pub hostname: &'a str,
    /// The token that names the delivery.
    pub header_token: &'a str,
    /// Where answers are caught: the Reply-To of a message that has none, or one that leads nowhere.
    pub reply_to: Option<&'a str>,
    /// Where the recipient unsubscribes: the List-Unsubscribe of a message that has none.
    pub unsubscribe: Option<&'a dyn Unsubscribe>,
}

/// A message as it goes out.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Its octets in order, CRLF line ends, the last line ended, not dot-stuffed.
    pub chunks: Vec<Bytes>,
    /// How many octets that are.
    pub len: u64,
}

/// A message that can't be rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The header can't be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// Renders a message for one delivery. Costs one look at the header, whatever the body's size.
///
/// # Errors
/// The header can't be read; the gate lets no such message in.
pub fn render(rendering: &Rendering<'_>) -> Result<Rendered, RenderError> {
    if let Some(forward) = &rendering.message.forward {
        return forward::render(rendering, forward);
    }
    let (first, rest) = first_chunk(rendering.body);
    let header = Header::find(first)?;
    let mut has = Has::default();
    let mut removed = Vec::new();
    let unsubscribe = rendering.unsubscribe;
    let unsubscribe = unsubscribe.and_then(|place| unsubscribe::missing(header, place));
    for field in header.fields() {
        let is_replaced = (rendering.reply_to.is_some() && is_empty_reply_to(&field))
            || (unsubscribe.is_some() && unsubscribe::is_replaced(&field));
        if is_replaced || is_removed(&field) {
            removed.push(field.span().clone());
        } else {
            has.see(field);
        }
    }
    let mut block = block(rendering, &has);
    block.push_str(&unsubscribe.unwrap_or_default());
    Ok(put_together(block, (first, rest), &removed))
}

/// The chunk that has the header, and those behind it.
fn first_chunk(body: &[Bytes]) -> (&Bytes, &[Bytes]) {
    static NOTHING: Bytes = Bytes::new();
    body.split_first().unwrap_or((&NOTHING, &[]))
}

/// Our block, and what is kept of the message.
fn put_together(
    block: String,
    (first, rest): (&Bytes, &[Bytes]),
    removed: &[Range<usize>],
) -> Rendered {
    let mut chunks = vec![Bytes::from(block)];
    push_kept(&mut chunks, first, removed);
    chunks.extend_from_slice(rest);
    chunks.extend(line_end(&chunks));
    let len = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    Rendered { chunks, len }
}

/// The fields that we add only where they are missing, and the one that says who writes.
#[derive(Debug, Clone, Default)]
struct Has<'a> {
    message_id: bool,
    date: bool,
    feedback_id: bool,
    reply_to: bool,
    from: Option<Field<'a>>,
}

impl<'a> Has<'a> {
    fn see(&mut self, field: Field<'a>) {
        self.message_id |= field.is("Message-ID");
        self.date |= field.is("Date");
        self.feedback_id |= field.is("Feedback-ID");
        self.reply_to |= field.is("Reply-To");
        if field.is("From") {
            self.from = Some(field);
        }
    }
}

fn is_empty_reply_to(field: &Field<'_>) -> bool {
    field.is("Reply-To") && reply_to::is_empty(field)
}

/// Fields that stay with us: who else got the message, where its bounces go, what the sender
/// told us about it, and those that we write in full.
pub(crate) fn is_removed(field: &Field<'_>) -> bool {
    control::is_control(field)
        || field.is("Bcc")
        || field.is("Return-Path")
        || (field.is("Message-ID") && field.is_blank())
        || (field.is("Date") && !is_date(field))
}

/// Whether a reader makes a moment of a Date field, well-formed or not. RFC 6409 §8.2 lets us
/// correct one that does not conform; what can be read is left as it is.
fn is_date(field: &Field<'_>) -> bool {
    let mut line = field.unfolded().into_owned();
    if std::str::from_utf8(&line).is_ok_and(|text| Timestamp::read_rfc5322(text).is_some()) {
        return true;
    }
    line.push(b'\n');
    match MessageStream::new(&line).parse_date() {
        HeaderValue::DateTime(date) => date.is_valid(),
        _ => false,
    }
}

/// What lies between the removed spans, which are in order.
fn push_kept(chunks: &mut Vec<Bytes>, body: &Bytes, removed: &[Range<usize>]) {
    let mut at = 0;
    let end = body.len()..body.len();
    for gap in removed.iter().chain(Some(&end)) {
        if at < gap.start {
            chunks.push(body.slice(at..gap.start));
        }
        at = gap.end;
    }
}

/// What the last line lacks of its CRLF.
fn line_end(chunks: &[Bytes]) -> Option<Bytes> {
    let mut backwards = chunks.iter().rev().flat_map(|chunk| chunk.iter().rev());
    match (backwards.next(), backwards.next()) {
        (None, _) | (Some(b'\n'), Some(b'\r')) => None,
        (Some(b'\r'), _) => Some(Bytes::from_static(b"\n")),
        _ => Some(Bytes::from_static(b"\r\n")),
    }
}

fn block(rendering: &Rendering<'_>, has: &Has<'_>) -> String {
    let message = rendering.message;
    let token = rendering.header_token;
    let date = message.accepted_at.to_rfc5322();
    let mut block = received(rendering, &date);
    block.push_str(&format!("X-Postbell-Delivery: {token}\r\n"));
    if !has.feedback_id {
        // Deviation: RFC 5322 §2.1.1 would have this line within 78 characters, which it passes
        // by a few; folded right behind the name, some readers take the field for an empty one.
        block.push_str(&format!(
            "Feedback-ID: {token}:{}:{}:postbell\r\n",
            message.configuration_set, message.workspace
        ));
    }
    if !has.message_id {
        let id = one_line(&message.header_message_id);
        block.push_str(&format!("Message-ID: {id}\r\n"));
    }
    if !has.date {
        block.push_str(&format!("Date: {date}\r\n"));
    }
    if let (Some(address), false) = (rendering.reply_to, has.reply_to) {
        block.push_str(&reply_to::field(address, has.from.as_ref()));
    }
    block
}

// RFC 5321 §4.4: from, by, with, id and date. There is no `for` clause: it would tell one
// recipient of another (§7.6).
fn received(rendering: &Rendering<'_>, date: &str) -> String {
    let message = rendering.message;
    let from = from_clause(&message.received.helo, message.received.peer);
    format!(
        "Received: {from}by {} (Postbell) with {}\r\n\tid {};\r\n\t{date}\r\n",
        word(rendering.hostname),
        word(&message.received.with),
        message.id,
    )
}

/// Who the client was: what it called itself, and its address.
pub fn from_clause(helo: &str, peer: Option<IpAddr>) -> String {
    match peer {
        Some(ip) => format!("from {} ({})\r\n\t", word(helo), Domain::from(ip)),
        None if helo.is_empty() => String::new(),
        None => format!("from {}\r\n\t", word(helo)),
    }
}

/// A text as one word of a Received field: what could end the word, open a comment or end the
/// line is left out.
pub fn word(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| c.is_ascii_graphic() && !"()<>;,\\\"".contains(*c))
        .take(255)
        .collect();
    if kept.is_empty() {
        return "unknown".to_owned();
    }
    kept
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
