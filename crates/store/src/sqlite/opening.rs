//! Taking over a folder: its lock, its files of bodies, the end of its log.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use postbell_model::Timestamp;
use sqlx::SqliteConnection;

use crate::Position;
use crate::segment::SegmentWriter;

use super::claims::FreshLimits;
use super::engagement::HitCounts;
use super::shared::Shared;
use super::tenants::SqliteTenants;
use super::{OpenError, SqliteOptions, suppression};

pub(super) const LOCK: &str = "postbell.lock";

/// Keeps other processes from serving from the folder, which it makes where it has to.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    fs::create_dir_all(folder).map_err(|source| unusable(folder, source))?;
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(|source| unusable(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(unusable(&path, source)),
    }
}

pub(super) fn unusable(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Folder {
        path: path.to_owned(),
        source,
    }
}

/// The files of bodies, without those that nothing refers to.
pub(super) async fn segments(
    writer: &mut SqliteConnection,
    folder: &Path,
    octets: u64,
) -> Result<SegmentWriter, OpenError> {
    // A file is kept while a row refers to it; one whose bodies have all ended goes here, too,
    // where the process died before it removed it.
    sqlx::query("DELETE FROM segment WHERE live <= 0")
        .execute(&mut *writer)
        .await?;
    let live: Vec<i64> = sqlx::query_scalar("SELECT id FROM segment")
        .fetch_all(writer)
        .await?;
    let live: HashSet<u64> = live.into_iter().map(i64::unsigned_abs).collect();
    SegmentWriter::open(folder, octets, &live).map_err(|source| unusable(folder, source))
}

/// What the parts of the store share.
pub(super) async fn shared(
    writer: &mut SqliteConnection,
    options: &SqliteOptions,
    tenants: SqliteTenants,
    now: Timestamp,
) -> Result<Arc<Shared>, OpenError> {
    let limits = FreshLimits {
        per_lane: options.fresh_deliveries_per_lane,
        octets: options.fresh_octets,
    };
    let waiting = hits(&mut *writer).await?;
    let hits = HitCounts::new((waiting, now), options.max_hits_waiting);
    let shared = Shared::new(limits, tenants, hits);
    shared
        .recent()
        .begin_behind(suppression::newest(writer).await?);
    Ok(Arc::new(shared))
}

/// How many hits wait to be told.
async fn hits(writer: &mut SqliteConnection) -> Result<u64, OpenError> {
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM hit")
        .fetch_one(writer)
        .await?;
    Ok(waiting.unsigned_abs())
}

/// The position of the newest event.
pub(super) async fn newest(writer: &mut SqliteConnection) -> Result<Position, OpenError> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(position) FROM event")
        .fetch_one(writer)
        .await?;
    Ok(Position(newest.unwrap_or(0).unsigned_abs()))
}
