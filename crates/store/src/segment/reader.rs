//! Reading one body back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use super::{HEADER_LEN, header, path};
use crate::{BodyRef, StoreError};

/// Reads a body and checks that it is the one that was written. Blocks.
pub(crate) fn read(folder: &Path, body: BodyRef) -> Result<Bytes, StoreError> {
    let length = usize::try_from(body.length).map_err(|_| corrupt(body, "its length"))?;
    let mut record = vec![0; HEADER_LEN + length];
    File::open(path(folder, body.segment))
        .and_then(|file| file.read_exact_at(&mut record, body.offset))
        .map_err(|error| unreadable(body, &error))?;
    let record = Bytes::from(record);
    let bytes = record.slice(HEADER_LEN..);
    if record[..HEADER_LEN] != header(body.message, body.length, crc32fast::hash(&bytes)) {
        return Err(corrupt(body, "its checksum"));
    }
    Ok(bytes)
}

fn unreadable(body: BodyRef, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => corrupt(body, "its file"),
        _ => StoreError::Read(format!("body of message {}: {error}", body.message).into()),
    }
}

fn corrupt(body: BodyRef, what: &str) -> StoreError {
    StoreError::Corrupt(
        format!(
            "body of message {} (segment {}, offset {}): {what} is wrong",
            body.message, body.segment, body.offset
        )
        .into(),
    )
}
