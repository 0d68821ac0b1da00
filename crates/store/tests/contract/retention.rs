//! What is removed once it is over, and what stays.

use std::time::Duration;

use postbell_model::{DeliveryId, Destination, DisableReason, Timestamp};
use postbell_store::{
    Action, Call, CallAnswer, DeliveryFilter, IdempotencyKey, KeptSince, Position, Progress,
    PurgeRound, Purged, ReportEnd, Retry, RetryOutcome, SqliteTenants, Stored, Webhooks,
    WhichCalls, verify,
};

use crate::fixture::{Fixture, NOW, delivered, later, refused, set_of};
use crate::tenants::destination;

/// Long after all that happens here.
const LATE: u64 = 1_000;

/// A whole round. Whatever it has removed, the store is sound.
async fn purge(fixture: &Fixture, before: Timestamp) -> Purged {
    let mut round = PurgeRound::default();
    let mut all = Purged::default();
    while !round.is_over() {
        let since = since(before);
        let some = fixture.store.purge_some(since, before, &mut round).await;
        all += some.unwrap();
    }
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
    all
}

/// All that is older goes, and leaves nothing.
const fn since(before: Timestamp) -> KeptSince {
    KeptSince {
        messages: Some(before),
        slim: Some(before),
        inbound: Some(before),
    }
}

/// One message with so many deliveries, each of two events.
const fn message_of(deliveries: u64) -> Purged {
    Purged {
        messages: 1,
        deliveries,
        events: 2 * deliveries,
        calls: 0,
        keys: 0,
        slim: 0,
        files: 0,
        inbound: 0,
        links: 0,
        suppressions: 0,
    }
}

/// A message that was accepted and delivered.
async fn delivered_to(fixture: &Fixture, recipients: &[&str]) -> Vec<DeliveryId> {
    let ids = fixture.accept(recipients).await;
    settle(fixture, &ids).await;
    ids
}

async fn settle(fixture: &Fixture, ids: &[DeliveryId]) {
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 1_000).await.unwrap();
    let settled = ids.iter().map(|id| delivered(*id)).collect();
    let settled = fixture.store.settle(settled).await;
    assert!(settled.iter().all(Result::is_ok), "{settled:?}");
}

/// What comes after all others, so that it has the newest event: it waits.
async fn newest(fixture: &Fixture) {
    fixture.accept(&["newest@example.net"]).await;
}

/// The places of all events that are kept of the set.
async fn kept(fixture: &Fixture) -> Vec<u64> {
    let page = fixture.events_after(fixture.set, Position(0), 1_000).await;
    page.events.iter().map(|event| event.position.0).collect()
}

async fn made(fixture: &Fixture, destination: Destination) -> Destination {
    let made = fixture.store.create_destination(destination.clone());
    made.await.unwrap();
    destination
}

async fn hears(fixture: &Fixture, hook: &Destination, position: u64, failed: Vec<Retry>) {
    let progress = Progress {
        cursor: Position(position),
        failed,
        calls: vec![call(1), call(position)],
    };
    fixture.store.advance(hook.id, progress).await.unwrap();
}

fn call(position: u64) -> Call {
    Call {
        at: later(position),
        position: Position(position),
        document: 0,
        attempt: 1,
        took: Duration::from_millis(15),
        answer: CallAnswer::Failure("no answer within 15 s".to_owned()),
        next_at: None,
    }
}

fn retry(position: u64) -> Retry {
    Retry {
        position: Position(position),
        document: 0,
        attempts: 1,
        next_at: later(20),
        last_error: "500".to_owned(),
    }
}

pub(crate) async fn what_is_over_is_removed(fixture: &Fixture) {
    delivered_to(fixture, &["a@example.com", "b@example.com"]).await;
    delivered_to(fixture, &["c@example.com"]).await;
    newest(fixture).await;
    let expected = Purged {
        messages: 2,
        deliveries: 3,
        events: 6,
        ..Purged::default()
    };
    assert_eq!(purge(fixture, later(LATE)).await, expected);
    assert_eq!(kept(fixture).await, [7]);
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());

    // What comes later takes the places that follow.
    let fixture = fixture.reopened().await;
    delivered_to(&fixture, &["d@example.com"]).await;
    assert_eq!(kept(&fixture).await, [7, 8, 9]);
    fixture.close().await;
}

pub(crate) async fn what_is_not_old_enough_stays(fixture: &Fixture) {
    delivered_to(fixture, &["a@example.com"]).await;
    newest(fixture).await;
    // It was accepted before, and its newest event is of this very moment.
    assert_eq!(purge(fixture, later(1)).await, Purged::default());
    let purged = purge(fixture, later(1).after(Duration::from_micros(1))).await;
    assert_eq!(purged, message_of(1));
}

pub(crate) async fn a_message_stays_until_all_its_deliveries_are_over(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    settle(fixture, &ids[..1]).await;
    fixture.store.release(vec![ids[1]], NOW).await.unwrap();
    newest(fixture).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    let rest = DeliveryFilter {
        delivery: Some(ids[1]),
        ..DeliveryFilter::default()
    };
    let hold = fixture.store.operate(&rest, &Action::Hold, later(2)).await;
    assert_eq!(hold.unwrap().changed, 1);
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    let cancel = fixture
        .store
        .operate(&rest, &Action::Cancel, later(3))
        .await;
    assert_eq!(cancel.unwrap().changed, 1);
    newest(fixture).await;
    let expected = Purged {
        events: 2 + 3,
        ..message_of(2)
    };
    assert_eq!(purge(fixture, later(LATE)).await, expected);
}

pub(crate) async fn scheduled_mail_stays(fixture: &Fixture) {
    let mut submission = fixture.submission(&["a@example.com"], "x");
    submission.send_at = Some(later(9 * LATE));
    let answers = fixture.store.accept(vec![submission]).await;
    assert!(matches!(answers.as_slice(), [Ok(Stored::New)]));
    newest(fixture).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
}

pub(crate) async fn the_newest_event_stays(fixture: &Fixture) {
    delivered_to(fixture, &["a@example.com"]).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    let hook = made(fixture, destination(fixture, "hook")).await;
    assert_eq!(fixture.store.cursor(hook.id).await.unwrap(), Position(2));
    newest(fixture).await;
    assert_eq!(purge(fixture, later(LATE)).await, message_of(1));
}

pub(crate) async fn what_a_destination_has_not_heard_stays(fixture: &Fixture) {
    let hook = made(fixture, destination(fixture, "hook")).await;
    let other = Destination {
        configuration_set: Some(set_of(&*fixture.store, fixture.workspace, "other").await),
        ..destination(fixture, "hook")
    };
    // It hears of another set, and is never called.
    made(fixture, other).await;
    delivered_to(fixture, &["a@example.com"]).await;
    newest(fixture).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    hears(fixture, &hook, 1, Vec::new()).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    hears(fixture, &hook, 2, Vec::new()).await;
    let expected = Purged {
        calls: 4,
        ..message_of(1)
    };
    assert_eq!(purge(fixture, later(LATE)).await, expected);
}

pub(crate) async fn a_disabled_destination_keeps_what_it_has_not_heard(fixture: &Fixture) {
    let hook = Destination {
        configuration_set: None,
        ..destination(fixture, "hook")
    };
    let hook = made(fixture, hook).await;
    delivered_to(fixture, &["a@example.com"]).await;
    let disabled = fixture
        .store
        .disable(hook.id, DisableReason::Down, later(7));
    disabled.await.unwrap();
    newest(fixture).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
    tenants.remove_destination(hook.id).await.unwrap();
    tenants.close().await;
    // The event that it was disabled goes as well, in its own time.
    assert_eq!(purge(fixture, later(7)).await, message_of(1));
    let expected = Purged {
        events: 1,
        ..Purged::default()
    };
    assert_eq!(purge(fixture, later(LATE)).await, expected);
}

pub(crate) async fn calls_that_are_due_again_hold_and_dead_ones_go(fixture: &Fixture) {
    let hook = made(fixture, destination(fixture, "hook")).await;
    delivered_to(fixture, &["a@example.com"]).await;
    newest(fixture).await;
    hears(fixture, &hook, 3, vec![retry(2)]).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    let dead = vec![RetryOutcome::Dead(retry(2))];
    let store = &fixture.store;
    store
        .record_retries(hook.id, dead, vec![call(2)])
        .await
        .unwrap();
    let expected = Purged {
        calls: 2,
        ..message_of(1)
    };
    assert_eq!(purge(fixture, later(LATE)).await, expected);
    let tenants = SqliteTenants::open(fixture.folder()).await.unwrap();
    assert!(tenants.dead(hook.id, 10).await.unwrap().is_empty());
    let calls = tenants.calls(hook.id, WhichCalls::All, 10).await.unwrap();
    let about: Vec<_> = calls.iter().map(|logged| logged.call.position.0).collect();
    assert_eq!(about, [3], "the call about what is kept");
    tenants.close().await;
}

pub(crate) async fn what_a_report_is_to_be_made_of_stays(fixture: &Fixture) {
    let mut submission = fixture.submission(&["a@example.com"], "x");
    submission.deliveries[0].report.notify = "FAILURE".parse().ok();
    let id = submission.deliveries[0].id;
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 1).await.unwrap();
    fixture.store.settle(vec![refused(id)]).await[0]
        .as_ref()
        .unwrap();
    newest(fixture).await;
    assert_eq!(purge(fixture, later(LATE)).await, Purged::default());
    let due = fixture.store.reports_due(10).await.unwrap();
    let end = ReportEnd::without_report(due[0].logged.position);
    fixture.store.end_reports(vec![end]).await.unwrap();
    assert_eq!(purge(fixture, later(LATE)).await, message_of(1));
}

pub(crate) async fn a_round_goes_on_in_stretches(fixture: &Fixture) {
    let mut ids = Vec::new();
    for _ in 0..6 {
        let fifty = (0..50).map(|_| fixture.submission(&["a@example.com"], "x"));
        let fifty: Vec<_> = fifty.collect();
        ids.extend(fifty.iter().map(|one| one.deliveries[0].id));
        for answer in fixture.store.accept(fifty).await {
            answer.unwrap();
        }
    }
    settle(fixture, &ids).await;
    newest(fixture).await;
    let mut round = PurgeRound::default();
    let mut counts = Vec::new();
    while !round.is_over() {
        let some = fixture
            .store
            .purge_some(since(later(LATE)), NOW, &mut round);
        counts.push(some.await.unwrap().messages);
    }
    assert_eq!(counts.iter().sum::<u64>(), 300);
    assert!(counts.iter().all(|count| *count <= 256), "{counts:?}");
    assert_eq!(kept(fixture).await, [601]);
}

pub(crate) async fn a_message_to_many_is_removed(fixture: &Fixture) {
    let recipients: Vec<_> = (0..600).map(|n| format!("{n}@example.com")).collect();
    let recipients: Vec<_> = recipients.iter().map(String::as_str).collect();
    delivered_to(fixture, &["a@example.com"]).await;
    delivered_to(fixture, &recipients).await;
    delivered_to(fixture, &["b@example.com"]).await;
    newest(fixture).await;
    let expected = Purged {
        messages: 3,
        deliveries: 602,
        events: 1_204,
        ..Purged::default()
    };
    assert_eq!(purge(fixture, later(LATE)).await, expected);
}

pub(crate) async fn keys_go_when_they_have_expired(fixture: &Fixture) {
    let mut submission = fixture.submission(&["a@example.com"], "x");
    submission.idempotency = Some(IdempotencyKey {
        key: "order-1".to_owned(),
        until: later(100),
    });
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    assert_eq!(purge(fixture, later(99)).await, Purged::default());
    let expected = Purged {
        keys: 1,
        ..Purged::default()
    };
    assert_eq!(purge(fixture, later(100)).await, expected);
}
