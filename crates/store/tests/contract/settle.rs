use postbell_model::{EventKind, Fact};
use postbell_store::{Body, Position, SettleError, StoreError};

use crate::fixture::{Fixture, NOW, bounced, delayed, delivered, later};

async fn claim_all(fixture: &Fixture) -> usize {
    fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 100)
        .await
        .unwrap()
        .len()
}

pub(crate) async fn an_outcome_changes_state_and_log_together(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    claim_all(fixture).await;
    let outcomes = [delivered(ids[0]), bounced(ids[1])];
    let answers = fixture.store.settle(outcomes.to_vec()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");

    let page = fixture.events_after(fixture.set, Position(2), 10).await;
    let facts: Vec<_> = page
        .events
        .iter()
        .map(|logged| logged.event.fact.clone())
        .collect();
    assert_eq!(facts, outcomes.map(|settlement| settlement.fact));
    assert_eq!(page.events[0].event.at, later(1));
    assert_eq!(page.events[1].recipient.as_str(), "b@example.com");
    assert_eq!(claim_all(fixture).await, 0);
    let fixture = fixture.reopened().await;
    assert_eq!(claim_all(&fixture).await, 0, "both have ended");
    fixture.close().await;
}

pub(crate) async fn a_delay_is_due_again_with_the_next_number(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com"]).await;
    claim_all(fixture).await;
    fixture
        .store
        .settle(vec![delayed(ids[0], 1, later(60))])
        .await;
    let fixture = fixture.reopened().await;
    let lane = fixture.lane("example.com");
    assert!(
        fixture
            .store
            .claim(&lane, later(59), 1)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(60)));
    let claimed = fixture.store.claim(&lane, later(60), 1).await.unwrap();
    assert_eq!(
        (claimed[0].delivery.attempt, claimed[0].delivery.sequence),
        (2, 2)
    );
    fixture.close().await;
}

pub(crate) async fn a_settled_delivery_is_not_settled_again(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com"]).await;
    let early = fixture.store.settle(vec![delivered(ids[0])]).await;
    assert!(
        matches!(early.as_slice(), [Err(SettleError::NotQueued)]),
        "nobody has claimed it"
    );
    claim_all(fixture).await;
    let twice = fixture
        .store
        .settle(vec![delivered(ids[0]), bounced(ids[0])])
        .await;
    assert!(
        matches!(twice.as_slice(), [Ok(()), Err(SettleError::NotQueued)]),
        "{twice:?}"
    );
    let late = fixture.store.settle(vec![bounced(ids[0])]).await;
    assert!(
        matches!(late.as_slice(), [Err(SettleError::NotQueued)]),
        "{late:?}"
    );
    let page = fixture.events_after(fixture.set, Position(0), 10).await;
    let kinds: Vec<_> = page
        .events
        .iter()
        .map(|logged| logged.event.fact.kind())
        .collect();
    assert_eq!(kinds, [EventKind::Send, EventKind::Delivery]);
}

pub(crate) async fn one_batch_settles_each_delivery_alone(fixture: &Fixture) {
    // More rows than one statement takes.
    let recipients: Vec<_> = (0..600).map(|n| format!("a{n}@example.com")).collect();
    let recipients: Vec<_> = recipients.iter().map(String::as_str).collect();
    let ids = fixture.accept(&recipients).await;
    let lane = fixture.lane("example.com");
    assert_eq!(
        fixture.store.claim(&lane, NOW, 1_000).await.unwrap().len(),
        600
    );
    let answers = fixture
        .store
        .settle(ids.iter().map(|id| delivered(*id)).collect())
        .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 600);
    let page = fixture
        .events_after(fixture.set, Position(600), 1_000)
        .await;
    assert_eq!(page.events.len(), 600);
    assert!(
        page.events
            .iter()
            .all(|e| matches!(e.event.fact, Fact::Delivery { .. }))
    );
    assert_eq!(fixture.bodies(), 1, "the file that is written to stays");
}

pub(crate) async fn bodies_go_when_nothing_needs_them(fixture: &Fixture) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        // Each fills a segment, so that the next one begins another.
        let long = "Subject: x\r\n\r\n".to_owned() + &"long line\r\n".repeat(400);
        let mut submission = fixture.submission(&["a@example.com", "b@example.com"], "");
        submission.body = long.into();
        ids.push([submission.deliveries[0].id, submission.deliveries[1].id]);
        fixture.store.accept(vec![submission]).await[0]
            .as_ref()
            .unwrap();
    }
    assert_eq!(fixture.bodies(), 3);
    let claimed = fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 100)
        .await
        .unwrap();
    let first = claimed
        .iter()
        .find(|claimed| claimed.delivery.id == ids[0][0])
        .unwrap();
    let Body::Stored(place) = first.body else {
        panic!("claimed from the index")
    };
    fixture.store.settle(vec![delivered(ids[0][0])]).await;
    assert!(
        fixture.store.body(place).await.is_ok(),
        "the other recipient still needs it"
    );
    fixture
        .store
        .settle(vec![delivered(ids[0][1]), delivered(ids[1][0])])
        .await;
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.bodies(), 2);
    assert!(matches!(
        fixture.store.body(place).await,
        Err(StoreError::Corrupt(_))
    ));
    fixture.close().await;
}

pub(crate) async fn bodies_that_ended_before_their_file_was_full_go_with_it(fixture: &Fixture) {
    for _ in 0..5 {
        let long = "Subject: x\r\n\r\n".to_owned() + &"long line\r\n".repeat(400);
        let mut submission = fixture.submission(&["a@example.com"], "");
        submission.body = long.into();
        let id = submission.deliveries[0].id;
        fixture.store.accept(vec![submission]).await[0]
            .as_ref()
            .unwrap();
        assert_eq!(claim_all(fixture).await, 1);
        // It ends while its file is still the one that is written to.
        fixture.store.settle(vec![delivered(id)]).await[0]
            .as_ref()
            .unwrap();
    }
    fixture.close().await;
    assert_eq!(
        fixture.bodies(),
        1,
        "the last one was still being written to"
    );
}
