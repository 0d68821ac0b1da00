//! The database of one moment, and the files that it refers to.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sqlx::SqliteConnection;

use crate::segment;

use super::super::rows::integer;
use super::super::{BODIES, DATABASE, OpenError, database};
use super::{BackupError, Counts, Pins, SNAPSHOTS_MAX, close, create, open_still};

/// A copy of the database with what it needs beside itself.
pub(super) struct Copied {
    pub schema: usize,
    pub counts: Counts,
    pub pins: Pins,
    /// The files of bodies that it refers to.
    pub needed: Vec<u64>,
}

/// Copies the database, and opens all files that the copy refers to.
pub(super) async fn copy(folder: &Path, to: &Path) -> Result<Copied, BackupError> {
    let bodies = folder.join(BODIES);
    let target = to.join(DATABASE);
    let mut pins = Pins::new();
    let mut source = database::reader(&folder.join(DATABASE)).await?;
    let schema = known_schema(&mut source).await?;
    let mut missing = Vec::new();
    for _ in 0..SNAPSHOTS_MAX {
        pin(&bodies, &mut pins)?;
        vacuum_into(&mut source, &target).await?;
        pin(&bodies, &mut pins)?;
        let mut still = open_still(&target).await?;
        let (needed, counts) = (needed(&mut still).await?, counts(&mut still).await?);
        close(still).await;
        missing.clone_from(&needed);
        missing.retain(|number| !pins.contains_key(number));
        if missing.is_empty() {
            close(source).await;
            return Ok(Copied {
                schema,
                counts,
                pins,
                needed,
            });
        }
        // A file that was begun and done with between two looks: the next copy is of a moment
        // when it was gone, unless it is missing indeed.
        fs::remove_file(&target).map_err(|source| BackupError::file(&target, source))?;
    }
    close(source).await;
    let missing: Vec<_> = missing.into_iter().map(segment::name).collect();
    Err(BackupError::BodiesMissing(missing.join(", ")))
}

async fn known_schema(source: &mut SqliteConnection) -> Result<usize, BackupError> {
    let (version, known) = (database::schema_version(source).await?, database::known());
    if version > known {
        return Err(OpenError::Newer { version, known }.into());
    }
    Ok(version)
}

/// Opens every file of bodies that is there. One that goes meanwhile is not needed any more, or
/// is missed later.
fn pin(bodies: &Path, pins: &mut Pins) -> Result<(), BackupError> {
    let failed = |source| BackupError::file(bodies, source);
    let entries = match fs::read_dir(bodies) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Some(number) = entry.file_name().to_str().and_then(segment::number) else {
            continue;
        };
        if pins.contains_key(&number) {
            continue;
        }
        match File::open(entry.path()) {
            Ok(file) => {
                pins.insert(number, file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::file(&entry.path(), error)),
        }
    }
    Ok(())
}

async fn vacuum_into(source: &mut SqliteConnection, target: &Path) -> Result<(), BackupError> {
    let path = target.to_str().ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8");
        BackupError::file(target, error)
    })?;
    // SQLite takes a file that is there, if it is empty; one of its own would follow the umask.
    create(target).map_err(|source| BackupError::file(target, source))?;
    sqlx::query("VACUUM INTO ?")
        .bind(path)
        .execute(source)
        .await?;
    Ok(())
}

/// The files that something still needs.
async fn needed(still: &mut SqliteConnection) -> Result<Vec<u64>, BackupError> {
    let sql = "SELECT id FROM segment WHERE live > ? ORDER BY id";
    let ids: Vec<i64> = sqlx::query_scalar(sql)
        .bind(integer(0))
        .fetch_all(still)
        .await?;
    Ok(ids.into_iter().map(i64::unsigned_abs).collect())
}

async fn counts(still: &mut SqliteConnection) -> Result<Counts, BackupError> {
    let sql = "SELECT (SELECT COUNT(*) FROM message), (SELECT COUNT(*) FROM delivery), \
        (SELECT COUNT(*) FROM delivery WHERE state IN ('queued', 'held', 'scheduled')), \
        (SELECT COUNT(*) FROM event), (SELECT COUNT(*) FROM inbound)";
    let (messages, deliveries, waiting, events, inbound): (i64, i64, i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(still).await?;
    Ok(Counts {
        messages: messages.unsigned_abs(),
        deliveries: deliveries.unsigned_abs(),
        waiting: waiting.unsigned_abs(),
        events: events.unsigned_abs(),
        inbound: inbound.unsigned_abs(),
    })
}
