//! The encodings of RFC 2045 §6.7 and §6.8.
//!
//! Each of them, decoded, gives the octets that it was made of, line ends included. None ends with
//! a line end that was not in the content.

use memchr::memchr_iter;

use crate::base64;

use super::LINE_MAX;

/// RFC 2045 §6.7 (5): 76 characters, the `=` of a soft line break included.
pub(crate) const QUOTED_LINE: usize = 75;

/// Text as quoted-printable; its CRLFs stay line ends.
pub(super) fn quoted_printable(content: &[u8]) -> Vec<u8> {
    let mut quoted = Quoted::with_capacity(content.len());
    let mut rest = content;
    while let Some((&octet, after)) = rest.split_first() {
        if let Some(next) = rest.strip_prefix(b"\r\n") {
            quoted.end_line();
            rest = next;
            continue;
        }
        // RFC 2045 §6.7 (3): white space at the end of a line may be lost on the way.
        let ends_line = after.is_empty() || after.starts_with(b"\r\n");
        match octet {
            b' ' | b'\t' if !ends_line => quoted.push(&[octet]),
            b'!'..=b'<' | b'>'..=b'~' => quoted.push(&[octet]),
            _ => quoted.push_escaped(octet),
        }
        rest = after;
    }
    quoted.octets
}

/// Whether quoted-printable is what it should be, octets over 127 aside: readers differ about the
/// rest.
pub(super) fn is_quoted_printable(content: &[u8]) -> bool {
    memchr_iter(b'=', content).all(|at| match content.get(at + 1..) {
        Some([high, low, ..]) if high.is_ascii_hexdigit() => low.is_ascii_hexdigit(),
        Some(rest) => rest.starts_with(b"\r\n"),
        None => false,
    })
}

/// What is quoted-printable already, with its long lines broken softly and its octets over 127
/// escaped. Lines without either stay as they are.
pub(super) fn quoted_again(content: &[u8]) -> Vec<u8> {
    let mut quoted = Quoted::with_capacity(content.len());
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if text.is_ascii() && text.len() <= LINE_MAX {
            quoted.octets.extend_from_slice(line);
            quoted.column = 0;
            continue;
        }
        let mut rest = text;
        while let Some((&first, after)) = rest.split_first() {
            let len = if first == b'=' { 3.min(rest.len()) } else { 1 };
            if first.is_ascii() {
                quoted.push(rest.get(..len).unwrap_or_default());
                rest = rest.get(len..).unwrap_or_default();
            } else {
                quoted.push_escaped(first);
                rest = after;
            }
        }
        if line.len() > text.len() {
            quoted.end_line();
        }
    }
    quoted.octets
}

/// Anything as base64.
pub(super) fn base64(content: &[u8]) -> Vec<u8> {
    base64::encode(content, base64::LINE)
}

/// What is base64 already, in lines of the usual length.
pub(super) fn base64_again(content: &[u8]) -> Vec<u8> {
    let kept: Vec<u8> = content
        .iter()
        .copied()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    let lines: Vec<&[u8]> = kept.chunks(base64::LINE).collect();
    let mut again = lines.join(&b"\r\n"[..]);
    if content.ends_with(b"\r\n") {
        again.extend_from_slice(b"\r\n");
    }
    again
}

/// Quoted-printable that is being written.
#[derive(Debug)]
pub(crate) struct Quoted {
    pub(crate) octets: Vec<u8>,
    /// How many octets the line has so far.
    pub(crate) column: usize,
}

impl Quoted {
    fn with_capacity(content: usize) -> Self {
        Self {
            octets: Vec::with_capacity(content + content / 4),
            column: 0,
        }
    }

    /// Octets that must stay together.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        if self.column + octets.len() > QUOTED_LINE {
            self.break_softly();
        }
        self.octets.extend_from_slice(octets);
        self.column += octets.len();
    }

    pub(crate) fn break_softly(&mut self) {
        self.octets.extend_from_slice(b"=\r\n");
        self.column = 0;
    }

    pub(crate) fn push_escaped(&mut self, octet: u8) {
        const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        self.push(&[b'=', digit(octet >> 4), digit(octet & 15)]);
    }

    fn end_line(&mut self) {
        self.octets.extend_from_slice(b"\r\n");
        self.column = 0;
    }
}
