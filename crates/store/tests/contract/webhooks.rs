use postbell_model::{DestinationId, DestinationState, DisableReason, Timestamp};
use postbell_store::{Position, Progress, Retry, RetryOutcome};

use crate::fixture::{Fixture, later};
use crate::tenants::destination;

async fn destination_of(fixture: &Fixture) -> DestinationId {
    let destination = destination(fixture, "all");
    fixture
        .store
        .create_destination(destination.clone())
        .await
        .unwrap();
    destination.id
}

pub(crate) fn to(cursor: u64, failed: impl Into<Vec<Retry>>) -> Progress {
    Progress {
        cursor: Position(cursor),
        failed: failed.into(),
        calls: Vec::new(),
    }
}

fn retry(position: u64, attempts: u32, next_at: Timestamp) -> Retry {
    let last_error = "503 Service Unavailable".to_owned();
    Retry {
        position: Position(position),
        document: 0,
        attempts,
        next_at,
        last_error,
    }
}

pub(crate) async fn a_cursor_begins_at_the_newest_event_and_never_goes_back(fixture: &Fixture) {
    fixture.accept(&["a@example.com", "b@example.com"]).await;
    let destination = destination_of(fixture).await;
    let store = &fixture.store;
    assert_eq!(store.cursor(destination).await.unwrap(), Position(2));
    store.advance(destination, to(5, [])).await.unwrap();
    store.advance(destination, to(3, [])).await.unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(
        fixture.store.cursor(destination).await.unwrap(),
        Position(5)
    );
    fixture.close().await;
}

pub(crate) async fn retries_come_due_in_order(fixture: &Fixture) {
    let destination = destination_of(fixture).await;
    let store = &fixture.store;
    assert_eq!(store.next_retry(destination).await.unwrap(), None);
    let (one, two) = (retry(1, 1, later(20)), retry(2, 1, later(10)));
    store
        .advance(destination, to(2, [one.clone(), two.clone()]))
        .await
        .unwrap();
    assert_eq!(
        store.next_retry(destination).await.unwrap(),
        Some(later(10))
    );
    assert_eq!(
        store.retries_due(destination, later(10), 5).await.unwrap(),
        std::slice::from_ref(&two)
    );
    assert_eq!(
        store.retries_due(destination, later(20), 5).await.unwrap(),
        [two, one]
    );

    let again = retry(1, 2, later(60));
    let delivered = RetryOutcome::Delivered {
        position: Position(2),
        document: 0,
    };
    let outcomes = vec![RetryOutcome::Again(again.clone()), delivered];
    store
        .record_retries(destination, outcomes, Vec::new())
        .await
        .unwrap();
    assert_eq!(
        store.retries_due(destination, later(60), 5).await.unwrap(),
        [again]
    );
}

pub(crate) async fn dead_retries_are_never_due(fixture: &Fixture) {
    let destination = destination_of(fixture).await;
    let store = &fixture.store;
    let dead = retry(1, 10, later(20));
    store
        .advance(destination, to(1, [dead.clone()]))
        .await
        .unwrap();
    store
        .record_retries(destination, vec![RetryOutcome::Dead(dead)], Vec::new())
        .await
        .unwrap();
    assert_eq!(store.next_retry(destination).await.unwrap(), None);
    assert!(
        store
            .retries_due(destination, later(9_999), 5)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_destination_can_be_disabled(fixture: &Fixture) {
    let destination = destination_of(fixture).await;
    fixture
        .store
        .disable(destination, DisableReason::Gone, later(1))
        .await
        .unwrap();
    let directory = fixture.store.directory();
    assert_eq!(
        directory.destinations()[0].state,
        DestinationState::Disabled
    );
}
