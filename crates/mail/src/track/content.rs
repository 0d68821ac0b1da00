//! The content of a part, and where each octet of it stands in the message (RFC 2045 §6).

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use crate::inbound::mime::Encoding;

use super::{CONTENT_MAX, Note};

/// RFC 2045 §6.8: the line of base64 where it does not say another.
const BASE64_LINE: usize = 76;

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
        let (layout, encoding) = match name.as_str() {
            "" | "7bit" | "8bit" | "binary" => (Layout::Plain, Encoding::Identity),
            "quoted-printable" => (Layout::Quoted, Encoding::QuotedPrintable),
            "base64" => match base64(body) {
                Some(layout) => (layout, Encoding::Base64),
                None => return Err(Note::EncodingLeftAlone(name)),
            },
            _ => return Err(Note::EncodingLeftAlone(name)),
        };
        // Quoted-printable triples an octet, at most, and breaks lines.
        if body.len() > 4 * CONTENT_MAX {
            return Err(Note::TooLong);
        }
        let octets = encoding.decode(body);
        if octets.len() > CONTENT_MAX {
            return Err(Note::TooLong);
        }
        Ok(Self { octets, layout })
    }
}

/// `None` where there is more in the body than base64, as when somebody has put lines behind it.
fn base64(body: &[u8]) -> Option<Layout> {
    let start = body.len() - body.trim_ascii_start().len();
    let digits = start..body.trim_ascii_end().len().max(start);
    let text = body.get(digits.clone())?;
    let (mut count, mut padding) = (0_usize, 0_usize);
    for octet in text {
        match octet {
            b'\r' | b'\n' | b' ' | b'\t' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => count += 1,
            _ => return None,
        }
    }
    let is_whole = padding <= 2 && (count + padding) % 4 == 0;
    let first = memchr(b'\n', text).map(|lf| text.get(..lf).unwrap_or_default().trim_ascii_end());
    let line = match first.map(|line| line.len() / 4 * 4) {
        Some(line @ 4..=996) => line,
        _ => BASE64_LINE,
    };
    is_whole.then_some(Layout::Base64 { line, digits })
}
