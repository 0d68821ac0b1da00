//! Settling: state, attempt and event of many deliveries in one transaction.

use std::collections::HashSet;

use postbell_model::consequence::consequence;
use postbell_model::report::called_for;
use postbell_model::{DeliveryId, DeliveryState, Timestamp};

use crate::{SettleError, Settlement, Stored};

use super::claims::Claim;
use super::event_rows::EventRow;
use super::idempotency::Known;
use super::reports::Noted;
use super::rows::blob;
use super::shared::Shared;
use super::statements::Query;
use super::suppression::{Follow, Rules};
use super::transaction::{Done, Staged};
use super::work::{Change, Outcome, Work};

/// A settlement with the row that follows from it.
#[derive(Debug)]
pub(super) struct Settling<'b> {
    settlement: &'b Settlement,
    claim: Claim,
    state: DeliveryState,
    /// `None`: there was none, and the number stays.
    attempt: Option<u32>,
    next_at: Timestamp,
}

impl Settling<'_> {
    pub(super) fn bind(query: Query<'static>, row: &Self) -> Query<'static> {
        query
            .bind(blob(row.settlement.delivery.as_bytes()))
            .bind(row.state.name())
            .bind(row.attempt.map(i64::from))
            .bind(row.next_at.as_micros())
    }

    /// The number of the event.
    fn sequence(&self) -> i64 {
        i64::from(self.claim.sequence) + 1
    }
}

/// Stages the rows of deliveries and events. The ids of what is settled.
pub(super) fn stage<'b>(
    shared: &Shared,
    batch: &'b [Work],
    staged: &mut Staged<'b>,
) -> HashSet<DeliveryId> {
    let rows = plan(shared, batch);
    let rules = shared.rules();
    for row in &rows {
        staged.ended.push(row.settlement.delivery);
        stage_one(row, rules, staged);
    }
    let settled = rows.iter().map(|row| row.settlement.delivery).collect();
    staged.rows.settlings = rows;
    settled
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
            let number = settlement.fact.attempt().map(|attempt| attempt.number);
            let attempt = number.map(|n| n + u32::from(follows.next_attempt_at.is_some()));
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
        Work::Accept(..) | Work::Receive(..) | Work::Keep(..) | Work::Change(..) => &[],
    })
}

fn stage_one<'b>(row: &Settling<'b>, rules: Rules<'_>, staged: &mut Staged<'b>) {
    let Settling {
        settlement, claim, ..
    } = row;
    if row.state.is_final() {
        staged.count_bodies(claim.segment, -1);
    } else {
        staged.due(&claim.lane, row.next_at);
        staged.rings = true;
    }
    if let Some(wanted) = claim.reports
        && called_for(wanted, &settlement.fact).is_some()
    {
        staged.reports.push(Noted {
            delivery: settlement.delivery,
            sequence: row.sequence(),
            segment: claim.segment,
        });
    }
    let event = EventRow::new(
        (claim.lane.workspace, claim.configuration_set),
        settlement.delivery,
        row.sequence(),
        (settlement.at, &settlement.fact, row.state),
    );
    if rules.ask(&settlement.fact) {
        staged.follow.push(Follow {
            delivery: settlement.delivery,
            event: event.id,
            at: settlement.at,
            fact: &settlement.fact,
        });
    }
    staged.rows.events.push(event);
}

/// One outcome for each piece of work at its place, all committed.
pub(super) fn outcomes(
    batch: &[Work],
    known: &Known,
    mut settled: HashSet<DeliveryId>,
    done: Done,
) -> Vec<Outcome> {
    let mut operated = done.operated.into_iter();
    let mut taken = done.taken.into_iter();
    let mut unsubscribed = done.unsubscribed.into_iter();
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
            Work::Accept(submission, _) => {
                let earlier = known.earlier(submission);
                Outcome::Accepted(Ok(earlier.map_or(Stored::New, Stored::Known)))
            }
            Work::Receive(..) => Outcome::Received(Ok(taken.next().unwrap_or_default())),
            Work::Change(Change::Operate(_) | Change::Purge(_), _) => {
                Outcome::Changed(Ok(operated.next().unwrap_or_default()))
            }
            Work::Change(Change::Unsubscribe(_), _) => {
                Outcome::Changed(Ok(unsubscribed.next().unwrap_or_default()))
            }
            Work::Keep(..) => Outcome::Kept(Ok(())),
            Work::Change(..) => Outcome::Changed(Ok(0)),
        })
        .collect()
}
