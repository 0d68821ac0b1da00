//! Looks at the depth of the queue now and then, for whoever watches the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, DeliveryId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use tokio_util::sync::CancellationToken;

use crate::metrics::{OfState, StoreMetrics};

use super::{BODIES, DATABASE};

// The shortest rest between two samples, and how much longer than its work a rest is.
const REST: Duration = Duration::from_secs(15);
const IDLENESS: u32 = 50;

// Each reads one partial index, which holds what waits and nothing that has ended.
const QUEUED: &str =
    "SELECT COUNT(*), MIN(id) FROM delivery INDEXED BY delivery_due WHERE state = 'queued'";
const HELD: &str =
    "SELECT COUNT(*), MIN(id) FROM delivery INDEXED BY delivery_held WHERE state = 'held'";
const SCHEDULED: &str = "SELECT COUNT(*), MIN(id) FROM delivery INDEXED BY delivery_scheduled \
     WHERE state = 'scheduled'";
const DUE: &str = "SELECT MIN(next_at) FROM lane";
const RETRIES: &str = "SELECT COUNT(*), COUNT(next_at) FROM webhook_retry";
const NEWEST: &str = "SELECT MAX(position) FROM event";

/// What is sampled.
pub(super) struct Sampler {
    pub(super) readers: SqlitePool,
    pub(super) folder: PathBuf,
    pub(super) metrics: StoreMetrics,
    pub(super) clock: Arc<dyn Clock>,
}

impl Sampler {
    /// Samples until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let begun = self.clock.monotonic();
            match stop.run_until_cancelled(self.sample()).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the depth of the queue can't be read"
                    );
                }
            }
            let took = self.clock.monotonic().since(begun);
            self.metrics.sampling.set(took.as_secs_f64());
            let rest = self.clock.sleep(REST.max(took * IDLENESS));
            if stop.run_until_cancelled(rest).await.is_none() {
                return;
            }
        }
    }

    async fn sample(&self) -> Result<(), sqlx::Error> {
        let states = [("queued", QUEUED), ("held", HELD), ("scheduled", SCHEDULED)];
        for (state, sql) in states {
            self.sample_state(OfState { state }, sql).await?;
        }
        self.sample_due().await?;
        self.sample_retries().await?;
        let newest: Option<i64> = sqlx::query_scalar(NEWEST).fetch_one(&self.readers).await?;
        self.metrics.position.set(newest.unwrap_or(0));
        self.sample_files().await;
        Ok(())
    }

    async fn sample_state(&self, state: OfState, sql: &'static str) -> Result<(), sqlx::Error> {
        let row = sqlx::query(sql).fetch_one(&self.readers).await?;
        let oldest: Option<Vec<u8>> = row.try_get(1)?;
        let oldest = oldest.and_then(|id| id.try_into().ok());
        let age = oldest.map_or(Duration::ZERO, |id| {
            let made_at = DeliveryId::from_bytes(id).made_at();
            self.clock.now().since(made_at)
        });
        let metrics = &self.metrics;
        metrics.depths.get_or_create(&state).set(row.try_get(0)?);
        metrics.ages.get_or_create(&state).set(age.as_secs_f64());
        Ok(())
    }

    async fn sample_due(&self) -> Result<(), sqlx::Error> {
        let first: Option<i64> = sqlx::query_scalar(DUE).fetch_one(&self.readers).await?;
        let now = self.clock.now();
        let overdue = first.map(|at| now.since(Timestamp::from_micros(at)));
        self.metrics
            .overdue
            .set(overdue.unwrap_or_default().as_secs_f64());
        Ok(())
    }

    async fn sample_retries(&self) -> Result<(), sqlx::Error> {
        let row = sqlx::query(RETRIES).fetch_one(&self.readers).await?;
        let (all, waiting): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        for (state, count) in [("waiting", waiting), ("dead", all - waiting)] {
            self.metrics
                .retries
                .get_or_create(&OfState { state })
                .set(count);
        }
        Ok(())
    }

    async fn sample_files(&self) {
        let folder = self.folder.clone();
        let sizes = tokio::task::spawn_blocking(move || {
            let database = format!("{DATABASE}-wal");
            let database = [DATABASE, &database].map(|name| size(&folder.join(name)));
            (sizes_in(&folder.join(BODIES)), database.iter().sum())
        });
        if let Ok((bodies, database)) = sizes.await {
            self.metrics.bodies.set(bodies);
            self.metrics.database.set(database);
        }
    }
}

/// The octets of a folder's files; what can't be read counts as nothing.
fn sizes_in(folder: &Path) -> i64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| size(&entry.path())).sum()
}

fn size(path: &Path) -> i64 {
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    i64::try_from(size).unwrap_or(i64::MAX)
}
