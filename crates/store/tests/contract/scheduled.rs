//! Mail that waits for its time.

use std::collections::HashSet;

use postbell_model::{DeliveryId, EventKind, Fact};
use postbell_store::{LoggedEvent, Position, Stored};

use crate::fixture::{Fixture, NOW, later};

async fn schedule(fixture: &Fixture, to: &'static str, seconds: u64) -> DeliveryId {
    let mut submission = fixture.submission(&[to], "x");
    submission.send_at = Some(later(seconds));
    let id = submission.deliveries[0].id;
    let answers = fixture.store.accept(vec![submission]).await;
    assert!(
        matches!(answers.as_slice(), [Ok(Stored::New)]),
        "{answers:?}"
    );
    id
}

async fn events(fixture: &Fixture) -> Vec<LoggedEvent> {
    let page = fixture.events_after(fixture.set, Position(0), 100).await;
    page.events
}

pub(crate) async fn a_scheduled_delivery_is_in_no_lane(fixture: &Fixture) {
    let id = schedule(fixture, "ann@example.com", 60).await;
    assert!(
        fixture
            .store
            .lanes_due(later(99), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(60)));
    let told = events(fixture).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].event.delivery, id);
    assert_eq!(told[0].event.fact, Fact::Scheduled { send_at: later(60) });
    assert_eq!(
        fixture.store.send_scheduled(later(59), 10).await.unwrap(),
        0
    );
}

pub(crate) async fn at_its_time_it_is_queued_with_its_send(fixture: &Fixture) {
    let first = schedule(fixture, "ann@example.com", 60).await;
    let second = schedule(fixture, "bob@example.com", 61).await;
    let third = schedule(fixture, "cid@example.org", 900).await;
    assert_eq!(fixture.store.send_scheduled(later(62), 1).await.unwrap(), 1);
    assert_eq!(
        fixture.store.send_scheduled(later(62), 10).await.unwrap(),
        1
    );
    assert_eq!(
        fixture.store.send_scheduled(later(62), 10).await.unwrap(),
        0
    );
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, later(62), 10).await.unwrap();
    let ids: HashSet<_> = claimed.iter().map(|claim| claim.delivery.id).collect();
    assert_eq!(ids, HashSet::from([first, second]));
    assert_eq!(claimed[0].delivery.sequence, 2);
    let told = events(fixture).await;
    let sent = told.iter().filter(|told| told.event.fact == Fact::Send);
    let sent: Vec<_> = sent
        .map(|told| (told.event.delivery, told.event.sequence))
        .collect();
    assert_eq!(sent, [(first, 2), (second, 2)]);
    assert!(
        told.iter()
            .any(|told| told.event.delivery == third
                && told.event.fact.kind() == EventKind::Scheduled)
    );
}

pub(crate) async fn scheduled_mail_survives_a_crash(fixture: &Fixture) {
    let id = schedule(fixture, "ann@example.com", 60).await;
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(60)));
    assert_eq!(
        fixture.store.send_scheduled(later(60), 10).await.unwrap(),
        1
    );
    let fixture = fixture.reopened().await;
    let lane = fixture.lane("example.com");
    assert!(
        fixture
            .store
            .claim(&lane, NOW, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let claimed = fixture.store.claim(&lane, later(60), 10).await.unwrap();
    assert_eq!(claimed[0].delivery.id, id);
    fixture.close().await;
}
