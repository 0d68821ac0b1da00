//! The end of data, and dots (RFC 5321 §4.1.1.4, §4.5.2).

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

// RFC 5321 §4.1.1.4: only CRLF.CRLF ends the data.
pub(super) const END: &[u8] = b"\r\n.\r\n";
/// The data of an empty message: the CRLF before the dot is that of the DATA command.
const EMPTY_END: &[u8] = b".\r\n";

/// What has been read of a message so far.
#[derive(Debug, Default)]
pub(super) struct DataReader {
    /// Octets at the start of the buffer that hold no end.
    scanned: usize,
    /// Octets that were thrown away, since the message is too large.
    discarded: usize,
}

/// A message whose end was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// Octets of the message, dots unstuffed where the body was wanted.
    pub(super) size: usize,
    pub(super) body: Bytes,
    pub(super) too_large: bool,
}

impl DataReader {
    /// Looks for the end in the buffer and takes the message out of it.
    pub(super) fn read(
        &mut self,
        input: &mut BytesMut,
        end: &memmem::Finder<'_>,
        max: usize,
        wants_body: bool,
    ) -> Option<Data> {
        if self.discarded == 0 && self.scanned == 0 && input.starts_with(EMPTY_END) {
            input.advance(EMPTY_END.len());
            return Some(Data {
                size: 0,
                body: Bytes::new(),
                too_large: false,
            });
        }
        let Some(found) = end.find(&input[self.scanned..]) else {
            self.keep_reading(input, max);
            return None;
        };
        // The CRLF before the dot belongs to the message.
        let raw_size = self.scanned + found + 2;
        let size = self.discarded + raw_size;
        let too_large = size > max;
        let body = if wants_body && !too_large {
            unstuff(&input[..raw_size])
        } else {
            Bytes::new()
        };
        input.advance(raw_size + EMPTY_END.len());
        Some(Data {
            size: if body.is_empty() { size } else { body.len() },
            body,
            too_large,
        })
    }

    fn keep_reading(&mut self, input: &mut BytesMut, max: usize) {
        // The end may lie across two reads; also the first four octets may stay to be seen as
        // an empty message's.
        self.scanned = input.len().saturating_sub(END.len() - 1);
        if self.discarded + input.len() > max {
            self.discarded += self.scanned;
            input.advance(self.scanned);
            self.scanned = 0;
        }
    }
}

/// Removes the dot that was added before each line that starts with one (RFC 5321 §4.5.2).
fn unstuff(raw: &[u8]) -> Bytes {
    let mut body = Vec::with_capacity(raw.len());
    let mut rest = raw.strip_prefix(b".").unwrap_or(raw);
    while let Some(at) = memmem::find(rest, b"\r\n.") {
        body.extend_from_slice(&rest[..at + 2]);
        rest = &rest[at + 3..];
    }
    body.extend_from_slice(rest);
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(pieces: &[&[u8]], max: usize) -> (Option<Data>, Vec<u8>) {
        let (mut reader, mut input) = (DataReader::default(), BytesMut::new());
        let end = memmem::Finder::new(END);
        for (index, piece) in pieces.iter().enumerate() {
            input.extend_from_slice(piece);
            if let Some(data) = reader.read(&mut input, &end, max, true) {
                assert_eq!(index, pieces.len() - 1, "ended before the last piece");
                return (Some(data), input.to_vec());
            }
        }
        (None, input.to_vec())
    }

    #[test]
    fn the_end_is_found_wherever_reads_split_it() {
        let whole = b"a\r\n..b\r\n.\rc\r\n...\r\n.\r\n";
        for split in 0..whole.len() {
            let (data, rest) = read_in(&[&whole[..split], &whole[split..]], 1_000);
            let data = data.unwrap();
            assert_eq!(&data.body[..], b"a\r\n.b\r\n\rc\r\n..\r\n", "{split}");
            assert_eq!(data.size, data.body.len());
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn what_follows_stays() {
        let (data, rest) = read_in(&[b".\r\nQUIT\r\n"], 1_000);
        assert_eq!(data.unwrap().size, 0);
        assert_eq!(rest, b"QUIT\r\n");
    }

    #[test]
    fn an_empty_message_may_come_in_pieces() {
        for split in 1..3 {
            let (data, _) = read_in(&[&EMPTY_END[..split], &EMPTY_END[split..]], 1_000);
            assert_eq!(data.map(|d| d.size), Some(0), "{split}");
        }
    }

    #[test]
    fn nothing_else_ends_it() {
        for wrong in ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r\r\n"] {
            let (data, _) = read_in(&[b"a", wrong.as_bytes(), b"b"], 1_000);
            assert_eq!(data, None, "{wrong:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_read_to_its_end() {
        let (data, rest) = read_in(&[&[b'x'; 90], &[b'x'; 90], b"\r\n.\r", b"\nQUIT"], 100);
        let data = data.unwrap();
        assert!(data.too_large && data.body.is_empty());
        assert_eq!(data.size, 182);
        assert_eq!(rest, b"QUIT");
    }
}
