//! Reading a message up to its final dot, without the dots that were added on the way.

use bytes::{Bytes, BytesMut};
use memchr::memchr3_iter;
use postbell_model::Reply;

// A client may announce any size; this much is believed before its octets have come.
const BELIEVED_SIZE: usize = 256 * 1024;

/// What becomes of a CR or LF that does not belong to a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BareLineEnds {
    /// The message is refused once it has been read.
    Refuse,
    /// A bare LF becomes CRLF, CRs before a CRLF vanish, other bare CRs become one space.
    Normalise,
}

/// Why a message was read to its end without being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DataError {
    /// It is longer than allowed.
    #[error("the message is larger than {0} octets")]
    TooLarge(u64),
    /// It has a bare CR or LF, and [`BareLineEnds::Refuse`] holds.
    #[error("the message has a bare CR or LF")]
    BareLineEnd,
    /// It has a NUL octet.
    #[error("the message has a NUL octet")]
    Nul,
}

impl DataError {
    /// What the client is told.
    pub fn reply(self) -> Reply {
        match self {
            // RFC 1870 §6.1
            Self::TooLarge(max) => Reply::new(
                552,
                3,
                4,
                format!("Message is larger than the limit of {max} octets"),
            ),
            // RFC 5321 §2.3.8: CR and LF appear only together. RFC 3463 §3.7: X.6.0.
            Self::BareLineEnd => Reply::new(
                550,
                6,
                0,
                "Message has a bare CR or LF; lines must end with CRLF",
            ),
            // RFC 2045 §2.7, §2.8: neither 7bit nor 8bit data has NULs. Some hosts drop them,
            // which could make an end of data out of a line that was none.
            Self::Nul => Reply::new(550, 6, 0, "Message has a NUL octet"),
        }
    }
}

/// What [`DotReader::read`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All octets were taken and the end is yet to come.
    More,
    /// The message ended after this many octets; the others are the next command.
    End {
        /// How many were taken.
        used: usize,
    },
}

/// Reads one message. Feed it with [`DotReader::read`] until [`Progress::End`], then
/// [`DotReader::finish`].
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct DotReader {
    place: Place,
    body: BytesMut,
    max: u64,
    bare: BareLineEnds,
    fault: Option<DataError>,
}

/// Where in a line the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After CRLF, or before anything.
    LineStart,
    /// After a dot at the beginning of a line.
    Dot,
    /// After such a dot and a CR.
    DotCr,
    /// Elsewhere.
    Text,
    /// After a CR elsewhere.
    Cr,
}

impl DotReader {
    /// A reader of a message of at most `max` octets, line ends included, stuffed dots and final
    /// dot not (RFC 1870 §3).
    pub fn new(max: u64, bare: BareLineEnds) -> Self {
        Self {
            // RFC 5321 §4.1.1.4: the CRLF of the DATA command begins the end CRLF.CRLF, too.
            place: Place::LineStart,
            body: BytesMut::new(),
            max,
            bare,
            fault: None,
        }
    }

    /// Makes room for the size that the client announced.
    #[must_use]
    pub fn expecting(mut self, size: Option<u64>) -> Self {
        let announced = size.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
        self.body.reserve(announced.min(BELIEVED_SIZE));
        self
    }

    /// Takes octets up to the end of the message.
    pub fn read(&mut self, bytes: &[u8]) -> Progress {
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            match (self.place, first) {
                (Place::LineStart, b'.') => (self.place, rest) = (Place::Dot, tail),
                (Place::LineStart | Place::Text, _) => rest = self.read_text(rest),
                (Place::Dot, b'\r') => (self.place, rest) = (Place::DotCr, tail),
                // RFC 5321 §4.5.2: a dot with something after it was added on the way.
                (Place::Dot, _) => self.place = Place::Text,
                (Place::DotCr, b'\n') => {
                    let used = bytes.len() - tail.len();
                    return Progress::End { used };
                }
                (Place::DotCr, _) => self.place = Place::Cr,
                (Place::Cr, b'\n') => {
                    self.keep(b"\r\n");
                    (self.place, rest) = (Place::LineStart, tail);
                }
                (Place::Cr, b'\r') => {
                    self.note_bare();
                    rest = tail;
                }
                (Place::Cr, _) => {
                    self.note_bare();
                    self.keep(b" ");
                    self.place = Place::Text;
                }
            }
        }
        Progress::More
    }

    /// The message, once its end was read.
    ///
    /// # Errors
    /// It was not kept; the octets are gone.
    pub fn finish(self) -> Result<Bytes, DataError> {
        match self.fault {
            Some(fault) => Err(fault),
            // Messages are kept for a while and counted by their length.
            None if self.body.capacity() / 2 > self.body.len() + 4096 => {
                Ok(Bytes::copy_from_slice(&self.body))
            }
            None => Ok(self.body.freeze()),
        }
    }

    /// Takes text up to the next place where a single octet decides, and returns what follows.
    fn read_text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        // The LF of the last CRLF that was passed over.
        let mut paired = None;
        for at in memchr3_iter(b'\r', b'\n', 0, bytes) {
            match bytes.get(at..).unwrap_or_default() {
                [b'\r', b'\n', b'.', ..] | [b'\r', b'\n'] => {
                    return self.keep_until(bytes, at + 2, Place::LineStart, at + 2);
                }
                [b'\r', b'\n', ..] => paired = Some(at + 1),
                [b'\r', ..] => return self.keep_until(bytes, at, Place::Cr, at + 1),
                [b'\n', ..] if paired == Some(at) => {}
                [b'\n', ..] => {
                    let rest = self.keep_until(bytes, at, Place::Text, at + 1);
                    self.note_bare();
                    self.keep(b"\r\n");
                    return rest;
                }
                _ => {
                    // What stands before it counts first, wherever the octets were cut.
                    let rest = self.keep_until(bytes, at, Place::Text, at + 1);
                    self.give_up(DataError::Nul);
                    return rest;
                }
            }
        }
        self.keep_until(bytes, bytes.len(), Place::Text, bytes.len())
    }

    fn keep_until<'a>(
        &mut self,
        bytes: &'a [u8],
        kept: usize,
        place: Place,
        rest: usize,
    ) -> &'a [u8] {
        self.keep(bytes.get(..kept).unwrap_or_default());
        self.place = place;
        bytes.get(rest..).unwrap_or_default()
    }

    fn keep(&mut self, octets: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let size = self.body.len().saturating_add(octets.len());
        if u64::try_from(size).is_ok_and(|size| size <= self.max) {
            self.body.extend_from_slice(octets);
        } else {
            self.give_up(DataError::TooLarge(self.max));
        }
    }

    fn note_bare(&mut self) {
        if self.bare == BareLineEnds::Refuse {
            self.give_up(DataError::BareLineEnd);
        }
    }

    /// Goes on reading without keeping anything; the first cause is the one that is told.
    fn give_up(&mut self, fault: DataError) {
        self.fault.get_or_insert(fault);
        self.body = BytesMut::new();
    }
}
