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

#[cfg(test)]
mod tests {
    use postbell_model::clock::Still;
    use sqlx::SqliteConnection;

    use super::super::database;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn before(seconds: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() - seconds * 1_000_000)
    }

    async fn insert(writer: &mut SqliteConnection, state: &str, age: i64) {
        let id = DeliveryId::new(before(age));
        let sql = "INSERT INTO delivery (id, message_id, workspace_id, domain, recipient, state, \
            attempt, sequence, next_at, expires_at) \
            VALUES (?, x'00', 1, 'example.org', 'a@example.org', ?, 1, 1, 0, 0)";
        let query = sqlx::query(sql).bind(&id.as_bytes()[..]).bind(state);
        query.execute(writer).await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_is_counted_by_state() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE);
        let mut writer = database::writer(&file).await.unwrap();
        database::migrate(&mut writer).await.unwrap();
        for (state, age) in [
            ("queued", 10),
            ("queued", 30),
            ("held", 70),
            ("delivered", 900),
        ] {
            insert(&mut writer, state, age).await;
        }
        let lane = "INSERT INTO lane VALUES (1, 'example.org', ?)";
        let lane = sqlx::query(lane).bind(before(5).as_micros());
        lane.execute(&mut writer).await.unwrap();
        let metrics = StoreMetrics::default();
        let sampler = Sampler {
            readers: database::readers(&file).await.unwrap(),
            folder: folder.path().to_owned(),
            metrics: metrics.clone(),
            clock: Arc::new(Still(NOW)),
        };
        sampler.sample().await.unwrap();
        let of = |state| {
            let state = OfState { state };
            let age = metrics.ages.get_or_create_owned(&state).get();
            (metrics.depths.get_or_create_owned(&state).get(), age)
        };
        assert_eq!(of("queued"), (2, 30.0));
        assert_eq!(of("held"), (1, 70.0));
        assert_eq!(of("scheduled"), (0, 0.0));
        assert!((metrics.overdue.get() - 5.0).abs() < 1e-9);
        assert!(metrics.database.get() > 0);
    }
}
