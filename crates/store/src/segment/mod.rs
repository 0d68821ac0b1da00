//! The bodies of messages, in append-only files beside the database.
//!
//! A record is a header of 28 octets (magic, length, CRC-32, id) and the body as
//! submitted. A batch is written with gathered writes and synced before the commit that refers
//! to it; a file goes when the last delivery that needs it has ended. Zeros
//! behind the last record are room for the next ones. A process never appends to
//! a file of an earlier one, so that a torn tail is never written behind.
//!
//! What came in is kept for a set time, whatever becomes of it, and has files of its own: one such
//! body would hold a whole file of the queue.

mod overwrite;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

use postbell_model::MessageId;

pub(crate) use overwrite::overwrite;
pub(crate) use reader::read;
pub(crate) use writer::{Append, Class, SegmentWriter};

const MAGIC: [u8; 4] = *b"PbB1";
const HEADER_LEN: usize = 4 + 4 + 4 + 16;

/// Where a segment file lies.
pub(crate) fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(name(segment))
}

/// The name of a segment file.
pub(crate) fn name(segment: u64) -> String {
    format!("{segment:012}.bodies")
}

/// The number of a segment file; `None` for any other file.
pub(crate) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(".bodies")?.parse().ok()
}

fn header(message: MessageId, length: u32, checksum: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..12].copy_from_slice(&checksum.to_le_bytes());
    header[12..].copy_from_slice(message.as_bytes());
    header
}

#[cfg(test)]
mod tests;
