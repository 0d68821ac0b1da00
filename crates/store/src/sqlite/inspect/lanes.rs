//! What waits, lane by lane and one by one.

use postbell_model::{Delivery, DeliveryId, Event, Lane, WorkspaceId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::{DeliveryFilter, LaneDepth, StoreError, Waiting};

use super::super::errors::read_error;
use super::super::rows::{self, RowError};
use super::{Waits, filter, history};

/// The depth of each lane, by state.
pub(in crate::sqlite) async fn depths(
    pool: &SqlitePool,
    wanted: &DeliveryFilter,
) -> Result<Vec<LaneDepth>, StoreError> {
    let mut depths = Vec::new();
    for waits in Waits::of(wanted) {
        let mut query = if waits.has_lanes(wanted) {
            by_lane(waits, wanted)
        } else {
            by_delivery(waits, wanted)
        };
        let found = query.build().fetch_all(pool).await;
        for row in found.map_err(|error| read_error(&error))? {
            depths.push(read_depth(&row, waits)?);
        }
    }
    depths.sort_by(|a, b| a.lane.cmp(&b.lane));
    Ok(depths)
}

/// Of each lane that there is, with one look at its stretch of the index: half the work of
/// [`by_delivery`], which compares each row with the one before. Those that are empty
/// are passed over.
fn by_lane(waits: Waits, wanted: &DeliveryFilter) -> QueryBuilder<Sqlite> {
    let of_lane = format!(
        "{} AND d.workspace_id = l.workspace_id AND d.domain = l.domain",
        waits.from(wanted)
    );
    let mut query = QueryBuilder::new(format!(
        "SELECT l.workspace_id, l.domain, (SELECT COUNT(*) {of_lane}), \
         (SELECT d.next_at {of_lane} ORDER BY d.next_at LIMIT 1) FROM lane l \
         WHERE EXISTS (SELECT 1 {of_lane})"
    ));
    if let Some(workspace) = wanted.workspace {
        query.push(" AND l.workspace_id = ");
        query.push_bind(i64::from(workspace.0));
    }
    query
}

/// Of each lane that has deliveries which fit.
fn by_delivery(waits: Waits, wanted: &DeliveryFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT d.workspace_id, d.domain, COUNT(*), MIN(d.next_at)");
    query.push(waits.from(wanted));
    filter::push(&mut query, wanted);
    query.push(" GROUP BY d.workspace_id, d.domain");
    query
}

/// The oldest delivery of a lane that is in this state and fits.
pub(super) async fn oldest(
    pool: &SqlitePool,
    wanted: &DeliveryFilter,
    depth: &LaneDepth,
) -> Result<Option<DeliveryId>, StoreError> {
    let of_lane = DeliveryFilter {
        workspace: Some(depth.lane.workspace),
        domain: Some(depth.lane.domain.clone()),
        states: vec![depth.state],
        ..wanted.clone()
    };
    let Some(waits) = Waits::of(&of_lane).pop() else {
        return Ok(None);
    };
    let mut query = QueryBuilder::new("SELECT MIN(d.id)");
    query.push(waits.from(&of_lane));
    filter::push(&mut query, &of_lane);
    let row = query.build().fetch_one(pool).await;
    let row = row.map_err(|error| read_error(&error))?;
    let oldest: Option<&[u8]> = row.try_get(0).map_err(|error| read_error(&error))?;
    let Some(octets) = oldest else {
        return Ok(None);
    };
    let octets = octets
        .try_into()
        .map_err(|_| RowError::Column("delivery.id"))?;
    Ok(Some(DeliveryId::from_bytes(octets)))
}

fn read_depth(row: &SqliteRow, waits: Waits) -> Result<LaneDepth, RowError> {
    Ok(LaneDepth {
        lane: Lane {
            workspace: WorkspaceId(rows::number(row, 0, "delivery.workspace_id")?),
            domain: rows::domain(row.try_get(1)?, "delivery.domain")?,
        },
        state: waits.state(),
        count: rows::unsigned(row, 2, "COUNT")?,
        next_at: rows::time(row, 3)?,
    })
}

/// The deliveries that are due first.
pub(super) async fn waiting(
    pool: &SqlitePool,
    wanted: &DeliveryFilter,
    limit: usize,
) -> Result<Vec<Waiting>, StoreError> {
    let mut all = Vec::new();
    for waits in Waits::of(wanted) {
        let mut query = QueryBuilder::new("SELECT d.id, d.next_at");
        query.push(waits.from(wanted));
        filter::push(&mut query, wanted);
        query.push(" ORDER BY d.next_at, d.id LIMIT ");
        query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let found = query.build().fetch_all(pool).await;
        for row in found.map_err(|error| read_error(&error))? {
            let id = rows::octets(&row, 0, "delivery.id").map_err(StoreError::from)?;
            let next_at = rows::time(&row, 1).map_err(StoreError::from)?;
            all.push((next_at, DeliveryId::from_bytes(id)));
        }
    }
    all.sort_unstable();
    all.truncate(limit);
    let mut waiting = Vec::with_capacity(all.len());
    for (_, id) in all {
        waiting.extend(one(pool, id).await?);
    }
    Ok(waiting)
}

async fn one(pool: &SqlitePool, id: DeliveryId) -> Result<Option<Waiting>, StoreError> {
    let Some(row) = history::delivery_row(pool, id).await? else {
        return Ok(None);
    };
    let latest = history::latest_event(pool, id).await?;
    Ok(Some(read_waiting(&row, id, latest)?))
}

fn read_waiting(
    row: &SqliteRow,
    id: DeliveryId,
    latest: Option<Event>,
) -> Result<Waiting, RowError> {
    let (message, _) = rows::read_message(row, history::MESSAGE_AT)?;
    let (delivery, state, next_at): (Delivery, _, _) = history::read_delivery(row, id)?;
    Ok(Waiting {
        delivery,
        message,
        state,
        next_at,
        latest,
    })
}
