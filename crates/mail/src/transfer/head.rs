//! The header of a message or part, as far as its transfer encoding goes.

use std::ops::Range;

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

use crate::header::{Field, Header};
use crate::render;

/// A header of which there is one reading.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) has_type: bool,
    pub(super) has_mime_version: bool,
    pub(super) encoding: Encoding,
    /// The field that says so, with its line end.
    pub(super) encoding_field: Option<Range<usize>>,
    /// Whether it is ASCII.
    pub(super) is_ascii: bool,
    /// Whether it is but for the fields that are never sent.
    pub(super) is_sent_as_ascii: bool,
    /// Where a field can be added.
    pub(super) end: usize,
    pub(super) body: Range<usize>,
}

/// What a part is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Multipart {
        boundary: Vec<u8>,
        /// Whether it is signed or encrypted.
        protected: bool,
        /// Whether its parts are messages where they do not say (RFC 2046 §5.1.5).
        digest: bool,
    },
    /// A message with parts of its own.
    Message,
    /// What has to stay as it is: `message/partial`, `message/delivery-status`, …
    Fixed,
    Text,
    Other,
}

/// How a part's content is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// It is not: 7bit, or nothing was said.
    Plain,
    /// It is not: 8bit or binary.
    EightBit,
    QuotedPrintable,
    Base64,
    /// Something that is none of RFC 2045.
    Unknown,
}

impl Head {
    /// Reads the header of the part at `span`; `None` where there are several readings.
    pub(super) fn read(raw: &[u8], span: &Range<usize>, default: Kind) -> Option<Self> {
        let octets = raw.get(span.clone())?;
        let header = Header::find(octets).ok()?;
        let len = header.as_bytes().len();
        // RFC 2045 §5.1 has the fields once.
        let (mut types, mut encodings, mut versions) = (Vec::new(), Vec::new(), 0);
        let (mut is_ascii, mut is_sent_as_ascii) = (true, true);
        for field in header.fields() {
            if field.name().is_empty() {
                return None;
            }
            versions += usize::from(field.is("MIME-Version"));
            let ascii = octets.get(field.span().clone())?.is_ascii();
            is_ascii &= ascii;
            is_sent_as_ascii &= ascii || render::is_removed(&field);
            if field.is("Content-Type") {
                types.push(field);
            } else if field.is("Content-Transfer-Encoding") {
                encodings.push(field);
            }
        }
        if types.len() > 1 || encodings.len() > 1 || versions > 1 {
            return None;
        }
        let kind = types.first().map_or(Some(default), kind)?;
        let blank = blank_line(octets.get(len..)?);
        let field = encodings.first();
        Some(Self {
            kind,
            has_type: !types.is_empty(),
            has_mime_version: versions > 0,
            encoding: field.map_or(Encoding::Plain, encoding),
            encoding_field: field.map(|field| {
                let place = field.span();
                span.start + place.start..span.start + place.end
            }),
            is_ascii,
            is_sent_as_ascii,
            end: span.start + len,
            body: span.start + len + blank..span.end,
        })
    }
}

fn blank_line(at: &[u8]) -> usize {
    if at.starts_with(b"\r\n") {
        2
    } else {
        usize::from(at.starts_with(b"\n"))
    }
}

/// `None` where the field can't be read.
fn kind(field: &Field<'_>) -> Option<Kind> {
    let mut line = field.unfolded().into_owned();
    line.push(b'\n');
    let HeaderValue::ContentType(read) = MessageStream::new(&line).parse_content_type() else {
        return None;
    };
    let subtype = read.subtype()?.to_ascii_lowercase();
    Some(match read.ctype().to_ascii_lowercase().as_str() {
        "multipart" => Kind::Multipart {
            boundary: boundary(&read)?,
            protected: subtype == "signed" || subtype == "encrypted",
            digest: subtype == "digest",
        },
        "message" if subtype == "rfc822" => Kind::Message,
        // RFC 6532 §3.7: unlike the others it may be encoded.
        "message" if subtype == "global" => Kind::Other,
        "message" => Kind::Fixed,
        "text" => Kind::Text,
        _ => Kind::Other,
    })
}

/// RFC 2046 §5.1.1: it does not end with white space.
fn boundary(read: &ContentType<'_>) -> Option<Vec<u8>> {
    let mut named = read.attributes.iter().flatten();
    let is_boundary = |a: &&mail_parser::Attribute<'_>| a.name.eq_ignore_ascii_case("boundary");
    let boundary = named.by_ref().find(is_boundary)?;
    let again = named.any(|attribute| is_boundary(&attribute));
    let value = boundary.value.trim_end();
    (!value.is_empty() && !again).then(|| value.as_bytes().to_vec())
}

fn encoding(field: &Field<'_>) -> Encoding {
    let value = field.unfolded();
    match value.to_ascii_lowercase().as_slice() {
        b"7bit" | b"" => Encoding::Plain,
        b"8bit" | b"binary" => Encoding::EightBit,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"base64" => Encoding::Base64,
        _ => Encoding::Unknown,
    }
}
