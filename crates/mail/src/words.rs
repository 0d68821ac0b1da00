//! The octets of a header field, made ready to be read as text: as UTF-8, and with the encoded
//! words of one text together (RFC 2047).
//!
//! Raw octets over 127 are UTF-8 where they can be (RFC 6532 §3). Otherwise they are in the
//! character set of the message, as programs write that know no encoded words.

use std::borrow::Cow;
use std::str;

use memchr::{memchr, memmem};

use crate::inbound::mime::{Encoding, to_text};

/// Longer names of character sets are none.
const CHARSET_MAX: usize = 60;

/// Character sets in which what an octet means depends on those before it. Each word of theirs
/// begins anew (RFC 2047 §3).
const STATEFUL: [&str; 8] = [
    "iso-2022",
    "csiso2022",
    "hz",
    "utf-7",
    "utf7",
    "unicode-1-1-utf-7",
    "utf-16",
    "utf-32",
];

/// The value as UTF-8, its encoded words joined. `charset` is what the message says of its text.
pub(crate) fn prepared<'a>(value: &'a [u8], charset: Option<&str>) -> Cow<'a, [u8]> {
    match as_utf8(value, charset) {
        Cow::Borrowed(_) => joined(value),
        Cow::Owned(text) => Cow::Owned(joined(text.as_bytes()).into_owned()),
    }
}

fn as_utf8<'a>(value: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    if let Ok(text) = str::from_utf8(value) {
        return Cow::Borrowed(text);
    }
    let is_utf8 = |name: &&str| {
        ["utf-8", "utf8"]
            .iter()
            .any(|utf8| utf8.eq_ignore_ascii_case(name))
    };
    let charset = charset.filter(|name| !is_utf8(name));
    // UTF-8 that was cut stays what it is.
    let mut chunks = value.utf8_chunks();
    if charset.is_none() && chunks.any(|chunk| !chunk.valid().is_ascii()) {
        return Cow::Owned(String::from_utf8_lossy(value).into_owned());
    }
    Cow::Owned(to_text(value, charset))
}

// Deviation: RFC 2047 §5 wants whole characters in each word, but many programs cut between the
// octets of one. So words of one character set that follow one another are read as one.
fn joined(value: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = find(value, at) {
        let Some(first) = Word::at(value, start) else {
            at = start + 2;
            continue;
        };
        at = first.end;
        let mut run = vec![&first.encoded];
        let behind = |end: usize| {
            let next = Word::at(value, behind_blanks(value, end))?;
            first.goes_on_with(&next).then_some(next)
        };
        let more: Vec<_> =
            std::iter::successors(behind(first.end), |next| behind(next.end)).collect();
        let Some(last) = more.last() else {
            continue;
        };
        at = last.end;
        run.extend(more.iter().map(|word| &word.encoded));
        out.extend_from_slice(value.get(copied..start).unwrap_or_default());
        first.write(&run, &mut out);
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(value);
    }
    out.extend_from_slice(value.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

fn find(value: &[u8], from: usize) -> Option<usize> {
    memmem::find(value.get(from..)?, b"=?").map(|at| from + at)
}

fn behind_blanks(value: &[u8], from: usize) -> usize {
    let rest = value.get(from..).unwrap_or_default();
    from + rest.len() - rest.trim_ascii_start().len()
}

/// An encoded word: `=?charset*language?q?encoded?=`.
struct Word<'a> {
    charset: &'a [u8],
    encoding: u8,
    encoded: &'a [u8],
    end: usize,
}

impl<'a> Word<'a> {
    fn at(value: &'a [u8], start: usize) -> Option<Self> {
        let rest = value.get(start..)?.strip_prefix(b"=?")?;
        let (charset, rest) = until_mark(rest)?;
        let charset = charset.split(|octet| *octet == b'*').next()?;
        let is_name =
            (2..=CHARSET_MAX).contains(&charset.len()) && charset.iter().all(u8::is_ascii_graphic);
        let (encoding, rest) = until_mark(rest)?;
        let [encoding] = encoding.to_ascii_lowercase().try_into().ok()?;
        let (encoded, rest) = until_mark(rest)?;
        let rest = rest.strip_prefix(b"=")?;
        (is_name && matches!(encoding, b'q' | b'b')).then_some(Self {
            charset,
            encoding,
            encoded,
            end: value.len() - rest.len(),
        })
    }

    fn goes_on_with(&self, next: &Self) -> bool {
        let is_stateful = STATEFUL.iter().any(|name| {
            let head = self.charset.get(..name.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
        });
        !is_stateful
            && self.encoding == next.encoding
            && self.charset.eq_ignore_ascii_case(next.charset)
    }

    /// One word of what several have.
    fn write(&self, run: &[&&[u8]], out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        out.extend_from_slice(b"=?");
        out.extend_from_slice(self.charset);
        out.extend_from_slice(b"?q?");
        for encoded in run {
            let octets = match self.encoding {
                b'b' => Encoding::Base64.decode(encoded).into_owned(),
                _ => {
                    // RFC 2047 §4.2: an underscore is a space.
                    let spaced = encoded.iter().map(|octet| match octet {
                        b'_' => b' ',
                        octet => *octet,
                    });
                    Encoding::QuotedPrintable
                        .decode(&spaced.collect::<Vec<_>>())
                        .into_owned()
                }
            };
            for octet in octets {
                out.extend([b'=', digit(octet >> 4), digit(octet & 15)]);
            }
        }
        out.extend_from_slice(b"?=");
    }
}

fn until_mark(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = octets.split_at_checked(memchr(b'?', octets)?)?;
    Some((head, rest.get(1..)?))
}
