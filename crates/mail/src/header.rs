//! The header of a raw message: its fields with their places (RFC 5322 §2.2, §3.6.8).
//!
//! The header ends at the first empty line, or with the message. A line ends at LF, with or
//! without a CR before it: the gate refuses bare LF, but no field may hide behind one here. A
//! line that starts with white space continues the field before it (RFC 5322 §2.2.3); where
//! there is none, and where a line has no field name and colon, it is a field without a name,
//! and the header goes on after it. White space between name and colon is read over, as
//! RFC 5322 §4.5 asks of readers.

use std::borrow::Cow;
use std::iter::FusedIterator;
use std::ops::Range;

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use memchr::{memchr, memchr_iter, memmem};

use crate::words::prepared;

/// A longer header is not read.
pub const HEADER_MAX: usize = 256 * 1024;

/// Why a header is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It has more than [`HEADER_MAX`] octets.
    #[error("the header is longer than {HEADER_MAX} octets")]
    TooLong,
}

/// The header of a message, found but not yet read.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    fields: &'a [u8],
}

impl<'a> Header<'a> {
    /// Finds the header of a message. Costs one look at each of its lines.
    ///
    /// # Errors
    /// It is longer than [`HEADER_MAX`].
    pub fn find(raw: &'a [u8]) -> Result<Self, HeaderError> {
        // Two octets more than fit, so that the empty line after the longest header is seen.
        let window = raw.get(..HEADER_MAX + 2).unwrap_or(raw);
        let fields = window
            .get(..end_of_fields(window))
            .filter(|fields| fields.len() <= HEADER_MAX)
            .ok_or(HeaderError::TooLong)?;
        Ok(Self { fields })
    }

    /// The header that these octets are, without the empty line that ends it.
    pub(crate) const fn of(fields: &'a [u8]) -> Self {
        Self { fields }
    }

    /// Its octets, without the empty line that ends it.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.fields
    }

    /// Its fields in their order.
    pub const fn fields(&self) -> Fields<'a> {
        Fields {
            header: self.fields,
            at: 0,
        }
    }
}

/// Where the empty line begins; the length of `window` where there is none.
fn end_of_fields(window: &[u8]) -> usize {
    if is_empty_line(window) {
        return 0;
    }
    memchr_iter(b'\n', window)
        .map(|lf| lf + 1)
        .find(|&next| window.get(next..).is_some_and(is_empty_line))
        .unwrap_or(window.len())
}

fn is_empty_line(at: &[u8]) -> bool {
    at.starts_with(b"\r\n") || at.starts_with(b"\n")
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    span: Range<usize>,
}

impl<'a> Field<'a> {
    /// Its name as written; empty for a line that is no field.
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Whether this is its name, in any case.
    pub const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What follows the colon, folded as it was, without the final line end; the whole line
    /// where there is no name.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The value on one line and without white space around it (RFC 5322 §2.2.3: unfolding
    /// takes away the line ends alone).
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        let value = self.value.trim_ascii();
        if memchr(b'\n', value).is_none() {
            return Cow::Borrowed(value);
        }
        let lines = value
            .split(|&octet| octet == b'\n')
            .flat_map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        Cow::Owned(lines.copied().collect())
    }

    /// The value as text on one line: encoded words decoded (RFC 2047), everything else taken as
    /// UTF-8, which RFC 6532 §3 allows and many send without saying so.
    pub fn text(&self) -> String {
        self.text_in(None)
    }

    /// The same of a message whose text is in this character set: octets that can't be UTF-8 are
    /// taken for that, and for Windows-1252 where there is none.
    pub fn text_in(&self, charset: Option<&str>) -> String {
        decoded(&self.unfolded(), charset)
    }

    /// Whether there is nothing but white space in it.
    pub const fn is_blank(&self) -> bool {
        self.value.trim_ascii().is_empty()
    }

    /// Its octets in the message, from the name to the line end.
    pub const fn span(&self) -> &Range<usize> {
        &self.span
    }
}

/// Text on one line, its encoded words decoded.
pub(crate) fn decoded(value: &[u8], charset: Option<&str>) -> String {
    let value = prepared(value, charset);
    if memmem::find(&value, b"=?").is_none() {
        return String::from_utf8_lossy(&value).into_owned();
    }
    let mut line = value.to_vec();
    line.push(b'\n');
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::from_utf8_lossy(&value).into_owned(),
    }
}

/// The fields of a header, in their order.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    header: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.header.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (octets, _) = rest.split_at_checked(field_len(rest))?;
        let span = self.at..self.at + octets.len();
        self.at = span.end;
        let line = octets.strip_suffix(b"\n").unwrap_or(octets);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (name, value) = split_name(line).unwrap_or((b"", line));
        Some(Field { name, value, span })
    }
}

impl FusedIterator for Fields<'_> {}

/// The octets of the field that `rest` begins with, continuation lines and line end included.
fn field_len(rest: &[u8]) -> usize {
    memchr_iter(b'\n', rest)
        .map(|lf| lf + 1)
        .find(|&next| !matches!(rest.get(next), Some(b' ' | b'\t')))
        .unwrap_or(rest.len())
}

fn split_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = line.split_at_checked(memchr(b':', line)?)?;
    let name = match name {
        [b' ' | b'\t', ..] => return None,
        _ => name.trim_ascii_end(),
    };
    // RFC 5322 §3.6.8: a name is of printable ASCII.
    let plain = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    plain.then_some((name, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, fields: &[(&str, &str)]) {
        let read: Vec<_> = Header::find(raw.as_bytes())
            .unwrap()
            .fields()
            .map(|field| (text(field.name()), text(&field.unfolded())))
            .collect();
        let wanted: Vec<_> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(read, wanted, "{raw:?}");
    }

    fn text(octets: &[u8]) -> String {
        String::from_utf8_lossy(octets).into_owned()
    }

    #[test]
    fn fields_end_at_the_empty_line() {
        check("", &[]);
        check("\r\nA: b\r\n", &[]);
        check("A: b\r\nC:d", &[("A", "b"), ("C", "d")]);
        check("A: b\r\n\r\nC: d\r\n", &[("A", "b")]);
        check("A: b\nC: d\n\nE: f\n", &[("A", "b"), ("C", "d")]);
        check("A:\r\n", &[("A", "")]);
        check("A : b\r\n", &[("A", "b")]);
    }

    // RFC 5322 §2.2.3
    #[test]
    fn folded_lines_belong_together() {
        check(
            "A: b\r\n c\r\n\td\r\nE: f\r\n\r\n",
            &[("A", "b c\td"), ("E", "f")],
        );
        check("A:\r\n b\r\n", &[("A", "b")]);
        check("A: b\n c\r\n", &[("A", "b c")]);
    }

    #[test]
    fn a_line_that_is_no_field_has_no_name() {
        check(" x\r\nA: b\r\n", &[("", "x"), ("A", "b")]);
        check(
            "A: b\r\nno field\r\nC: d\r\n",
            &[("A", "b"), ("", "no field"), ("C", "d")],
        );
        check("two words: b\r\n", &[("", "two words: b")]);
        check("no field\r\n a: b\r\n", &[("", "no field a: b")]);
        check(": b\r\n", &[("", ": b")]);
        check("Ä: b\r\n", &[("", "Ä: b")]);
    }

    #[test]
    fn spans_cover_the_header() {
        let raw = b"A: b\r\n c\r\nD: e\r\n\r\nbody";
        let header = Header::find(raw).unwrap();
        let spans: Vec<_> = header.fields().map(|field| field.span().clone()).collect();
        assert_eq!(spans, [0..10, 10..16]);
        assert_eq!(header.as_bytes().len(), 16);
    }

    #[test]
    fn a_header_has_a_limit() {
        let longest = format!("A: {}\r\n", "x".repeat(HEADER_MAX - 5));
        assert_eq!(longest.len(), HEADER_MAX);
        for rest in ["", "\r\n", "\r\nbody", "\nbody"] {
            assert!(Header::find(format!("{longest}{rest}").as_bytes()).is_ok());
        }
        for rest in ["x", "B: c\r\n", "xx\r\n\r\n"] {
            let found = Header::find(format!("{longest}{rest}").as_bytes()).map(|_| ());
            assert_eq!(found, Err(HeaderError::TooLong));
        }
    }
}
