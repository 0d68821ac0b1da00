//! From a backup to a data folder.
//!
//! All is put in order in a folder of its own first and moved to its place at the end, the database
//! last: a restore that was interrupted leaves no store, and can be made again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::opening::{self, LOCK};
use super::super::{BODIES, DATABASE};
use super::{BackupError, Manifest, Progress, blocking, copy, make, manifest, sync_folder};

/// Where a restore is prepared, within the data folder.
const PREPARED: &str = "restoring";

/// What SQLite keeps beside a database that is open.
const LOG: &str = "postbell.db-wal";
const LOG_INDEX: &str = "postbell.db-shm";

/// A restored store that is not in its place yet.
#[derive(Debug)]
pub struct Restored {
    folder: PathBuf,
    manifest: Manifest,
    /// That of the data folder, in which nobody serves meanwhile.
    _lock: File,
}

/// Copies a backup, with every file checked against its sum, into a folder that has no store.
///
/// # Errors
/// The folder has one, the backup is damaged, or something can't be read or written.
pub async fn restore(
    backup: &Path,
    folder: &Path,
    told: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(backup)?;
    unoccupied(folder)?;
    let restored = Restored {
        folder: folder.to_owned(),
        manifest,
        _lock: opening::lock(folder)?,
    };
    unoccupied(folder)?;
    let prepared = restored.prepared();
    remove(&prepared)?;
    make(&prepared.join(BODIES))?;
    let of = restored.manifest.files.len().saturating_sub(1);
    for (index, file) in restored.manifest.files.iter().enumerate() {
        let from = manifest::place(backup, &file.path);
        let to = manifest::place(&prepared, &file.path);
        let (Some(from), Some(to)) = (from, to) else {
            let path = &file.path;
            return Err(BackupError::Damaged(format!(
                "{path} leads out of the backup"
            )));
        };
        let summed = blocking(move || {
            let opened = File::open(&from).map_err(|source| BackupError::file(&from, source))?;
            copy(&opened, &to)
        });
        if summed.await? != (file.octets, file.sha256.clone()) {
            let path = &file.path;
            return Err(BackupError::Damaged(format!(
                "{path} is not what was written"
            )));
        }
        told(match index {
            0 => Progress::Database(file.octets),
            done => Progress::Bodies { done, of },
        });
    }
    if !prepared.join(DATABASE).exists() {
        return Err(BackupError::Damaged("it has no database".to_owned()));
    }
    Ok(restored)
}

impl Restored {
    /// The folder in which the store can be opened before it is in its place.
    pub fn prepared(&self) -> PathBuf {
        self.folder.join(PREPARED)
    }

    /// What the backup says of itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Puts the store in its place. It must not be open.
    ///
    /// # Errors
    /// It is open, or a store was made in the folder meanwhile, or something can't be moved; then
    /// there is no store.
    pub fn finish(self) -> Result<Manifest, BackupError> {
        let prepared = self.prepared();
        // Commands make a database in a data folder without its lock.
        unoccupied(&self.folder)?;
        settled(&prepared)?;
        sync_folder(&prepared.join(BODIES))?;
        for name in [BODIES, DATABASE] {
            let (from, to) = (prepared.join(name), self.folder.join(name));
            fs::rename(&from, &to).map_err(|source| BackupError::file(&to, source))?;
            sync_folder(&self.folder)?;
        }
        // All that is left is of whoever had it open.
        for name in [LOCK, LOG, LOG_INDEX] {
            let _gone = fs::remove_file(prepared.join(name));
        }
        fs::remove_dir(&prepared).map_err(|source| BackupError::file(&prepared, source))?;
        Ok(self.manifest)
    }
}

/// There is no store in the folder.
fn unoccupied(folder: &Path) -> Result<(), BackupError> {
    let mut parts = [DATABASE, BODIES].iter();
    if parts.any(|name| folder.join(name).exists()) {
        return Err(BackupError::Occupied(folder.to_owned()));
    }
    Ok(())
}

/// All that was written is in the database: what is in its log would stay behind.
fn settled(prepared: &Path) -> Result<(), BackupError> {
    let log = prepared.join(LOG);
    match fs::metadata(&log) {
        Ok(log) if log.len() > 0 => Err(BackupError::Unsettled(prepared.to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::file(&log, error))
        }
        _ => Ok(()),
    }
}

fn remove(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::file(folder, error))
        }
        _ => Ok(()),
    }
}
