//! Scheduled deliveries: found by their time alone, queued in bulk when it has come.

use postbell_model::{
    ConfigurationSetId, DeliveryId, DeliveryState, Fact, Lane, Timestamp, WorkspaceId,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use crate::{Position, StoreError};

use super::errors::read_error;
use super::event_rows::EventRow;
use super::rows::{self, RowError, blob};
use super::statements::{Query, Statements};
use super::transaction::Staged;

/// A delivery whose time has come.
#[derive(Debug)]
pub(super) struct Due {
    delivery: DeliveryId,
    lane: Lane,
    configuration_set: ConfigurationSetId,
    sequence: u32,
}

/// The scheduled deliveries that are due, longest due first.
pub(super) async fn due(
    pool: &SqlitePool,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Due>, StoreError> {
    let sql = "SELECT d.id, d.workspace_id, d.domain, d.sequence, m.configuration_set_id \
        FROM delivery d INDEXED BY delivery_scheduled JOIN message m ON m.id = d.message_id \
        WHERE d.state = 'scheduled' AND d.next_at <= ? ORDER BY d.next_at LIMIT ?";
    let found = sqlx::query(sql)
        .bind(now.as_micros())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read).collect::<Result<_, _>>()?)
}

/// When the next scheduled delivery is due.
pub(super) async fn next(pool: &SqlitePool) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT MIN(next_at) FROM delivery INDEXED BY delivery_scheduled \
        WHERE state = 'scheduled'";
    let next: Option<i64> = sqlx::query_scalar(sql)
        .fetch_one(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(next.map(Timestamp::from_micros))
}

fn read(row: &SqliteRow) -> Result<Due, RowError> {
    Ok(Due {
        delivery: DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?),
        lane: Lane {
            workspace: WorkspaceId(rows::number(row, 1, "delivery.workspace_id")?),
            domain: rows::domain(row.try_get(2)?, "delivery.domain")?,
        },
        configuration_set: ConfigurationSetId(rows::number(row, 4, "configuration_set_id")?),
        sequence: rows::number(row, 3, "delivery.sequence")?,
    })
}

/// Stages what follows: each is due in its lane.
pub(super) fn stage(due: &[Due], at: Timestamp, staged: &mut Staged<'_>) {
    for one in due {
        staged.due(&one.lane, at);
        staged.rings = true;
    }
}

/// Queues those that still wait, each with its `Send`. The position of the newest event.
pub(super) async fn send(
    connection: &mut SqliteConnection,
    statements: &Statements,
    due: &[Due],
    at: Timestamp,
) -> Result<Option<Position>, sqlx::Error> {
    let bind = |query: Query<'static>, one: &Due| {
        query
            .bind(blob(one.delivery.as_bytes()))
            .bind(at.as_micros())
            .bind(i64::from(one.sequence))
    };
    for query in statements.send.batch(due, bind) {
        query.execute(&mut *connection).await?;
    }
    let events: Vec<_> = due.iter().map(|one| event(one, at)).collect();
    let mut newest = None;
    for query in statements.events.batch(&events, EventRow::bind) {
        let written = query.execute(&mut *connection).await?;
        if written.rows_affected() > 0 {
            newest = Some(Position(written.last_insert_rowid().unsigned_abs()));
        }
    }
    Ok(newest)
}

fn event(one: &Due, at: Timestamp) -> EventRow {
    EventRow::new(
        (one.lane.workspace, one.configuration_set),
        one.delivery,
        i64::from(one.sequence) + 1,
        (at, &Fact::Send, DeliveryState::Queued),
    )
}
