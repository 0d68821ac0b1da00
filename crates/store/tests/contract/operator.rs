//! What an operator sees and does.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use postbell_model::{
    Address, BounceClass, DeliveryId, DeliveryState, Destination, DestinationId,
    DestinationSettings, DestinationState, EventKind, Fact, Reply, Secret,
};
use postbell_store::{
    Action, Batch, Course, DeliveryFilter, EventFilter, From, MessageOrDelivery, Operated,
    Position, Retry, Told,
};

use crate::fixture::{Fixture, NOW, delayed, delivered, later};
use crate::webhooks::to;

async fn operate(fixture: &Fixture, filter: &DeliveryFilter, action: Action) -> Operated {
    let operated = fixture.store.operate(filter, &action, later(5)).await;
    operated.unwrap()
}

/// Holds the next few of all.
async fn hold_some(fixture: &Fixture, course: &mut Course) -> Batch {
    let (all, hold) = (all(), Action::Hold);
    let batch = fixture.store.operate_some(&all, &hold, later(5), course);
    batch.await.unwrap()
}

fn all() -> DeliveryFilter {
    DeliveryFilter::default()
}

fn one(delivery: DeliveryId) -> DeliveryFilter {
    DeliveryFilter {
        delivery: Some(delivery),
        ..all()
    }
}

fn changed(changed: u64) -> Operated {
    Operated {
        changed,
        left_alone: 0,
    }
}

async fn due(fixture: &Fixture, seconds: u64) -> HashSet<DeliveryId> {
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, later(seconds), 100).await;
    let ids: HashSet<_> = claimed.unwrap().iter().map(|c| c.delivery.id).collect();
    let claims = ids.iter().copied().collect();
    fixture.store.release(claims, later(seconds)).await.unwrap();
    ids
}

/// The kinds of a delivery's events, in order.
async fn told(fixture: &Fixture, delivery: DeliveryId) -> Vec<EventKind> {
    let inspector = fixture.inspector().await;
    let id = MessageOrDelivery(*delivery.as_bytes());
    let history = inspector.history(id).await.unwrap().unwrap();
    let mut found = history
        .deliveries
        .iter()
        .filter(|d| d.delivery.id == delivery);
    let events = &found.next().unwrap().events;
    let numbers: Vec<_> = events.iter().map(|e| e.event.sequence).collect();
    let expected: Vec<_> = (1..).take(events.len()).collect();
    assert_eq!(numbers, expected, "no gap");
    events.iter().map(|e| e.event.fact.kind()).collect()
}

pub(crate) async fn lanes_tell_what_waits(fixture: &Fixture) {
    fixture
        .accept(&["a@example.com", "b@example.com", "c@example.org"])
        .await;
    let mut later_on = fixture.submission(&["d@example.com"], "x");
    later_on.send_at = Some(later(60));
    fixture.store.accept(vec![later_on]).await;
    let inspector = fixture.inspector().await;
    let lanes = inspector.lanes(&all()).await.unwrap();
    let seen: Vec<_> = lanes
        .iter()
        .map(|l| (l.lane.domain.as_str(), l.state, l.count))
        .collect();
    assert_eq!(
        seen,
        [
            ("example.com", DeliveryState::Queued, 2),
            ("example.com", DeliveryState::Scheduled, 1),
            ("example.org", DeliveryState::Queued, 1),
        ]
    );
    let oldest = inspector.oldest(&all(), &lanes[0]).await.unwrap();
    assert_eq!(oldest.unwrap().made_at(), NOW);
    assert_eq!(lanes[0].next_at, NOW);
    assert_eq!(lanes[1].next_at, later(60));
    let waiting = inspector.waiting(&all(), 3).await.unwrap();
    assert_eq!(waiting.len(), 3);
    assert_eq!(waiting[0].latest.as_ref().unwrap().fact, Fact::Send);
}

pub(crate) async fn held_mail_stays_until_it_is_released(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    assert_eq!(
        operate(fixture, &one(ids[0]), Action::Hold).await,
        changed(1)
    );
    assert_eq!(
        operate(fixture, &one(ids[0]), Action::Hold).await,
        changed(0)
    );
    let fixture = fixture.reopened().await;
    assert_eq!(due(&fixture, 9).await, HashSet::from([ids[1]]));
    assert_eq!(operate(&fixture, &all(), Action::Release).await, changed(1));
    assert_eq!(due(&fixture, 9).await, ids.iter().copied().collect());
    assert_eq!(
        told(&fixture, ids[0]).await,
        [EventKind::Send, EventKind::Held, EventKind::Released]
    );
    fixture.close().await;
}

pub(crate) async fn scheduled_mail_is_scheduled_again(fixture: &Fixture) {
    let mut submission = fixture.submission(&["a@example.com"], "x");
    submission.send_at = Some(later(60));
    let id = submission.deliveries[0].id;
    fixture.store.accept(vec![submission]).await;
    assert_eq!(operate(fixture, &all(), Action::Hold).await, changed(1));
    assert_eq!(fixture.store.send_scheduled(later(61), 9).await.unwrap(), 0);
    assert_eq!(operate(fixture, &all(), Action::Release).await, changed(1));
    assert_eq!(fixture.store.send_scheduled(later(59), 9).await.unwrap(), 0);
    assert_eq!(fixture.store.send_scheduled(later(61), 9).await.unwrap(), 1);
    assert_eq!(
        told(fixture, id).await,
        [
            EventKind::Scheduled,
            EventKind::Held,
            EventKind::Released,
            EventKind::Send
        ]
    );
}

pub(crate) async fn cancelled_mail_ends_with_its_body(fixture: &Fixture) {
    let long = "Subject: x\r\n\r\n".to_owned() + &"long line\r\n".repeat(400);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut submission = fixture.submission(&["a@example.com", "b@example.com"], "");
        submission.body = long.clone().into();
        ids.extend(submission.deliveries.iter().map(|new| new.id));
        fixture.store.accept(vec![submission]).await[0]
            .as_ref()
            .unwrap();
    }
    assert_eq!(fixture.bodies(), 2);
    assert_eq!(
        operate(fixture, &one(ids[0]), Action::Cancel).await,
        changed(1)
    );
    assert_eq!(
        operate(fixture, &one(ids[1]), Action::Hold).await,
        changed(1)
    );
    assert_eq!(
        operate(fixture, &one(ids[1]), Action::Cancel).await,
        changed(1)
    );
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.bodies(), 1, "nothing needs the first body");
    assert_eq!(due(&fixture, 9).await, HashSet::from([ids[2], ids[3]]));
    assert_eq!(
        told(&fixture, ids[1]).await,
        [EventKind::Send, EventKind::Held, EventKind::Cancelled]
    );
    fixture.close().await;
}

pub(crate) async fn failed_mail_bounces_with_the_reply(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com"]).await;
    let reply = Reply::new(554, 7, 0, "Taken out of the queue");
    let action = Action::Fail(reply.clone());
    assert_eq!(operate(fixture, &all(), action).await, changed(1));
    let inspector = fixture.inspector().await;
    let id = MessageOrDelivery(*ids[0].as_bytes());
    let history = inspector.history(id).await.unwrap().unwrap();
    assert_eq!(history.deliveries[0].state, DeliveryState::Bounced);
    let Fact::Bounce { attempt, class, .. } = &history.deliveries[0].events[1].event.fact else {
        panic!("{history:?}")
    };
    assert_eq!(
        (&attempt.tries[0].reply, *class),
        (&reply, BounceClass::Other)
    );
}

pub(crate) async fn a_retry_is_due_at_once(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com"]).await;
    fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 9)
        .await
        .unwrap();
    fixture
        .store
        .settle(vec![delayed(ids[0], 1, later(900))])
        .await;
    assert!(due(fixture, 9).await.is_empty());
    assert_eq!(operate(fixture, &all(), Action::Retry).await, changed(1));
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(5)));
    assert_eq!(due(fixture, 9).await, HashSet::from([ids[0]]));
    assert_eq!(
        operate(fixture, &all(), Action::Retry).await,
        changed(1),
        "due at 9, pushed to 5"
    );
    assert_eq!(operate(fixture, &all(), Action::Retry).await, changed(0));
}

pub(crate) async fn what_is_in_flight_is_left_alone(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, NOW, 1).await.unwrap();
    let flying = claimed[0].delivery.id;
    let some = Operated {
        changed: 1,
        left_alone: 1,
    };
    assert_eq!(operate(fixture, &all(), Action::Cancel).await, some);
    let answers = fixture.store.settle(vec![delivered(flying)]).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(
        told(fixture, flying).await,
        [EventKind::Send, EventKind::Delivery]
    );
    let other = ids.into_iter().find(|id| *id != flying).unwrap();
    assert_eq!(
        told(fixture, other).await,
        [EventKind::Send, EventKind::Cancelled]
    );
}

pub(crate) async fn what_is_put_aside_is_changed_and_its_claim_ends(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, NOW, 9).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let mut course = Course::default();
    course.aside.insert(ids[0]);
    let stranger = DeliveryId::new(NOW);
    course.aside.insert(stranger);
    let (mut changed, mut left_alone) = (0, 0);
    while !course.is_ended() {
        let batch = hold_some(fixture, &mut course).await;
        changed += batch.changed;
        left_alone += batch.left_alone;
    }
    assert_eq!((changed, left_alone), (1, 1));
    assert_eq!(course.aside, HashSet::from([stranger]), "it was not found");
    // Held, then released: due again, while the other is in flight still.
    assert!(due(fixture, 9).await.is_empty());
    assert_eq!(operate(fixture, &all(), Action::Release).await.changed, 1);
    assert_eq!(due(fixture, 9).await, HashSet::from([ids[0]]));
    let answers = fixture.store.settle(vec![delivered(ids[1])]).await;
    assert!(answers[0].is_ok(), "{answers:?}");
}

pub(crate) async fn a_long_queue_is_gone_through_batch_by_batch(fixture: &Fixture) {
    let to = |n: u32| format!("u{n}@d{}.example", n % 7);
    let recipients: Vec<_> = (0..600).map(to).collect();
    let recipients: Vec<_> = recipients.iter().map(String::as_str).collect();
    for some in recipients.chunks(100) {
        fixture.accept(some).await;
    }
    let mut course = Course::default();
    let mut batches = Vec::new();
    while !course.is_ended() {
        batches.push(hold_some(fixture, &mut course).await.changed);
    }
    assert_eq!(batches.iter().sum::<u64>(), 600);
    assert!(batches.iter().all(|changed| *changed < 300), "{batches:?}");
    let one = DeliveryFilter {
        recipient: Address::parse("u8@d1.example").ok(),
        ..all()
    };
    assert_eq!(operate(fixture, &one, Action::Release).await, changed(1));
    assert_eq!(operate(fixture, &all(), Action::Cancel).await, changed(600));
}

pub(crate) async fn a_filter_means_what_it_says(fixture: &Fixture) {
    fixture
        .accept(&["a@example.com", "b@example.com", "c@example.org"])
        .await;
    let inspector = fixture.inspector().await;
    let message = inspector.waiting(&all(), 1).await.unwrap()[0].message.id;
    let recipient = Address::parse("b@example.com").unwrap();
    let domain = fixture.lane("example.org").domain;
    for (filter, count) in [
        (
            DeliveryFilter {
                recipient: Some(recipient),
                ..all()
            },
            1,
        ),
        (
            DeliveryFilter {
                domain: Some(domain),
                ..all()
            },
            1,
        ),
        (
            DeliveryFilter {
                message: Some(message),
                ..all()
            },
            3,
        ),
        (
            DeliveryFilter {
                workspace: Some(fixture.workspace),
                ..all()
            },
            3,
        ),
        (
            DeliveryFilter {
                accepted_before: Some(NOW),
                ..all()
            },
            0,
        ),
        (
            DeliveryFilter {
                accepted_before: Some(later(1)),
                ..all()
            },
            3,
        ),
        (
            DeliveryFilter {
                states: vec![DeliveryState::Held],
                ..all()
            },
            0,
        ),
    ] {
        let lanes = inspector.lanes(&filter).await.unwrap();
        let found: u64 = lanes.iter().map(|lane| lane.count).sum();
        assert_eq!(found, count, "{filter:?}");
        let waiting = inspector.waiting(&filter, 100).await.unwrap();
        assert_eq!(waiting.len() as u64, count, "{filter:?}");
    }
    let held = DeliveryFilter {
        states: vec![DeliveryState::Held],
        ..all()
    };
    assert_eq!(operate(fixture, &held, Action::Hold).await, changed(0));
}

async fn destination(fixture: &Fixture, name: &str) -> DestinationId {
    let destination = Destination {
        id: DestinationId::new(NOW),
        workspace: fixture.workspace,
        configuration_set: Some(fixture.set),
        name: name.to_owned(),
        url: "https://example.org/".to_owned(),
        secret: Secret::new(b"secret".to_vec()),
        previous_secret: None,
        matching_event_types: Vec::new(),
        format: "postbell".to_owned(),
        settings: DestinationSettings::default(),
        replays: 0,
        state: DestinationState::Active,
        created_at: NOW,
    };
    let id = destination.id;
    fixture.store.create_destination(destination).await.unwrap();
    id
}

pub(crate) async fn a_history_has_every_event_and_who_was_told(fixture: &Fixture) {
    let (quick, slow) = (
        destination(fixture, "quick").await,
        destination(fixture, "slow").await,
    );
    let ids = fixture.accept(&["a@example.com"]).await;
    fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 9)
        .await
        .unwrap();
    fixture.store.settle(vec![delivered(ids[0])]).await;
    let failed = Retry {
        position: Position(1),
        document: 0,
        attempts: 2,
        next_at: later(60),
        last_error: "500".to_owned(),
    };
    fixture.store.advance(quick, to(2, [])).await.unwrap();
    fixture.store.advance(slow, to(1, [failed])).await.unwrap();
    let inspector = fixture.inspector().await;
    let of_delivery = inspector
        .history(MessageOrDelivery(*ids[0].as_bytes()))
        .await;
    let history = of_delivery.unwrap().unwrap();
    let of_message = MessageOrDelivery(*history.message.id.as_bytes());
    assert_eq!(
        inspector.history(of_message).await.unwrap(),
        Some(history.clone())
    );
    let delivery = &history.deliveries[0];
    assert_eq!(delivery.state, DeliveryState::Delivered);
    let again = Told::Again {
        attempts: 2,
        next_at: later(60),
        last_error: "500".to_owned(),
    };
    let told = delivery.events.iter().map(|event| event.told.clone());
    let told: Vec<BTreeMap<_, _>> = told.map(|told| told.into_iter().collect()).collect();
    assert_eq!(
        told,
        [
            BTreeMap::from([(quick, Told::Done), (slow, again)]),
            BTreeMap::from([(quick, Told::Done), (slow, Told::Waiting)]),
        ]
    );
    let unknown = inspector.history(MessageOrDelivery([7; 16])).await.unwrap();
    assert_eq!(unknown, None);
}

pub(crate) async fn events_are_found_by_what_they_are_about(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.org"]).await;
    fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 9)
        .await
        .unwrap();
    fixture.store.settle(vec![delivered(ids[0])]).await;
    let inspector = fixture.inspector().await;
    let find = async |filter: EventFilter, from| {
        let found = inspector.events(&filter, from, 2).await.unwrap();
        let told = found.events.iter().map(|e| (e.position().0, e.kind()));
        (told.collect::<Vec<_>>(), found.read_to.0)
    };
    let any = EventFilter::default;
    let sends = vec![(1, EventKind::Send), (2, EventKind::Send)];
    assert_eq!(find(any(), From::After(Position(0))).await, (sends, 2));
    let last = vec![(2, EventKind::Send), (3, EventKind::Delivery)];
    assert_eq!(find(any(), From::Newest).await, (last, 3));
    let only = EventFilter {
        kinds: vec![EventKind::Delivery],
        ..any()
    };
    let delivery = vec![(3, EventKind::Delivery)];
    assert_eq!(find(only, From::Newest).await, (delivery.clone(), 3));
    let since = EventFilter {
        since: Some(NOW.after(Duration::from_micros(1))),
        ..any()
    };
    assert_eq!(find(since, From::After(Position(0))).await, (delivery, 3));
    let domain = EventFilter {
        domain: Some(fixture.lane("example.org").domain),
        ..any()
    };
    assert_eq!(
        find(domain, From::Newest).await,
        (vec![(2, EventKind::Send)], 3)
    );
    let nobody = EventFilter {
        recipient: Address::parse("c@example.org").ok(),
        ..any()
    };
    assert_eq!(find(nobody, From::Newest).await, (vec![], 3));
}
