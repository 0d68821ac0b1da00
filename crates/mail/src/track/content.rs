//! The content of a part, and where each octet of it stands in the message (RFC 2045 §6).

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use crate::base64;
use crate::inbound::mime::Encoding;

use super::{CONTENT_MAX, Note};

/// A part without its transfer encoding.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) octets: Cow<'a, [u8]>,
    pub(super) layout: Layout,
}

/// How the content stands in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// As it is.
    Plain,
    /// As quoted-printable.
    Quoted,
    /// As base64.
    Base64 {
        /// The digits of a line.
        line: usize,
        /// From the first digit to the last, within the body.
        digits: Range<usize>,
    },
}

impl<'a> Content<'a> {
    /// Takes the encoding, which `named` says, off a body.
    pub(super) fn read(body: &'a [u8], named: &[u8]) -> Result<Self, Note> {
        let name = String::from_utf8_lossy(named.trim_ascii()).to_ascii_lowercase();
        // Quoted-printable triples an octet, at most, and breaks lines.
        if body.len() > 4 * CONTENT_MAX {
            return Err(Note::TooLong);
        }
        let (layout, octets) = match name.as_str() {
            "" | "7bit" | "8bit" | "binary" => (Layout::Plain, Cow::Borrowed(body)),
            "quoted-printable" => (Layout::Quoted, Encoding::QuotedPrintable.decode(body)),
            // Readers differ about what comes behind padding, as where somebody has put lines there.
            "base64" => match base64::decode(body) {
                Some(octets) => (base64_layout(body), Cow::Owned(octets)),
                None => return Err(Note::EncodingLeftAlone(name)),
            },
            _ => return Err(Note::EncodingLeftAlone(name)),
        };
        if octets.len() > CONTENT_MAX {
            return Err(Note::TooLong);
        }
        Ok(Self { octets, layout })
    }
}

fn base64_layout(body: &[u8]) -> Layout {
    let start = body.len() - body.trim_ascii_start().len();
    let digits = start..body.trim_ascii_end().len().max(start);
    let text = body.get(digits.clone()).unwrap_or_default();
    let first = memchr(b'\n', text).and_then(|lf| text.get(..lf));
    let line = match first.map(|line| line.trim_ascii_end().len() / 4 * 4) {
        Some(line @ 4..=996) => line,
        _ => base64::LINE,
    };
    Layout::Base64 { line, digits }
}
