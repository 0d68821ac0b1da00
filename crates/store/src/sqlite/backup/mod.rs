//! A consistent copy of a store, taken while a server runs on it, and the way back.
//!
//! The database is copied as of one moment, with `VACUUM INTO`. Bodies are only ever appended, so
//! that a later copy of their files has all that the database refers to; a file may be removed
//! meanwhile, so each is opened before that moment, and an open file can be read to its end.
//!
//! Not copied: the key that private keys are sealed with, which would make the lock and its key
//! one thing to lose; and what a server makes anew (its lock, the control socket).

mod manifest;
mod restore;
mod snapshot;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use postbell_model::Timestamp;
use sqlx::{Connection, SqliteConnection};

use crate::segment;

use super::{BODIES, DATABASE, OpenError, database};
use snapshot::Copied;

pub(super) use manifest::MANIFEST;
use manifest::PARTIAL;
pub use manifest::{Counts, FileSum, Manifest};
pub use restore::{Restored, restore};

/// Backups hold the mail of others, so they are for their owner alone.
const OWNER_ONLY: u32 = 0o700;
const FILE_OF_OWNER: u32 = 0o600;

/// How often the database is copied anew where files that it refers to came and went meanwhile.
const SNAPSHOTS_MAX: u32 = 5;

/// Why there is no backup, or none that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something in the folder that the backup was to be made in.
    #[error("{0} is not empty: name a folder that is new or empty")]
    NotEmpty(PathBuf),
    /// The folder has a store already.
    #[error("{0} holds a store already: name another data folder, or move that one away")]
    Occupied(PathBuf),
    /// Somebody has the restored store open before it is in its place.
    #[error("the store in {0} is still being written to: nothing was put in its place")]
    Unsettled(PathBuf),
    /// There is no store in the folder.
    #[error("there is no store in {0}")]
    NoStore(PathBuf),
    /// The folder has no manifest.
    #[error("{0} is no backup, or one that was interrupted: it has no manifest.json")]
    NoBackup(PathBuf),
    /// The manifest can't be understood.
    #[error("{0}: {1}")]
    Manifest(PathBuf, String),
    /// The backup is not as its manifest says.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The database refers to files that are not there.
    #[error("bodies are missing ({0}): `postbell verify` says of which mail")]
    BodiesMissing(String),
    /// The database can't be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// A file can't be read or written.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BackupError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// How far a backup has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The database is there, of this length.
    Database(u64),
    /// So many files of bodies are there.
    Bodies {
        /// Those.
        done: usize,
        /// All that there are.
        of: usize,
    },
}

/// Files of bodies that were opened before they could be removed, by number.
type Pins = BTreeMap<u64, File>;

/// Copies the store of a folder, which a server may be using, into a new or empty folder.
///
/// Costs a read of the whole database and of all bodies that are still needed. While the database
/// is copied its write-ahead log only grows.
///
/// # Errors
/// Something can't be read or written. What was written of the backup is removed.
pub async fn back_up(
    folder: &Path,
    to: &Path,
    now: Timestamp,
    told: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Manifest, BackupError> {
    let database = folder.join(DATABASE);
    if !database.exists() {
        return Err(BackupError::NoStore(folder.to_owned()));
    }
    take_empty(to)?;
    let taken = take(folder, to, now, told).await;
    if taken.is_err() {
        clear(to);
    }
    taken
}

async fn take(
    folder: &Path,
    to: &Path,
    now: Timestamp,
    told: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Manifest, BackupError> {
    let Copied {
        schema,
        counts,
        mut pins,
        needed,
    } = snapshot::copy(folder, to).await?;
    let mut manifest = Manifest::new(schema, now.to_string(), counts);
    let database = to.join(DATABASE);
    let summed = blocking(move || synced_sum(&database)).await?;
    told(Progress::Database(summed.0));
    manifest.files.push(file_sum(DATABASE, summed));
    let bodies = to.join(BODIES);
    make(&bodies)?;
    for (index, number) in needed.iter().enumerate() {
        let pin = pins.remove(number);
        let pin = pin.ok_or_else(|| BackupError::BodiesMissing(number.to_string()))?;
        let target = segment::path(&bodies, *number);
        let name = segment::name(*number);
        let summed = blocking(move || copy(&pin, &target)).await?;
        manifest
            .files
            .push(file_sum(&format!("{BODIES}/{name}"), summed));
        told(Progress::Bodies {
            done: index + 1,
            of: needed.len(),
        });
    }
    sync_folder(&bodies)?;
    manifest.write(to)?;
    Ok(manifest)
}

fn file_sum(path: &str, (octets, sha256): (u64, String)) -> FileSum {
    FileSum {
        path: path.to_owned(),
        octets,
        sha256,
    }
}

/// The folder, made where it is not there; it must have nothing in it, and is its owner's from
/// now on.
fn take_empty(to: &Path) -> Result<(), BackupError> {
    make(to)?;
    let mut entries = fs::read_dir(to).map_err(|source| BackupError::file(to, source))?;
    match entries.next() {
        // One that was there has been made as its maker's umask had it.
        None => fs::set_permissions(to, Permissions::from_mode(OWNER_ONLY))
            .map_err(|source| BackupError::file(to, source)),
        Some(_) => Err(BackupError::NotEmpty(to.to_owned())),
    }
}

fn make(folder: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY)
        .create(folder);
    made.map_err(|source| BackupError::file(folder, source))
}

/// Takes away what a backup that failed has left. The folder was empty before.
fn clear(to: &Path) {
    let removed = [
        fs::remove_file(to.join(MANIFEST)),
        fs::remove_file(to.join(PARTIAL)),
        fs::remove_file(to.join(DATABASE)),
        fs::remove_dir_all(to.join(BODIES)),
    ];
    for error in removed.into_iter().filter_map(Result::err) {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::warn!(%error, "a part of a backup that failed stays in {}", to.display());
        }
    }
}

/// Copies what is in an open file, in its state of now, and syncs the copy. Blocks.
fn copy(from: &File, to: &Path) -> Result<(u64, String), BackupError> {
    let copy = || -> io::Result<(u64, String)> {
        let file = create(to)?;
        let summed = manifest::sum(from, &file)?;
        file.sync_all()?;
        Ok(summed)
    };
    copy().map_err(|source| BackupError::file(to, source))
}

/// A new file that nobody else can read, whatever the umask.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_OF_OWNER);
    options.open(path)
}

fn synced_sum(path: &Path) -> Result<(u64, String), BackupError> {
    let sum = || -> io::Result<(u64, String)> {
        File::open(path)?.sync_all()?;
        manifest::sum_of(path)
    };
    sum().map_err(|source| BackupError::file(path, source))
}

fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|file| file.sync_all());
    synced.map_err(|source| BackupError::file(folder, source))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(BackupError::file(Path::new("."), io::Error::other(error))))
}

/// A database that nobody writes to.
async fn open_still(file: &Path) -> Result<SqliteConnection, BackupError> {
    Ok(database::still(file).await?)
}

async fn close(connection: SqliteConnection) {
    // It was only read from.
    let _closed = connection.close().await;
}
