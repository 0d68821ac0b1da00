//! Accepting: the rows of messages, deliveries and their first events.

use std::sync::Arc;

use postbell_model::{Delivery, DeliveryId, DeliveryState, Fact, Lane, Timestamp};
use tokio::sync::mpsc;

use crate::{Body, BodyRef, Claimed, NewDelivery, Submission};

use super::claims::{Claim, Origin};
use super::event_rows::EventRow;
use super::reports;
use super::rows::{self, blob};
use super::shared::Shared;
use super::statements::Query;
use super::suppression::{self, Key, Rules, Sought};
use super::transaction::Staged;

/// A submission with the place of its body.
#[derive(Debug)]
pub(super) struct Arrival<'b> {
    submission: &'b Submission,
    body: BodyRef,
    pub deliveries: Vec<ArrivingDelivery<'b>>,
    /// Its sender is paused, by what the claims knew of pauses then.
    paused: Option<u64>,
    /// The newest entry of the suppression list that the look at it is sure to see.
    seen: i64,
}

/// A new delivery, and whether it goes to the delivery stage from memory.
#[derive(Debug)]
pub(super) struct ArrivingDelivery<'b> {
    pub new: &'b NewDelivery,
    lane: Lane,
    pub offered: bool,
}

/// Decides which deliveries are offered: as many as the channel and the limits have room for.
///
/// This task alone sends on the channel, so the room that is there now is there after the commit.
pub(super) fn plan<'b>(
    submissions: impl Iterator<Item = (&'b Submission, BodyRef)>,
    shared: &Shared,
    fresh: &mpsc::Sender<Claimed>,
) -> Vec<Arrival<'b>> {
    let taken = shared.offers() && !fresh.is_closed();
    let mut room = if taken { fresh.capacity() } else { 0 };
    // Known before it is looked up: a pause that ends in between is one that the claims hear of later.
    let pauses = shared.claims().pauses();
    let seen = shared.recent().known_to();
    let directory = shared.directory();
    let claims = shared.claims();
    let mut octets_offered = 0;
    submissions
        .map(|(submission, body)| {
            let octets = u64::from(body.length);
            let paused = directory.pause_of_message(&submission.message);
            let waits = submission.send_at.is_some() || paused.is_some();
            let deliveries = submission.deliveries.iter().map(|new| {
                let lane = lane_of(submission, new);
                let offered = room > 0
                    && !waits
                    && new.ends_with.is_none()
                    && claims.has_room(&lane, octets_offered + octets, shared.limits);
                if offered {
                    room -= 1;
                    octets_offered += octets;
                }
                ArrivingDelivery { new, lane, offered }
            });
            Arrival {
                submission,
                body,
                paused: paused.map(|_| pauses),
                seen,
                deliveries: deliveries.collect(),
            }
        })
        .collect()
}

/// Whether anything of a submission is to be sent: else nobody needs its body.
pub(super) fn is_sent(submission: &Submission) -> bool {
    let mut deliveries = submission.deliveries.iter();
    deliveries.any(|delivery| delivery.ends_with.is_none())
}

fn lane_of(submission: &Submission, delivery: &NewDelivery) -> Lane {
    Lane {
        workspace: submission.message.workspace,
        domain: delivery.recipient.domain().clone(),
    }
}

impl Arrival<'_> {
    /// When a delivery is due in any process: at its time where it has one, at its retry where it
    /// is in flight in this process, at once where it isn't.
    fn next_at(&self, delivery: &ArrivingDelivery<'_>) -> Timestamp {
        match self.submission.send_at {
            Some(send_at) => send_at,
            None if delivery.offered => delivery.new.retry_at,
            None => self.submission.message.accepted_at,
        }
    }

    /// The first event of a delivery.
    fn fact(&self, delivery: &NewDelivery) -> Fact {
        match (&delivery.ends_with, self.submission.send_at) {
            (Some(fact), _) => fact.clone(),
            (None, Some(send_at)) => Fact::Scheduled { send_at },
            (None, None) => Fact::Send,
        }
    }

    /// The state that a delivery begins in: what follows from its first event.
    fn state(&self, delivery: &NewDelivery) -> DeliveryState {
        match (&delivery.ends_with, self.submission.send_at) {
            (Some(Fact::Suppressed(_)), _) => DeliveryState::Suppressed,
            (Some(_), _) => DeliveryState::Rejected,
            (None, Some(_)) => DeliveryState::Scheduled,
            (None, None) => DeliveryState::Queued,
        }
    }

    pub(super) fn claim(&self, delivery: &ArrivingDelivery<'_>) -> Claim {
        let message = &self.submission.message;
        Claim {
            lane: delivery.lane.clone(),
            configuration_set: message.configuration_set,
            segment: self.body.segment,
            sequence: 1,
            reports: reports::wanted(message, &delivery.new.report),
            octets: u64::from(self.body.length),
            origin: Origin::Fresh,
            seen: self.seen,
        }
    }

    pub(super) fn claimed(&self, delivery: &ArrivingDelivery<'_>) -> Claimed {
        Claimed {
            delivery: Delivery {
                id: delivery.new.id,
                recipient: delivery.new.recipient.clone(),
                attempt: 1,
                sequence: 1,
                expires_at: delivery.new.expires_at,
                report: delivery.new.report.clone(),
            },
            message: Arc::clone(&self.submission.message),
            body: Body::Memory(self.submission.body.clone()),
        }
    }
}

/// A delivery's row.
#[derive(Debug)]
pub(super) struct DeliveryRow<'b> {
    arrival: &'b Arrival<'b>,
    delivery: &'b ArrivingDelivery<'b>,
}

impl Arrival<'_> {
    pub(super) fn bind(&self, query: Query<'static>) -> Query<'static> {
        rows::bind_message(query, self.submission, self.body)
    }
}

impl DeliveryRow<'_> {
    pub(super) fn bind(query: Query<'static>, row: &Self) -> Query<'static> {
        let Self { arrival, delivery } = row;
        query
            .bind(blob(delivery.new.id.as_bytes()))
            .bind(blob(arrival.submission.message.id.as_bytes()))
            .bind(i64::from(delivery.lane.workspace.0))
            .bind(delivery.lane.domain.as_str().to_owned())
            .bind(delivery.new.recipient.as_str().to_owned())
            .bind(arrival.next_at(delivery).as_micros())
            .bind(delivery.new.expires_at.as_micros())
            .bind(arrival.state(delivery.new).name())
            .bind(delivery.new.report.notify.map(|notify| notify.to_string()))
            .bind(delivery.new.report.orcpt.as_ref().map(ToString::to_string))
    }
}

impl DeliveryRow<'_> {
    pub(super) const fn id(&self) -> DeliveryId {
        self.delivery.new.id
    }

    /// The stream of its message.
    pub(super) fn stream(&self) -> Option<&str> {
        let instructions = &self.arrival.submission.message.instructions;
        instructions.stream.as_deref()
    }

    pub(super) fn accepted_at(&self) -> Timestamp {
        self.arrival.submission.message.accepted_at
    }

    /// Where its body is.
    pub(super) const fn segment(&self) -> u64 {
        self.arrival.body.segment
    }
}

/// Stages the rows of messages, deliveries and events, and whom the suppression list is asked about.
pub(super) fn stage<'b>(arrivals: &'b [Arrival<'b>], rules: Rules<'_>, staged: &mut Staged<'b>) {
    for arrival in arrivals {
        staged.rows.messages.push(arrival);
        let mut sent = 0;
        for delivery in &arrival.deliveries {
            let row = DeliveryRow { arrival, delivery };
            if delivery.new.ends_with.is_none() {
                sent += 1;
                seek(&row, rules, staged);
            }
            staged.rows.deliveries.push(row);
            stage_delivery(arrival, delivery, staged);
        }
        if sent > 0 {
            staged.count_bodies(arrival.body.segment, sent);
        }
    }
}

fn seek(row: &DeliveryRow<'_>, rules: Rules<'_>, staged: &mut Staged<'_>) {
    let message = &row.arrival.submission.message;
    if suppression::is_exempt(message) {
        return;
    }
    let recipient = &row.delivery.new.recipient;
    staged.rows.sought.push(Sought {
        delivery: staged.rows.deliveries.len(),
        key: Key::of(message.workspace, recipient, rules.local_part),
    });
}

fn stage_delivery(arrival: &Arrival<'_>, delivery: &ArrivingDelivery<'_>, staged: &mut Staged<'_>) {
    let message = &arrival.submission.message;
    let fact = arrival.fact(delivery.new);
    let state = arrival.state(delivery.new);
    staged.rows.events.push(EventRow::new(
        (message.workspace, message.configuration_set),
        delivery.new.id,
        1,
        (message.accepted_at, &fact, state),
    ));
    if state.is_final() {
        return;
    }
    // A scheduled delivery is in no lane before its time.
    if arrival.submission.send_at.is_none() {
        let at = arrival.next_at(delivery);
        match arrival.paused {
            None => staged.due(&delivery.lane, at),
            Some(pauses) => staged.due_once_resumed(&delivery.lane, at, pauses),
        }
    }
    staged.rings |= !delivery.offered;
}
