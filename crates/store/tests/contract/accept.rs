use std::sync::Arc;

use postbell_store::{Body, StoreError, Stored};

use crate::fixture::{FRESH_PER_LANE, FRESH_ROOM, Fixture, NOW, later, report_request};

pub(crate) async fn an_accepted_message_survives_a_crash(fixture: &Fixture) {
    let ids = fixture.accept(&["ann@example.com"]).await;
    let fixture = fixture.reopened().await;
    let claimed = fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 10)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery.id, ids[0]);
    assert_eq!(claimed[0].delivery.recipient.as_str(), "ann@example.com");
    assert_eq!(
        (claimed[0].delivery.attempt, claimed[0].delivery.sequence),
        (1, 1)
    );
    assert_eq!(claimed[0].delivery.expires_at, later(86_400));
    assert_eq!(claimed[0].delivery.report, report_request());
    let expected = crate::fixture::message(fixture.workspace, fixture.set);
    let message = &*claimed[0].message;
    assert_eq!(
        *message,
        postbell_model::Message {
            id: message.id,
            ..expected
        }
    );
    fixture.close().await;
}

pub(crate) async fn a_body_comes_back_as_it_was(fixture: &Fixture) {
    let body = "Subject: caf\u{e9}\r\n\r\n.\r\n";
    let answers = fixture
        .store
        .accept(vec![fixture.submission(&["a@example.com"], body)])
        .await;
    assert!(answers[0].is_ok());
    let claimed = fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 1)
        .await
        .unwrap();
    let Body::Stored(place) = claimed[0].body else {
        panic!("nobody took the fresh channel")
    };
    assert_eq!(fixture.store.body(place).await.unwrap(), body);
}

pub(crate) async fn a_refused_submission_fails_alone(fixture: &Fixture) {
    let good = fixture.submission(&["a@example.com"], "x");
    let mut twice = fixture.submission(&["b@example.com"], "x");
    twice.message = Arc::clone(&good.message);
    let other = fixture.submission(&["c@example.com"], "x");
    let answers = fixture.store.accept(vec![good, twice, other]).await;
    assert!(matches!(
        answers.as_slice(),
        [
            Ok(Stored::New),
            Err(StoreError::Refused(_)),
            Ok(Stored::New)
        ]
    ));
    let claimed = fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 10)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 2);
}

pub(crate) async fn fresh_deliveries_are_offered_with_their_body(fixture: &Fixture) {
    let mut fresh = fixture.store.fresh().unwrap();
    assert!(
        fixture.store.fresh().is_none(),
        "the channel has one receiver"
    );
    let ids = fixture.accept(&["a@example.com", "b@example.net"]).await;
    for id in ids {
        let offered = fresh.recv().await.unwrap();
        assert_eq!(offered.delivery.id, id);
        assert!(matches!(offered.body, Body::Memory(body) if body == "Subject: x\r\n\r\nx\r\n"));
    }
    assert!(fresh.try_recv().is_err());
}

pub(crate) async fn what_does_not_fit_the_channel_is_due_at_once(fixture: &Fixture) {
    let mut fresh = fixture.store.fresh().unwrap();
    let mut queued = fixture.store.queued();
    for n in 0..FRESH_ROOM {
        fixture.accept(&[&format!("a@d{n}.example")]).await;
    }
    assert!(!queued.has_changed().unwrap(), "all of these were offered");
    let left_over = fixture.accept(&["a@late.example"]).await;
    assert!(queued.has_changed().unwrap());
    queued.mark_unchanged();
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(NOW));
    let lanes = fixture.store.lanes_due(NOW, 10).await.unwrap();
    assert_eq!(lanes, [fixture.lane("late.example")]);
    let claimed = fixture.store.claim(&lanes[0], NOW, 10).await.unwrap();
    assert_eq!(claimed[0].delivery.id, left_over[0]);
    fresh.recv().await.unwrap();
    fixture.accept(&["a@again.example"]).await;
    assert!(!queued.has_changed().unwrap(), "there is room again");
}

pub(crate) async fn one_lane_does_not_take_all_the_room(fixture: &Fixture) {
    let mut fresh = fixture.store.fresh().unwrap();
    for _ in 0..FRESH_PER_LANE + 2 {
        fixture.accept(&["a@busy.example"]).await;
    }
    fixture.accept(&["a@live.example"]).await;
    let expected = [vec!["busy.example"; FRESH_PER_LANE], vec!["live.example"]].concat();
    for domain in expected {
        let offered = fresh.recv().await.unwrap();
        assert_eq!(offered.delivery.recipient.domain().as_str(), domain);
    }
    assert!(fresh.try_recv().is_err());
    let claimed = fixture
        .store
        .claim(&fixture.lane("busy.example"), NOW, 10)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 2);
}
