//! Writing over a body that nobody needs any more, before its whole file goes.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{HEADER_LEN, MAGIC, path};
use crate::BodyRef;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Writes zeros over a body and syncs; the header of its record stays. `false` where its file is
/// gone, or has something else in its place. Blocks.
pub(crate) fn overwrite(folder: &Path, body: BodyRef) -> io::Result<bool> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path(folder, body.segment));
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER_LEN];
    match file.read_exact_at(&mut header, body.offset) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    let is_its = header[..4] == MAGIC
        && header[4..8] == body.length.to_le_bytes()
        && header[12..] == *body.message.as_bytes();
    if !is_its {
        return Ok(false);
    }
    let mut at = body.offset + HEADER_LEN as u64;
    let end = at + u64::from(body.length);
    while at < end {
        let count = usize::try_from(end - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(&ZEROS[..count], at)?;
        at += count as u64;
    }
    file.sync_data()?;
    Ok(true)
}
