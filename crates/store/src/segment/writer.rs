//! Appending bodies, and removing files that nothing refers to.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use postbell_model::MessageId;

use super::{HEADER_LEN, header, number, path};
use crate::BodyRef;

// Linux takes at most 1,024 slices in one gathered write.
const SLICES_MAX: usize = 1_024;

/// Decides where bodies go and hands out the writes; the caller carries them out, so that
/// database and file are written at the same time.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    folder: PathBuf,
    rotate_at: u64,
    current: u64,
    offset: u64,
    file: Option<Arc<File>>,
    /// Files that were left for a new one: what they were needed for may have ended before.
    left: Vec<u64>,
}

/// Bodies to be appended to one file and synced, in one blocking call.
#[derive(Debug)]
pub(crate) struct Append {
    folder: PathBuf,
    /// The file, or the path of one to be made.
    file: Result<Arc<File>, PathBuf>,
    /// Where the first record begins.
    start: u64,
    records: Vec<(MessageId, Bytes)>,
}

impl SegmentWriter {
    /// Takes over a folder: files that no row of the database refers to are removed, and writing
    /// begins in a new file after all that are there.
    pub(crate) fn open(
        folder: &Path,
        rotate_at: u64,
        referred_to: &HashSet<u64>,
    ) -> io::Result<Self> {
        make_folder(folder)?;
        let mut newest = referred_to.iter().copied().max().unwrap_or(0);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(found) = entry.file_name().to_str().and_then(number) else {
                continue;
            };
            newest = newest.max(found);
            if !referred_to.contains(&found) {
                fs::remove_file(entry.path())?;
            }
        }
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            rotate_at,
            current: newest + 1,
            offset: 0,
            file: None,
            left: Vec::new(),
        })
    }

    /// The number of the file that is written to.
    pub(crate) const fn current(&self) -> u64 {
        self.current
    }

    /// Takes back the places of an [`Append`] that failed.
    pub(crate) fn failed(&mut self, failure: &AppendError) {
        match failure.cleared_to {
            Some(offset) => self.offset = offset,
            None => self.rotate(),
        }
    }

    /// Gives each body its place. The [`Append`] must be carried out before the database commits.
    pub(crate) fn place(&mut self, bodies: Vec<(MessageId, Bytes)>) -> (Vec<BodyRef>, Append) {
        if self.offset >= self.rotate_at {
            self.rotate();
        }
        let start = self.offset;
        let places = bodies
            .iter()
            .map(|(message, body)| self.place_one(*message, body))
            .collect();
        let file = self
            .file
            .clone()
            .ok_or_else(|| path(&self.folder, self.current));
        (
            places,
            Append {
                folder: self.folder.clone(),
                file,
                start,
                records: bodies,
            },
        )
    }

    /// The files left for a new one since [`SegmentWriter::looked_at_left`].
    pub(crate) fn left(&self) -> &[u64] {
        &self.left
    }

    /// Somebody has seen whether the files that were left are still needed.
    pub(crate) fn looked_at_left(&mut self) {
        self.left.clear();
    }

    /// Keeps the file that an [`Append`] has made, for the next one.
    pub(crate) fn written(&mut self, file: Arc<File>) {
        self.file = Some(file);
    }

    /// Begins a new file.
    fn rotate(&mut self) {
        self.left.push(self.current);
        self.current += 1;
        self.offset = 0;
        self.file = None;
    }

    /// Removes a file that no delivery needs any more.
    pub(crate) fn remover(&self, segments: Vec<u64>) -> impl FnOnce() + Send + 'static + use<> {
        let folder = self.folder.clone();
        move || {
            for segment in segments {
                let removed = fs::remove_file(path(&folder, segment));
                if let Err(error) = removed
                    && error.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!(segment, %error, "a file of ended bodies can't be removed");
                }
            }
        }
    }

    fn place_one(&mut self, message: MessageId, body: &Bytes) -> BodyRef {
        let length = u32::try_from(body.len()).expect("invariant: size limits are below 4 GiB");
        let place = BodyRef {
            message,
            segment: self.current,
            offset: self.offset,
            length,
        };
        self.offset += HEADER_LEN as u64 + u64::from(length);
        place
    }
}

/// Why nothing of a batch was written.
#[derive(Debug)]
pub(crate) struct AppendError {
    pub(crate) source: io::Error,
    /// Where the file ends now that what was written was cut off again; `None` where that failed
    /// too, or where there is no file.
    cleared_to: Option<u64>,
}

impl From<io::Error> for AppendError {
    fn from(source: io::Error) -> Self {
        Self {
            source,
            cleared_to: None,
        }
    }
}

impl Append {
    /// Writes and syncs. Blocks.
    ///
    /// # Errors
    /// Nothing of this batch may be referred to.
    pub(crate) fn run(self) -> Result<Arc<File>, AppendError> {
        let is_new = self.file.is_err();
        let file = match &self.file {
            Ok(file) => Arc::clone(file),
            Err(path) => Arc::new(create(&self.folder, path)?),
        };
        match self.write(&file) {
            Ok(()) => Ok(file),
            Err(source) if is_new => {
                self.remove();
                Err(source.into())
            }
            Err(source) => {
                let cleared = file.set_len(self.start);
                Err(AppendError {
                    source,
                    cleared_to: cleared.ok().map(|()| self.start),
                })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn with_file(self, file: File) -> Self {
        Self {
            file: Ok(Arc::new(file)),
            ..self
        }
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let headers: Vec<_> = self.records.iter().map(record_header).collect();
        let mut slices: Vec<_> = headers
            .iter()
            .zip(&self.records)
            .flat_map(|(header, (_, body))| [IoSlice::new(header), IoSlice::new(body)])
            .collect();
        write_all(file, &mut slices)?;
        file.sync_data()
    }

    /// Removes a file that was made for nothing; one that stays is removed at the next start.
    fn remove(&self) {
        if let Err(path) = &self.file
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(%error, "an empty file of bodies stays until the next start");
        }
    }
}

fn record_header((message, body): &(MessageId, Bytes)) -> [u8; HEADER_LEN] {
    let length = u32::try_from(body.len()).expect("invariant: size limits are below 4 GiB");
    header(*message, length, crc32fast::hash(body))
}

/// Makes a folder and syncs the one that it lies in, so that its name survives a power cut too.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Creates a file and syncs its folder, so that the name survives a power cut as well.
fn create(folder: &Path, path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn write_all(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        let count = slices.len().min(SLICES_MAX);
        match file.write_vectored(&slices[..count]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
