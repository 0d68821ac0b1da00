//! Finding hits whose time has come.
//!
//! Hits have no index by delivery: it would cost more than the hits. Those of a delivery that is due
//! are looked for among those that came next, a stretch that is read from one end to the other.

use std::collections::HashMap;

use postbell_model::engagement::Hit;
use postbell_model::{DeliveryId, Timestamp};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use crate::{StoreError, Visited, VisitsBefore, record};

use super::super::errors::read_error;
use super::super::rows::{self, RowError, integer};
use super::super::statements::BatchStatement;

/// How far the hits of a delivery are looked for, in hits: what comes in some seconds, but where very
/// many do. It is read for each batch, so that more makes a long list take longer.
const AHEAD: u64 = 4_000;

/// The statements that find.
#[derive(Debug)]
pub(in crate::sqlite) struct DueStatements {
    /// Delivery.
    pub standings: BatchStatement,
}

impl DueStatements {
    pub(in crate::sqlite) fn new() -> Self {
        Self {
            // The first delivery stands near the first event, which is none itself. It is looked for
            // where there can be one: the state of a delivery that bounced later says less.
            standings: BatchStatement::new(
                "SELECT v.column1, d.id IS NOT NULL, t.opens, t.clicks, t.clicked_at, \
                 t.clicked_link, CASE WHEN d.state IN ('delivered', 'bounced') THEN \
                 (SELECT e.at FROM event e WHERE e.delivery_id = v.column1 AND e.sequence > 1 \
                 AND e.kind = 'Delivery' ORDER BY e.sequence LIMIT 1) END FROM",
                1,
                "AS v LEFT JOIN delivery d ON d.id = v.column1 \
                 LEFT JOIN visit t ON t.delivery_id = v.column1 WHERE v.column1 IS NOT NULL",
            ),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub visited: Vec<Visited>,
    /// The numbers of hits that can't be read.
    pub unreadable: Vec<u64>,
}

/// Deliveries whose oldest hit came before a moment, the longest waiting first, about `limit` hits.
pub(super) async fn find(
    pool: &SqlitePool,
    statements: &DueStatements,
    (before, limit): (Timestamp, usize),
) -> Result<Found, StoreError> {
    let mut reader = pool.acquire().await.map_err(|error| read_error(&error))?;
    let mut found = Found::default();
    let Some(stretch) = stretch(&mut reader, (before, limit)).await? else {
        return Ok(found);
    };
    let hits = look(&mut reader, (before, limit), stretch).await?;
    // In the order of their oldest hits.
    let mut deliveries = Vec::new();
    let mut by_delivery: HashMap<_, Vec<_>> = HashMap::with_capacity(limit);
    for row in &hits {
        let Some((number, hit)) = found.readable(row, read_hit) else {
            continue;
        };
        let of_delivery = by_delivery.entry(hit.delivery).or_default();
        if of_delivery.is_empty() {
            deliveries.push(hit.delivery);
        }
        of_delivery.push((number, hit));
    }
    let mut standings = standings(&mut reader, statements, &deliveries).await?;
    let visited = deliveries.into_iter().filter_map(|delivery| {
        let hits = by_delivery.remove(&delivery)?;
        let standing = standings.remove(&delivery).unwrap_or_default();
        Some(Visited {
            delivery,
            hits,
            delivered_at: standing.delivered_at,
            before: standing.before,
        })
    });
    found.visited = visited.collect();
    Ok(found)
}

impl Found {
    /// What a row says, with its number.
    fn readable<T>(
        &mut self,
        row: &SqliteRow,
        read: impl Fn(&SqliteRow) -> Result<T, RowError>,
    ) -> Option<(u64, T)> {
        let number = rows::unsigned(row, 0, "hit.number").ok()?;
        match read(row) {
            Ok(read) => Some((number, read)),
            Err(error) => {
                tracing::error!(%error, "a hit can't be read and is not told");
                self.unreadable.push(number);
                None
            }
        }
    }
}

/// Whether there are no hits at all.
pub(super) async fn is_none(pool: &SqlitePool) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM hit)");
    let found = query.fetch_one(pool).await;
    found.map_err(|error| read_error(&error))
}

/// How many there are: reads all of them.
pub(super) async fn count(pool: &SqlitePool) -> Result<u64, StoreError> {
    let found: Result<i64, _> = sqlx::query_scalar("SELECT COUNT(*) FROM hit")
        .fetch_one(pool)
        .await;
    Ok(found.map_err(|error| read_error(&error))?.unsigned_abs())
}

/// The numbers of what has waited for the longest time.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u64,
    last: u64,
}

/// Where among so many of the oldest hits those are that are due.
async fn stretch(
    reader: &mut SqliteConnection,
    (before, limit): (Timestamp, usize),
) -> Result<Option<Stretch>, StoreError> {
    let sql = "SELECT MIN(number), MAX(number) FROM \
        (SELECT number, at FROM hit ORDER BY number LIMIT ?) WHERE at < ?";
    let row = sqlx::query(sql)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(before.as_micros())
        .fetch_one(reader)
        .await
        .map_err(|error| read_error(&error))?;
    let end = |at| -> Result<_, RowError> {
        let number: Option<i64> = row.try_get(at)?;
        Ok(number.map(i64::unsigned_abs))
    };
    let (first, last) = (end(0)?, end(1)?);
    Ok(first.zip(last).map(|(first, last)| Stretch { first, last }))
}

/// What is due in a stretch, and what came later of the same deliveries.
async fn look(
    reader: &mut SqliteConnection,
    (before, limit): (Timestamp, usize),
    stretch: Stretch,
) -> Result<Vec<SqliteRow>, StoreError> {
    let sql = "SELECT number, delivery_id, at, request FROM hit \
        WHERE number >= ?1 AND number <= ?3 AND delivery_id IN \
        (SELECT delivery_id FROM hit WHERE number >= ?1 AND number <= ?2 AND at < ?4) \
        ORDER BY number LIMIT ?5";
    sqlx::query(sql)
        .bind(integer(stretch.first))
        .bind(integer(stretch.last))
        .bind(integer(stretch.last.saturating_add(AHEAD)))
        .bind(before.as_micros())
        .bind(i64::try_from(limit.saturating_mul(2)).unwrap_or(i64::MAX))
        .fetch_all(reader)
        .await
        .map_err(|error| read_error(&error))
}

fn read_delivery(row: &SqliteRow) -> Result<DeliveryId, RowError> {
    Ok(DeliveryId::from_bytes(rows::octets(
        row,
        1,
        "hit.delivery_id",
    )?))
}

fn read_hit(row: &SqliteRow) -> Result<Hit, RowError> {
    let about = (read_delivery(row)?, rows::time(row, 2)?);
    record::read_hit(about, row.try_get(3)?).map_err(|_| RowError::Column("hit.request"))
}

/// What is known of a delivery.
#[derive(Default)]
struct Standing {
    delivered_at: Option<Timestamp>,
    before: Option<VisitsBefore>,
}

async fn standings(
    reader: &mut SqliteConnection,
    statements: &DueStatements,
    deliveries: &[DeliveryId],
) -> Result<HashMap<DeliveryId, Standing>, StoreError> {
    let mut standings = HashMap::with_capacity(deliveries.len());
    // By the order of the tables: neighbours share a page.
    let mut deliveries = deliveries.to_vec();
    deliveries.sort_unstable();
    for query in statements.standings.batch(&deliveries, super::id) {
        let rows = query.fetch_all(&mut *reader).await;
        for row in &rows.map_err(|error| read_error(&error))? {
            let (delivery, standing) = read_standing(row)?;
            standings.insert(delivery, standing);
        }
    }
    Ok(standings)
}

fn read_standing(row: &SqliteRow) -> Result<(DeliveryId, Standing), RowError> {
    let delivery = DeliveryId::from_bytes(rows::octets(row, 0, "hit.delivery_id")?);
    let is_kept: bool = row.try_get(1)?;
    let count = |at| {
        let count = row.try_get::<Option<i64>, _>(at)?.unwrap_or_default();
        u32::try_from(count).map_err(|_| RowError::Column("visit"))
    };
    let moment = |at| -> Result<_, RowError> {
        let micros: Option<i64> = row.try_get(at)?;
        Ok(micros.map(Timestamp::from_micros))
    };
    let link: Option<i64> = row.try_get(5)?;
    let before = VisitsBefore {
        opens: count(2)?,
        clicks: count(3)?,
        clicked_at: moment(4)?,
        clicked_link: link.and_then(|link| u16::try_from(link).ok()),
    };
    let standing = Standing {
        delivered_at: moment(6)?,
        before: is_kept.then_some(before),
    };
    Ok((delivery, standing))
}
