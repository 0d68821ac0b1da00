//! Mail that came in, as the vocabularies tell it.
//!
//! All of it is written by strangers. Values stand in documents as JSON strings and nowhere else,
//! and what is one line of a header stays one line, so that nobody who copies it into a header, a
//! log or a terminal gets a second one. Only texts and diagnostics have lines.

mod authentication;

use std::borrow::Cow;

use postbell_model::InboundId;
use postbell_model::inbound::{Attachment, Content};
use serde::Serialize;

use authentication::Verdicts;

/// What a message says, under the names that the Splashify reference has for it: each a text,
/// empty where there is none.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    from: String,
    subject: Cow<'a, str>,
    message_id: String,
    in_reply_to: String,
    references: String,
    text_body: &'a str,
    html_body: &'a str,
}

/// What the reference has no names for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details<'a> {
    inbound_id: String,
    raw: String,
    from_address: Cow<'a, str>,
    from_name: Cow<'a, str>,
    to: Vec<Cow<'a, str>>,
    stripped_text: &'a str,
    truncated: Truncated,
    attachments: Vec<AttachmentDetails<'a>>,
    auto_reply: Option<&'static str>,
    authentication: Verdicts<'a>,
}

/// Which texts go on: all of them is in the message itself.
#[derive(Serialize)]
struct Truncated {
    text_body: bool,
    html_body: bool,
    #[serde(rename = "strippedText")]
    stripped_text: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttachmentDetails<'a> {
    part: u32,
    name: Option<Cow<'a, str>>,
    content_type: Cow<'a, str>,
    size: u64,
    content_id: Option<Cow<'a, str>>,
    path: String,
}

impl<'a> Written<'a> {
    pub(super) fn new(content: &'a Content) -> Self {
        let id = |id: &Option<String>| id.as_deref().map(bracketed).unwrap_or_default();
        let references: Vec<_> = content.references.iter().map(|id| bracketed(id)).collect();
        Self {
            from: mailbox(&content.from_name, &content.from),
            subject: one_line(&content.subject),
            message_id: id(&content.message_id),
            in_reply_to: id(&content.in_reply_to),
            references: references.join(" "),
            text_body: &content.text.text,
            html_body: content.html.as_ref().map_or("", |html| &html.text),
        }
    }
}

impl<'a> Details<'a> {
    pub(super) fn new(inbound: InboundId, content: &'a Content) -> Self {
        let attachments = content.attachments.iter();
        Self {
            inbound_id: inbound.to_string(),
            raw: raw_path(inbound),
            from_address: one_line(&content.from),
            from_name: one_line(&content.from_name),
            to: content.to.iter().map(|to| one_line(to)).collect(),
            stripped_text: &content.stripped_text.text,
            truncated: Truncated {
                text_body: content.text.is_cut,
                html_body: content.html.as_ref().is_some_and(|html| html.is_cut),
                stripped_text: content.stripped_text.is_cut,
            },
            attachments: attachments
                .map(|attachment| AttachmentDetails::new(inbound, attachment))
                .collect(),
            auto_reply: content.auto_reply.map(|class| class.name()),
            authentication: Verdicts::new(&content.authentication),
        }
    }
}

impl<'a> AttachmentDetails<'a> {
    fn new(inbound: InboundId, attachment: &'a Attachment) -> Self {
        Self {
            part: attachment.part,
            name: attachment.name.as_deref().map(one_line),
            content_type: one_line(&attachment.media_type),
            size: attachment.size,
            content_id: attachment.content_id.as_deref().map(one_line),
            path: format!("/v1/inbound/{inbound}/attachments/{}", attachment.part),
        }
    }
}

/// Where a message itself is fetched.
pub(super) fn raw_path(inbound: InboundId) -> String {
    format!("/v1/inbound/{inbound}/raw")
}

/// Text that is one line, without what would make it several or move a cursor.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    Cow::Owned(plain.collect())
}

/// `Ann Smith <ann@example.org>`. A name that could be taken for more than a name is quoted (RFC 5322
/// §3.2.4), so that whoever parses it finds the address that was read, and no other.
fn mailbox(name: &str, address: &str) -> String {
    let (name, address) = (one_line(name), one_line(address));
    let name = name.trim();
    if name.is_empty() {
        return address.into_owned();
    }
    let is_plain =
        |c: char| c.is_alphanumeric() || !c.is_ascii() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    if name.chars().all(is_plain) {
        return format!("{name} <{address}>");
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\" <{address}>")
}

fn bracketed(id: &str) -> String {
    format!("<{}>", one_line(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_is_an_address() {
        for (name, mailbox_of) in [
            ("", "a@b.example"),
            ("Ann Smith", "Ann Smith <a@b.example>"),
            ("Änn", "Änn <a@b.example>"),
            ("Smith, Ann", "\"Smith, Ann\" <a@b.example>"),
            ("ceo@bank.example", "\"ceo@bank.example\" <a@b.example>"),
            (
                "x\" <ceo@bank.example>, \"",
                "\"x\\\" <ceo@bank.example>, \\\"\" <a@b.example>",
            ),
            ("back\\", "\"back\\\\\" <a@b.example>"),
            ("Ann\r\nBcc: x", "\"Ann  Bcc: x\" <a@b.example>"),
        ] {
            assert_eq!(mailbox(name, "a@b.example"), mailbox_of);
        }
    }

    #[test]
    fn one_line_stays_one() {
        assert_eq!(one_line("a\r\nBcc: b\u{1b}[2J\u{85}c"), "a  Bcc: b [2J c");
        assert!(matches!(one_line("plain"), Cow::Borrowed("plain")));
    }
}
