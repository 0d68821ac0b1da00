//! Accepting: the rows of messages, deliveries and their first events.

use std::sync::Arc;

use postbell_model::{Delivery, DeliveryState, Fact, Lane, Timestamp};
use tokio::sync::mpsc;

use crate::{Body, BodyRef, Claimed, NewDelivery, Submission};

use super::claims::{Claim, Origin};
use super::event_rows::EventRow;
use super::reports;
use super::rows::{self, blob};
use super::shared::Shared;
use super::statements::Query;
use super::transaction::Staged;

/// A submission with the place of its body.
#[derive(Debug)]
pub(super) struct Arrival<'b> {
    submission: &'b Submission,
    body: BodyRef,
    pub deliveries: Vec<ArrivingDelivery<'b>>,
    /// Its sender is paused, by what the claims knew of pauses then.
    paused: Option<u64>,
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
                deliveries: deliveries.collect(),
            }
        })
        .collect()
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

    /// The state that deliveries begin in.
    const fn state(&self) -> DeliveryState {
        match self.submission.send_at {
            Some(_) => DeliveryState::Scheduled,
            None => DeliveryState::Queued,
        }
    }

    /// The first event of each delivery.
    fn fact(&self) -> Fact {
        match self.submission.send_at {
            Some(send_at) => Fact::Scheduled { send_at },
            None => Fact::Send,
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
            .bind(arrival.state().name())
            .bind(delivery.new.report.notify.map(|notify| notify.to_string()))
            .bind(delivery.new.report.orcpt.as_ref().map(ToString::to_string))
    }
}

/// Stages the rows of messages, deliveries and events.
pub(super) fn stage<'b>(arrivals: &'b [Arrival<'b>], staged: &mut Staged<'b>) {
    for arrival in arrivals {
        staged.rows.messages.push(arrival);
        for delivery in &arrival.deliveries {
            staged
                .rows
                .deliveries
                .push(DeliveryRow { arrival, delivery });
            stage_delivery(arrival, delivery, staged);
        }
        let count = i64::try_from(arrival.deliveries.len()).unwrap_or(i64::MAX);
        staged.count_bodies(arrival.body.segment, count);
    }
}

fn stage_delivery(arrival: &Arrival<'_>, delivery: &ArrivingDelivery<'_>, staged: &mut Staged<'_>) {
    let message = &arrival.submission.message;
    // A scheduled delivery is in no lane before its time.
    if arrival.submission.send_at.is_none() {
        let at = arrival.next_at(delivery);
        match arrival.paused {
            None => staged.due(&delivery.lane, at),
            Some(pauses) => staged.due_once_resumed(&delivery.lane, at, pauses),
        }
    }
    staged.rings |= !delivery.offered;
    staged.rows.events.push(EventRow::new(
        (message.workspace, message.configuration_set),
        delivery.new.id,
        1,
        (message.accepted_at, &arrival.fact(), arrival.state()),
    ));
}
