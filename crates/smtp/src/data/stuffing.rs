//! Writing a message: doubled dots and the final one.

use bytes::{Bytes, BytesMut};
use memchr::memchr2_iter;

/// A message that can't be sent, since a CR or LF in it stands alone (RFC 5321 §2.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has a bare CR or LF")]
pub struct BareLineEnd;

/// The message as it goes over the wire, final dot included. Lines may go from one chunk into
/// the next. A chunk is copied only where a line in it begins with a dot.
///
/// # Errors
/// A CR or LF stands alone.
pub fn stuff(chunks: Vec<Bytes>) -> Result<Vec<Bytes>, BareLineEnd> {
    let mut place = Place::LineStart;
    let mut stuffed = Vec::with_capacity(chunks.len() + 1);
    for chunk in chunks.into_iter().filter(|chunk| !chunk.is_empty()) {
        stuffed.push(stuff_chunk(chunk, &mut place)?);
    }
    stuffed.push(Bytes::from_static(match place {
        Place::LineStart => b".\r\n",
        // RFC 5321 §4.1.1.4: the final dot stands on a line of its own.
        Place::Text => b"\r\n.\r\n",
        Place::Cr => return Err(BareLineEnd),
    }));
    Ok(stuffed)
}

/// Where a chunk ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    Text,
    Cr,
}

fn stuff_chunk(chunk: Bytes, place: &mut Place) -> Result<Bytes, BareLineEnd> {
    let mut copy = Copy::default();
    if *place == Place::LineStart && chunk.first() == Some(&b'.') {
        copy.double_dot(&chunk, 0);
    }
    // Whether the octet before the one looked at is a CR, and where that one is.
    let mut cr_before = (*place == Place::Cr).then_some(0);
    *place = Place::Text;
    if cr_before.is_some() && chunk.first() != Some(&b'\n') {
        return Err(BareLineEnd);
    }
    for at in memchr2_iter(b'\r', b'\n', &chunk) {
        match chunk.get(at..).unwrap_or_default() {
            [b'\r'] => *place = Place::Cr,
            [b'\r', b'\n', ..] => cr_before = Some(at + 1),
            [b'\n', ..] if cr_before != Some(at) => return Err(BareLineEnd),
            [b'\n'] => *place = Place::LineStart,
            [b'\n', b'.', ..] => copy.double_dot(&chunk, at + 1),
            [b'\n', ..] => {}
            _ => return Err(BareLineEnd),
        }
    }
    Ok(copy.finish(chunk))
}

/// What a chunk becomes once a dot in it must be doubled.
#[derive(Debug, Default)]
struct Copy {
    octets: BytesMut,
    copied: usize,
}

impl Copy {
    fn double_dot(&mut self, chunk: &[u8], dot: usize) {
        if self.octets.is_empty() {
            self.octets.reserve(chunk.len() + chunk.len() / 16 + 16);
        }
        let before = chunk.get(self.copied..dot).unwrap_or_default();
        self.octets.extend_from_slice(before);
        self.octets.extend_from_slice(b".");
        self.copied = dot;
    }

    fn finish(mut self, chunk: Bytes) -> Bytes {
        if self.octets.is_empty() {
            return chunk;
        }
        let rest = chunk.get(self.copied..).unwrap_or_default();
        self.octets.extend_from_slice(rest);
        self.octets.freeze()
    }
}
