//! Appending bodies, and removing files that nothing refers to.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{MessageId, Timestamp};

use super::{HEADER_LEN, header, number, path};
use crate::BodyRef;

// Linux takes at most 1,024 slices in one gathered write.
const SLICES_MAX: usize = 1_024;

// A file of what is kept for a set time holds the mail of a day, so that it goes a day after that
// time at the latest, however little mail there is.
const KEPT_SPAN: Duration = Duration::from_hours(24);

// To sync octets that a file had no room for costs a change of the file system's own records as
// well, which for a small batch is more than its octets. So room is made ahead, of zeros, for many
// small batches at once. A large batch makes its own.
const SMALL_BATCH: u64 = 32 << 10;
const ROOM_AHEAD: usize = 256 << 10;

/// Bodies that are needed for about as long lie in files of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Until their deliveries have ended.
    Queue,
    /// For a set time.
    Kept,
}

/// Decides where bodies go and hands out the writes; the caller carries them out, so that
/// database and file are written at the same time.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    folder: PathBuf,
    rotate_at: u64,
    /// The highest number that was given.
    newest: u64,
    queue: Open,
    kept: Open,
    /// Files that were left for a new one: what they were needed for may have ended before.
    left: Vec<u64>,
}

/// The file of a class that is written to.
#[derive(Debug)]
struct Open {
    segment: u64,
    offset: u64,
    /// Where the room ends that was made.
    room: u64,
    /// When its first body came.
    begun_at: Option<Timestamp>,
    file: Option<Arc<File>>,
}

impl Open {
    const fn new(segment: u64) -> Self {
        Self {
            segment,
            offset: 0,
            room: 0,
            begun_at: None,
            file: None,
        }
    }

    /// Gives back the room that was not needed.
    fn trim(&self) {
        if let Some(file) = &self.file
            && self.room > self.offset
            && let Err(error) = file.set_len(self.offset)
        {
            tracing::debug!(segment = self.segment, %error, "zeros stay behind the last body of a file");
        }
    }

    fn place(&mut self, message: MessageId, body: &Bytes) -> BodyRef {
        let length = u32::try_from(body.len()).expect("invariant: size limits are below 4 GiB");
        let place = BodyRef {
            message,
            segment: self.segment,
            offset: self.offset,
            length,
        };
        self.offset += HEADER_LEN as u64 + u64::from(length);
        place
    }
}

/// Bodies to be appended to one file and synced, in one blocking call.
#[derive(Debug)]
pub(crate) struct Append {
    class: Class,
    folder: PathBuf,
    /// The file, or the path of one to be made.
    file: Result<Arc<File>, PathBuf>,
    /// Where the first record begins.
    start: u64,
    /// Where the room ends that was made before.
    room: u64,
    records: Vec<(MessageId, Bytes)>,
}

/// The file that an [`Append`] has written to.
#[derive(Debug)]
pub(crate) struct Appended {
    class: Class,
    file: Arc<File>,
    room: u64,
}

impl SegmentWriter {
    /// Takes over a folder: files that no row of the database refers to are removed, and writing
    /// begins in new files after all that are there.
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
            newest: newest + 2,
            queue: Open::new(newest + 1),
            kept: Open::new(newest + 2),
            left: Vec::new(),
        })
    }

    /// Nothing more is written.
    pub(crate) fn close(self) {
        self.queue.trim();
        self.kept.trim();
    }

    /// Whether a file is written to.
    pub(crate) const fn is_current(&self, segment: u64) -> bool {
        self.queue.segment == segment || self.kept.segment == segment
    }

    /// Takes back the places of an [`Append`] that failed.
    pub(crate) fn failed(&mut self, failure: &AppendError) {
        match failure.cleared_to {
            Some(offset) => {
                let open = self.open_of(failure.class);
                (open.offset, open.room) = (offset, offset);
            }
            None => self.rotate(failure.class),
        }
    }

    /// Gives each body its place. The [`Append`] must be carried out before the database commits.
    pub(crate) fn place(
        &mut self,
        class: Class,
        bodies: Vec<(MessageId, Bytes)>,
        now: Timestamp,
    ) -> (Vec<BodyRef>, Append) {
        if self.is_full(class, now) {
            self.rotate(class);
        }
        let open = self.open_of(class);
        let start = open.offset;
        open.begun_at.get_or_insert(now);
        let places = bodies
            .iter()
            .map(|(message, body)| open.place(*message, body))
            .collect();
        let (file, segment, room) = (open.file.clone(), open.segment, open.room);
        let append = Append {
            class,
            folder: self.folder.clone(),
            file: file.ok_or_else(|| path(&self.folder, segment)),
            start,
            room,
            records: bodies,
        };
        (places, append)
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
    pub(crate) fn written(&mut self, appended: Appended) {
        let open = self.open_of(appended.class);
        open.file = Some(appended.file);
        open.room = appended.room;
    }

    /// The time of these files is over: what comes in from now on goes to others.
    pub(crate) fn end_kept(&mut self, segments: &[u64]) {
        if segments.contains(&self.kept.segment) {
            self.newest += 1;
            self.kept.trim();
            self.kept = Open::new(self.newest);
        }
    }

    fn is_full(&self, class: Class, now: Timestamp) -> bool {
        match class {
            Class::Queue => self.queue.offset >= self.rotate_at,
            Class::Kept => {
                let begun_at = self.kept.begun_at;
                let is_old = begun_at.is_some_and(|begun| begun.after(KEPT_SPAN) <= now);
                is_old || self.kept.offset >= self.rotate_at
            }
        }
    }

    const fn open_of(&mut self, class: Class) -> &mut Open {
        match class {
            Class::Queue => &mut self.queue,
            Class::Kept => &mut self.kept,
        }
    }

    /// Begins a new file.
    fn rotate(&mut self, class: Class) {
        self.newest += 1;
        let next = Open::new(self.newest);
        let left = std::mem::replace(self.open_of(class), next);
        left.trim();
        self.left.push(left.segment);
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
}

/// Why nothing of a batch was written.
#[derive(Debug)]
pub(crate) struct AppendError {
    class: Class,
    pub(crate) source: io::Error,
    /// Where the file ends now that what was written was cut off again; `None` where that failed
    /// too, or where there is no file.
    cleared_to: Option<u64>,
}

impl Append {
    /// Writes and syncs. Blocks.
    ///
    /// # Errors
    /// Nothing of this batch may be referred to.
    pub(crate) fn run(self) -> Result<Appended, AppendError> {
        let class = self.class;
        let is_new = self.file.is_err();
        let failed = |source, cleared_to| AppendError {
            class,
            source,
            cleared_to,
        };
        let file = match &self.file {
            Ok(file) => Arc::clone(file),
            Err(path) => match create(&self.folder, path) {
                Ok(file) => Arc::new(file),
                Err(source) => return Err(failed(source, None)),
            },
        };
        match self.write(&file) {
            Ok(room) => Ok(Appended { class, file, room }),
            Err(source) if is_new => {
                self.remove();
                Err(failed(source, None))
            }
            Err(source) => {
                let cleared = file.set_len(self.start);
                Err(failed(source, cleared.ok().map(|()| self.start)))
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

    /// Where the file's room ends now.
    fn write(&self, mut file: &File) -> io::Result<u64> {
        let headers: Vec<_> = self.records.iter().map(record_header).collect();
        let mut slices: Vec<_> = headers
            .iter()
            .zip(&self.records)
            .flat_map(|(header, (_, body))| [IoSlice::new(header), IoSlice::new(body)])
            .collect();
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        file.seek(SeekFrom::Start(self.start))?;
        write_all(file, &mut slices)?;
        let room = self.make_room(file, self.start + length as u64);
        file.sync_data()?;
        Ok(room)
    }

    /// Makes room behind the last record, which ends at `end`, where there is none and it pays.
    fn make_room(&self, file: &File, end: u64) -> u64 {
        if end <= self.room {
            return self.room;
        }
        if end - self.start > SMALL_BATCH {
            return end;
        }
        // Without it all is well, but slower.
        match file.write_all_at(&vec![0; ROOM_AHEAD], end) {
            Ok(()) => end + ROOM_AHEAD as u64,
            Err(_) => end,
        }
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
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
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
