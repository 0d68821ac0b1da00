//! Keeping hits: one short row each.

use postbell_model::engagement::Hit;
use postbell_model::{DeliveryId, Timestamp};
use sqlx::SqliteConnection;
use tokio::sync::OwnedSemaphorePermit;

use crate::record;

use super::super::rows::blob;
use super::super::statements::{BatchStatement, Query};
use super::super::work::Work;

/// The statement that keeps hits: delivery, time, what else is known.
pub(in crate::sqlite) const KEEP: (&str, usize, &str) = (
    "INSERT INTO hit (delivery_id, at, request) SELECT * FROM",
    3,
    "WHERE column1 IS NOT NULL",
);

/// Hits on their way in, as they are stored: made by whoever hands them in, since the committer has
/// little time.
#[derive(Debug)]
pub(in crate::sqlite) struct Keeping {
    rows: Vec<HitRow>,
    octets: usize,
    /// Given back with the answer.
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct HitRow {
    delivery: DeliveryId,
    at: Timestamp,
    request: String,
}

impl Keeping {
    pub(super) fn of(hits: &[Hit], room: OwnedSemaphorePermit) -> Self {
        let rows = hits.iter().map(|hit| HitRow {
            delivery: hit.delivery,
            at: hit.at,
            request: record::write_hit(hit),
        });
        let rows: Vec<_> = rows.collect();
        Self {
            octets: rows.iter().map(|row| row.request.len()).sum(),
            rows,
            _room: room,
        }
    }

    pub(in crate::sqlite) const fn octets(&self) -> usize {
        self.octets
    }

    pub(in crate::sqlite) const fn rows(&self) -> usize {
        self.rows.len()
    }
}

/// Keeps the hits of a batch: how many there were.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    statement: &BatchStatement,
    batch: &[Work],
) -> Result<u64, sqlx::Error> {
    let kept = batch.iter().filter_map(Work::hits);
    let rows: Vec<_> = kept.flat_map(|keeping| &keeping.rows).collect();
    let bind = |query: Query<'static>, row: &&HitRow| {
        query
            .bind(blob(row.delivery.as_bytes()))
            .bind(row.at.as_micros())
            .bind(row.request.clone())
    };
    for query in statement.batch(&rows, bind) {
        query.execute(&mut *connection).await?;
    }
    Ok(rows.len() as u64)
}
