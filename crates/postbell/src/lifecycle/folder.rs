//! The data folder: mail of others lies in it, so it is for its owner alone.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

const OWNER_ONLY: u32 = 0o700;

/// Makes the folder, and those above it, where they are not there. What is there stays as it is.
pub(crate) fn make_data_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY)
        .create(path)
}
