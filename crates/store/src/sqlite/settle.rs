//! Settling: state, attempt and event of many deliveries in one transaction.

use std::collections::HashSet;

use postbell_model::consequence::consequence;
use postbell_model::{DeliveryId, DeliveryState, Timestamp};
use sqlx::SqliteConnection;

use crate::{SettleError, Settlement};

use super::claims::Claim;
use super::event_rows::EventRow;
use super::rows::blob;
use super::shared::Shared;
use super::statements::{Query, Statements};
use super::transaction::Staged;
use super::work::{Outcome, Work};

/// A settlement with the row that follows from it.
struct Settling<'b> {
    settlement: &'b Settlement,
    claim: Claim,
    state: DeliveryState,
    attempt: u32,
    next_at: Timestamp,
}

impl Settling<'_> {
    /// The number of the event.
    fn sequence(&self) -> i64 {
        i64::from(self.claim.sequence) + 1
    }
}

/// Updates what is still queued and stages the events. The ids of what was settled.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    statements: &Statements,
    shared: &Shared,
    batch: &[Work],
    staged: &mut Staged,
) -> Result<HashSet<DeliveryId>, sqlx::Error> {
    let rows = plan(shared, batch);
    let bind = |query: Query<'static>, row: &Settling<'_>| {
        query
            .bind(blob(row.settlement.delivery.as_bytes()))
            .bind(row.state.name())
            .bind(i64::from(row.attempt))
            .bind(row.next_at.as_micros())
    };
    let mut updated = 0;
    for query in statements.settle.batch(&rows, bind) {
        updated += query.execute(&mut *connection).await?.rows_affected();
    }
    let all_were_queued = updated == rows.len() as u64;
    let mut settled = HashSet::with_capacity(rows.len());
    for row in &rows {
        staged.ended.push(row.settlement.delivery);
        if all_were_queued || was_updated(connection, row).await? {
            stage(row, staged);
            settled.insert(row.settlement.delivery);
        }
    }
    Ok(settled)
}

/// Whether this transaction has changed the row: another one may have ended the delivery
/// before, which is rare enough for a look at each.
async fn was_updated(
    connection: &mut SqliteConnection,
    row: &Settling<'_>,
) -> Result<bool, sqlx::Error> {
    let found: Option<(i64, String)> =
        sqlx::query_as("SELECT sequence, state FROM delivery WHERE id = ?")
            .bind(blob(row.settlement.delivery.as_bytes()))
            .fetch_optional(connection)
            .await?;
    Ok(found
        .is_some_and(|(sequence, state)| sequence == row.sequence() && state == row.state.name()))
}

/// What this process has in flight and what its state becomes. A second settlement of the same
/// delivery finds nothing in flight.
fn plan<'b>(shared: &Shared, batch: &'b [Work]) -> Vec<Settling<'b>> {
    let claims = shared.claims();
    let mut seen = HashSet::new();
    settlements(batch)
        .filter_map(|settlement| {
            let claim = claims.get(settlement.delivery)?.clone();
            let follows = consequence(DeliveryState::Queued, &settlement.fact).ok()?;
            let number = settlement
                .fact
                .attempt()
                .map_or(1, |attempt| attempt.number);
            let attempt = number + u32::from(follows.next_attempt_at.is_some());
            let next_at = follows.next_attempt_at.unwrap_or(settlement.at);
            seen.insert(settlement.delivery).then_some(Settling {
                settlement,
                claim,
                state: follows.state,
                attempt,
                next_at,
            })
        })
        .collect()
}

fn settlements(batch: &[Work]) -> impl Iterator<Item = &Settlement> {
    batch.iter().flat_map(|work| match work {
        Work::Settle(settlements, _) => settlements.as_slice(),
        Work::Accept(..) | Work::Change(..) => &[],
    })
}

fn stage(row: &Settling<'_>, staged: &mut Staged) {
    let Settling {
        settlement, claim, ..
    } = row;
    if row.state.is_final() {
        *staged.segments.entry(claim.segment).or_default() -= 1;
    } else {
        staged.due(&claim.lane, row.next_at);
        staged.rings = true;
    }
    staged.events.push(EventRow::new(
        (claim.lane.workspace, claim.configuration_set),
        settlement.delivery,
        row.sequence(),
        (settlement.at, &settlement.fact),
    ));
}

/// One outcome for each piece of work at its place.
pub(super) fn outcomes(batch: &[Work], mut settled: HashSet<DeliveryId>) -> Vec<Outcome> {
    let mut outcome = |settlement: &Settlement| {
        // A delivery that stands twice in a batch is settled once, by the first.
        if settled.remove(&settlement.delivery) {
            Ok(())
        } else {
            Err(SettleError::NotQueued)
        }
    };
    batch
        .iter()
        .map(|work| match work {
            Work::Settle(settlements, _) => {
                Outcome::Settled(settlements.iter().map(&mut outcome).collect())
            }
            Work::Accept(..) | Work::Change(..) => Outcome::Whole(Ok(())),
        })
        .collect()
}
