//! The smaller changes: releases, holds, sleeping lanes, and those of other modules.

use postbell_model::{
    ConfigurationSetId, DeliveryId, DeliveryState, Fact, Lane, Timestamp, WorkspaceId,
};
use sqlx::{Row, SqliteConnection};

use crate::Position;

use super::event_rows::EventRow;
use super::reports::Noted;
use super::rows::{self, blob};
use super::shared::Shared;
use super::statements::{Query, Statements};
use super::transaction::Staged;
use super::work::{Change, Work};
use super::{forwards, links, purge, scheduled, webhooks};

/// Stages what follows from the changes of the batch.
pub(super) fn stage(shared: &Shared, batch: &[Work], staged: &mut Staged<'_>) {
    for work in batch {
        match work {
            Work::Change(Change::Release(claims, at), _) => {
                stage_release(shared, claims, *at, staged);
            }
            Work::Change(Change::SleepLane(lane), _) => staged.slept.push(lane.clone()),
            Work::Change(Change::Send(due, at), _) => scheduled::stage(due, *at, staged),
            Work::Change(Change::Operate(operation), _) => operation.stage(staged),
            Work::Change(..)
            | Work::Accept(..)
            | Work::Settle(..)
            | Work::Receive(..)
            | Work::Keep(..) => {}
        }
    }
}

/// What the changes of a batch have done beside their own rows.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// The newest event that they have made.
    pub newest: Option<Position>,
    /// What each segment that was counted is still needed for.
    pub live: Vec<(u64, i64)>,
    /// Events that senders are perhaps to be told of.
    pub noted: Vec<Noted>,
    /// How much each operation has changed and each purge removed, in the order of the batch.
    pub operated: Vec<u64>,
    /// Files of what came in whose time is over.
    pub kept_ended: Vec<u64>,
}

/// Applies every change of the batch.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    (statements, shared): (&Statements, &Shared),
    batch: &[Work],
) -> Result<Applied, sqlx::Error> {
    let mut applied = Applied::default();
    for work in batch {
        let Work::Change(change, _) = work else {
            continue;
        };
        match change {
            Change::Release(claims, at) => release(connection, statements, claims, *at).await?,
            Change::Send(due, at) => {
                let newest = scheduled::send(connection, statements, due, *at).await?;
                applied.newest = applied.newest.max(newest);
            }
            Change::Operate(operation) => {
                let done = operation.carry_out(connection, statements, shared).await?;
                applied.newest = applied.newest.max(done.newest);
                applied.live.extend(done.live);
                applied.noted.extend(done.noted);
                applied.operated.push(done.changed);
            }
            // Done with what the settlements of the batch note: see `reports`.
            Change::EndReports(_) => {}
            Change::EndForwards(ended) => {
                let live = forwards::end(connection, &statements.end_forwards, ended).await?;
                applied.live.extend(live);
            }
            Change::Hold(delivery, at) => {
                let newest = hold(connection, *delivery, *at).await?;
                applied.newest = applied.newest.max(newest);
            }
            Change::SleepLane(lane) => sleep_lane(connection, lane).await?,
            Change::Advance {
                destination,
                progress,
            } => webhooks::advance(connection, statements, *destination, progress).await?,
            Change::Retries {
                destination,
                outcomes,
                calls,
            } => {
                let recorded = (&outcomes[..], &calls[..]);
                webhooks::record_retries(connection, statements, *destination, recorded).await?;
            }
            Change::Disable(destination, reason, now) => {
                let newest = webhooks::disable(connection, *destination, *reason, *now).await?;
                applied.newest = applied.newest.max(newest);
            }
            // Done after all else: see `engagement`.
            Change::Tell(_) | Change::Unsubscribe(_) => {}
            Change::KeepLinks(kept, now) => {
                links::keep(connection, &statements.keep_links, kept, *now).await?;
            }
            Change::Purge(leaving) => {
                let removed = purge::remove(connection, &statements.purge, leaving).await?;
                applied.operated.push(removed.rows);
                applied.live.extend(removed.live);
                applied.kept_ended.extend(removed.kept_ended);
            }
        }
    }
    Ok(applied)
}

async fn release(
    connection: &mut SqliteConnection,
    statements: &Statements,
    claims: &[DeliveryId],
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let bind = |query: Query<'static>, delivery: &DeliveryId| {
        query.bind(blob(delivery.as_bytes())).bind(at.as_micros())
    };
    for query in statements.release.batch(claims, bind) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn stage_release(shared: &Shared, released: &[DeliveryId], at: Timestamp, staged: &mut Staged<'_>) {
    let claims = shared.claims();
    for delivery in released {
        if let Some(claim) = claims.get(*delivery) {
            staged.due(&claim.lane, at);
            staged.ended.push(*delivery);
            staged.rings = true;
        }
    }
}

/// Keeps back a delivery that can't be read, with its event. Of its row nothing is taken for
/// granted, and its message may be missing.
async fn hold(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
    at: Timestamp,
) -> Result<Option<Position>, sqlx::Error> {
    // Whatever the number is, it has a successor: else the row would stay as it is.
    let sql = "UPDATE delivery SET state = 'held', sequence = MIN(sequence, 4294967294) + 1 \
        WHERE id = ? AND state = 'queued' RETURNING workspace_id, sequence, \
        (SELECT m.configuration_set_id FROM message m WHERE m.id = delivery.message_id)";
    let held = sqlx::query(sql)
        .bind(blob(delivery.as_bytes()))
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = held else {
        return Ok(None);
    };
    let workspace = rows::number(&row, 0, "delivery.workspace_id");
    let (Ok(workspace), Ok(sequence)) = (workspace, row.try_get(1)) else {
        return Ok(None);
    };
    // No set has the number 0.
    let set = rows::number(&row, 2, "configuration_set_id").unwrap_or(0);
    let event = EventRow::new(
        (WorkspaceId(workspace), ConfigurationSetId(set)),
        delivery,
        sequence,
        (at, &Fact::Held, DeliveryState::Held),
    );
    event.append(connection).await
}

/// Makes a lane's row anew from its deliveries.
async fn sleep_lane(connection: &mut SqliteConnection, lane: &Lane) -> Result<(), sqlx::Error> {
    let delete = "DELETE FROM lane WHERE workspace_id = ?1 AND domain = ?2 AND NOT EXISTS \
        (SELECT 1 FROM delivery WHERE workspace_id = ?1 AND domain = ?2 AND state = 'queued')";
    let update = "UPDATE lane SET next_at = (SELECT MIN(next_at) FROM delivery \
        WHERE workspace_id = ?1 AND domain = ?2 AND state = 'queued') \
        WHERE workspace_id = ?1 AND domain = ?2";
    for sql in [delete, update] {
        sqlx::query(sql)
            .bind(i64::from(lane.workspace.0))
            .bind(lane.domain.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
