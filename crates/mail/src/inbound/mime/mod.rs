//! A message as a tree of parts (RFC 2045, RFC 2046), whatever it looks like.
//!
//! The tree is found by a scanner of our own in one pass over the lines, without recursion, and
//! holds nothing but places in the octets: those stay as they came, and a leaf is decoded when it
//! is asked for. Past a limit the scan ends and says so; what lies behind belongs to the last
//! part, and the raw message has it all. Nothing is refused: where readers differ, the reading is
//! that of Python's `email`, which many programs have learnt to write for.

mod charset;
mod decode;
mod head;
mod parameters;
mod scan;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use crate::header::{Field, Header};

pub use charset::to_text;
pub use decode::Encoding;
pub(crate) use decode::{Piece, Quoted};
pub use head::Media;

/// Parts within parts; what is deeper is a leaf.
pub const DEPTH_MAX: usize = 32;
/// Parts of a message.
pub const PARTS_MAX: usize = 1_000;
/// Octets of a header of which fields are read.
pub const HEADER_MAX: usize = 100 * 1024;

/// A message that was read.
#[derive(Debug, Clone)]
pub struct Mail<'a> {
    raw: &'a [u8],
    parts: Vec<Part>,
    is_limited: bool,
}

/// A node of the tree. The first is the message itself, and a part's parent stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part that this one is in.
    pub parent: Option<usize>,
    /// How many parts it is in.
    pub depth: usize,
    /// What it is made of.
    pub kind: Kind,
    /// Its type, `text/plain` where it says nothing that can be understood.
    pub media: Media,
    /// The character set that it names.
    pub charset: Option<String>,
    /// How it was encoded.
    pub encoding: Encoding,
    /// Whether it says that it is an attachment.
    pub is_attachment: bool,
    /// Its file name, decoded (RFC 2231, RFC 2047): the last component alone.
    pub filename: Option<String>,
    /// Its Content-ID, without angle brackets.
    pub content_id: Option<String>,
    /// The parameter `report-type` (RFC 6522 §3), in lower case.
    pub report_type: Option<String>,
    header: Range<usize>,
    body: Range<usize>,
}

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Parts.
    Multipart,
    /// A message: its one child.
    Message,
    /// Content.
    Leaf,
}

impl<'a> Mail<'a> {
    /// Finds the parts of a message. Costs one look at each of its lines.
    pub fn read(raw: &'a [u8]) -> Self {
        let (parts, is_limited) = scan::scan(raw);
        Self {
            raw,
            parts,
            is_limited,
        }
    }

    /// The octets as they came.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The parts in the order of their headers; never empty.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether [`DEPTH_MAX`], [`PARTS_MAX`] or [`HEADER_MAX`] kept something from being read.
    pub const fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// The leaves, with their places in [`Mail::parts`].
    pub fn leaves(&self) -> impl Iterator<Item = (usize, &Part)> {
        let parts = self.parts.iter().enumerate();
        parts.filter(|(_, part)| part.kind == Kind::Leaf)
    }

    /// The leaves of the message itself, without those of messages within it.
    pub fn own_leaves(&self) -> impl Iterator<Item = (usize, &Part)> {
        self.leaves().filter(|(index, _)| !self.is_enclosed(*index))
    }

    /// Whether a part lies within a message that is itself a part.
    pub fn is_enclosed(&self, index: usize) -> bool {
        let mut at = self.parts.get(index).and_then(|part| part.parent);
        while let Some(part) = at.and_then(|index| self.parts.get(index)) {
            if part.kind == Kind::Message {
                return true;
            }
            at = part.parent;
        }
        false
    }

    /// The first message within this one.
    pub fn enclosed(&self) -> Option<usize> {
        let message = |part: &Part| {
            let parent = part.parent.and_then(|index| self.parts.get(index));
            parent.is_some_and(|parent| parent.kind == Kind::Message)
        };
        self.parts.iter().position(message)
    }

    /// The header of a part, as far as it is read.
    pub fn header(&self, index: usize) -> Header<'a> {
        let span = self.parts.get(index).map(|part| part.header.clone());
        let octets = span.and_then(|span| self.raw.get(span)).unwrap_or_default();
        Header::of(octets.get(..HEADER_MAX).unwrap_or(octets))
    }

    /// The first field of this name in the header of the message itself.
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.header(0).fields().find(|field| field.is(name))
    }

    /// The character set that it names for its text: that of octets in its header which are not
    /// said to be anything.
    pub fn charset(&self) -> Option<&str> {
        let texts = self
            .own_leaves()
            .filter(|(_, part)| part.media.main == "text");
        texts.filter_map(|(_, part)| part.charset.as_deref()).next()
    }

    /// The body of a part as it came.
    pub fn body(&self, index: usize) -> &'a [u8] {
        let span = self.parts.get(index).map(|part| part.body.clone());
        span.and_then(|span| self.raw.get(span)).unwrap_or_default()
    }

    /// Where that is.
    pub(crate) fn body_place(&self, index: usize) -> Range<usize> {
        let part = self.parts.get(index);
        part.map_or(0..0, |part| part.body.clone())
    }

    /// Whether an empty line ends the header of a part, as it should.
    pub(crate) fn has_empty_line(&self, index: usize) -> bool {
        let part = self.parts.get(index);
        part.is_some_and(|part| part.header.end < part.body.start)
    }

    /// The content of a leaf without its transfer encoding.
    pub fn octets(&self, index: usize) -> Cow<'a, [u8]> {
        let encoding = self.parts.get(index).map(|part| part.encoding);
        encoding
            .unwrap_or(Encoding::Identity)
            .decode(self.body(index))
    }

    /// How many octets [`Mail::octets`] has. Nothing is copied to count those of base64.
    pub fn size(&self, index: usize) -> usize {
        let encoding = self.parts.get(index).map(|part| part.encoding);
        encoding
            .unwrap_or(Encoding::Identity)
            .decoded_len(self.body(index))
    }

    /// The content of a leaf as text, made of no more than the first `limit` octets of its body.
    pub fn text(&self, index: usize, limit: usize) -> String {
        let Some(part) = self.parts.get(index) else {
            return String::new();
        };
        let body = self.body(index);
        let octets = part.encoding.decode(body.get(..limit).unwrap_or(body));
        to_text(&octets, part.charset.as_deref())
    }
}
