//! What comes back of the message that a report is about.

use crate::header::Header;

use super::super::mime::{DEPTH_MAX, Mail};

/// Octets of a value that are kept.
const VALUE_MAX: usize = 1_000;

/// What the header of a returned message says; what a delivery of ours can be found by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returned {
    /// Its Message-ID, without angle brackets.
    pub message_id: Option<String>,
    /// Our own header, `X-Postbell-Delivery`.
    pub delivery: Option<String>,
    /// Its Feedback-ID.
    pub feedback_id: Option<String>,
    /// Its return path, without angle brackets: where that is ours it has a token.
    pub return_path: Option<String>,
    /// Its Reply-To, which may have a token as well.
    pub reply_to: Option<String>,
    /// Its List-Unsubscribe, likewise.
    pub list_unsubscribe: Option<String>,
    /// Its From.
    pub from: Option<String>,
    /// Its To.
    pub to: Option<String>,
    /// Its Date, as it was written.
    pub date: Option<String>,
    /// Its Subject, decoded.
    pub subject: Option<String>,
    /// The addresses that servers on its way noted for its recipient, the nearest first.
    pub recipients: Vec<String>,
}

impl Returned {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a header says.
    pub(crate) fn read(header: &Header<'_>) -> Self {
        let mut returned = Self::default();
        for field in header.fields() {
            let Ok(name) = std::str::from_utf8(field.name()) else {
                continue;
            };
            let text = || Some(cut(&field.text()));
            let plain = || Some(bracketed(&field.text()));
            match name.to_ascii_lowercase().as_str() {
                "message-id" => set(&mut returned.message_id, plain),
                "x-postbell-delivery" => set(&mut returned.delivery, text),
                "feedback-id" => set(&mut returned.feedback_id, text),
                "return-path" => set(&mut returned.return_path, plain),
                "reply-to" => set(&mut returned.reply_to, text),
                "list-unsubscribe" => set(&mut returned.list_unsubscribe, text),
                "from" => set(&mut returned.from, text),
                "to" => set(&mut returned.to, text),
                "date" => set(&mut returned.date, text),
                "subject" => set(&mut returned.subject, text),
                "delivered-to"
                | "x-original-to"
                | "envelope-to"
                | "x-hmxmroriginalrecipient"
                | "x-apparently-to"
                | "x-rcpt-to" => returned.note(&field.text()),
                "received" => returned.note_received(&field.text()),
                _ => {}
            }
        }
        returned
    }

    /// What a message within this one says, or the header in a part `text/rfc822-headers`
    /// (RFC 6522 §4).
    pub(crate) fn within(mail: &Mail<'_>) -> Self {
        if let Some(index) = mail.enclosed() {
            return Self::read(&mail.header(index));
        }
        let headers = mail.leaves().find(|(_, part)| {
            part.media.sub == "rfc822-headers"
                || (part.media.main == "message" && part.media.sub == "rfc822")
        });
        let Some((index, _)) = headers else {
            return Self::default();
        };
        let octets = mail.octets(index);
        let trimmed = octets.trim_ascii_start();
        Header::find(trimmed).map_or_else(|_| Self::default(), |header| Self::read(&header))
    }

    fn note(&mut self, value: &str) {
        let word = value.split([' ', ';', ',']).find(|word| word.contains('@'));
        let Some(address) = word.map(bracketed) else {
            return;
        };
        if self.recipients.len() < DEPTH_MAX && !self.recipients.contains(&address) {
            self.recipients.push(address);
        }
    }

    /// RFC 5321 §4.4: `for <address>`.
    fn note_received(&mut self, value: &str) {
        let behind = value
            .split(" for ")
            .nth(1)
            .or_else(|| value.split("\tfor ").nth(1));
        if let Some(behind) = behind
            && let Some(word) = behind.split_ascii_whitespace().next()
        {
            self.note(word);
        }
    }
}

fn set(place: &mut Option<String>, value: impl FnOnce() -> Option<String>) {
    if place.is_none() {
        *place = value().filter(|text| !text.is_empty());
    }
}

/// What stands between the first angle brackets; all of it where there are none.
pub(crate) fn bracketed(value: &str) -> String {
    let inner = value
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    cut(inner.map_or(value, |(inner, _)| inner))
}

pub(crate) fn cut(value: &str) -> String {
    let plain = value.chars().filter(|c| !c.is_control());
    let mut text: String = plain.take(VALUE_MAX).collect();
    while text.len() > VALUE_MAX {
        text.pop();
    }
    text.trim().to_owned()
}
