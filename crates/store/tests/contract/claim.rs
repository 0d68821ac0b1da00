use std::collections::HashSet;

use crate::fixture::{Fixture, NOW, delayed, delivered, later, set_of};

pub(crate) async fn claims_take_what_is_due_oldest_first(fixture: &Fixture) {
    let lane = fixture.lane("example.com");
    let ids = fixture
        .accept(&["a@example.com", "b@example.com", "c@example.com"])
        .await;
    let first = fixture.store.claim(&lane, NOW, 3).await.unwrap();
    assert_eq!(first.len(), 3);
    let delays = ids
        .iter()
        .zip([30, 10, 20])
        .map(|(id, at)| delayed(*id, 1, later(at)));
    fixture.store.settle(delays.collect()).await;

    assert!(
        fixture
            .store
            .claim(&lane, later(9), 3)
            .await
            .unwrap()
            .is_empty()
    );
    let due: Vec<_> = fixture.store.claim(&lane, later(25), 3).await.unwrap();
    let due: Vec<_> = due.iter().map(|claimed| claimed.delivery.id).collect();
    assert_eq!(due, [ids[1], ids[2]]);
}

pub(crate) async fn nothing_is_claimed_twice(fixture: &Fixture) {
    let lane = fixture.lane("example.com");
    for _ in 0..10 {
        fixture.accept(&["a@example.com", "b@example.com"]).await;
    }
    let claim = || fixture.store.claim(&lane, NOW, 8);
    let (one, two) = tokio::join!(claim(), claim());
    let mut all = [one.unwrap(), two.unwrap()].concat();
    for _ in 0..3 {
        all.extend(claim().await.unwrap());
    }
    let distinct: HashSet<_> = all.iter().map(|claimed| claimed.delivery.id).collect();
    assert_eq!((all.len(), distinct.len()), (20, 20));
    assert!(fixture.store.claim(&lane, NOW, 8).await.unwrap().is_empty());
    assert!(
        fixture.store.lanes_due(NOW, 8).await.unwrap().is_empty(),
        "all of it is in flight"
    );
    assert_eq!(fixture.store.next_due().await.unwrap(), None);
}

pub(crate) async fn an_offered_delivery_is_not_due_before_its_retry(fixture: &Fixture) {
    let fresh = fixture.store.fresh().unwrap();
    let ids = fixture.accept(&["a@example.com"]).await;
    let lane = fixture.lane("example.com");
    assert!(
        fixture
            .store
            .claim(&lane, later(301), 1)
            .await
            .unwrap()
            .is_empty(),
        "in flight"
    );
    drop(fresh);
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(300)));
    assert!(
        fixture
            .store
            .lanes_due(later(299), 1)
            .await
            .unwrap()
            .is_empty()
    );
    let claimed = fixture.store.claim(&lane, later(300), 1).await.unwrap();
    assert_eq!(claimed[0].delivery.id, ids[0]);
    fixture.close().await;
}

pub(crate) async fn a_lane_sleeps_until_its_next_delivery(fixture: &Fixture) {
    let lane = fixture.lane("example.com");
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    fixture.store.claim(&lane, NOW, 10).await.unwrap();
    fixture
        .store
        .settle(vec![delivered(ids[0]), delayed(ids[1], 1, later(60))])
        .await;
    assert!(
        fixture
            .store
            .claim(&lane, later(2), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(60)));
    fixture.store.claim(&lane, later(60), 10).await.unwrap();
    fixture.store.settle(vec![delivered(ids[1])]).await;
    assert!(
        fixture
            .store
            .claim(&lane, later(61), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fixture.store.next_due().await.unwrap(), None);
}

pub(crate) async fn released_deliveries_are_due_again(fixture: &Fixture) {
    let mut fresh = fixture.store.fresh().unwrap();
    let ids = fixture.accept(&["a@example.com"]).await;
    fresh.recv().await.unwrap();
    fixture.store.release(ids.clone(), later(1)).await.unwrap();
    assert_eq!(fixture.store.next_due().await.unwrap(), Some(later(1)));
    let claimed = fixture
        .store
        .claim(&fixture.lane("example.com"), later(1), 1)
        .await
        .unwrap();
    assert_eq!(claimed[0].delivery.id, ids[0]);
    assert_eq!(claimed[0].delivery.attempt, 1, "no attempt was made");
}

pub(crate) async fn lanes_of_other_workspaces_stand_apart(fixture: &Fixture) {
    fixture.accept(&["a@example.com"]).await;
    let other = fixture
        .store
        .create_workspace("other", NOW)
        .await
        .unwrap()
        .id;
    let set = set_of(&*fixture.store, other, "default").await;
    let mut submission = fixture.submission(&["b@example.com"], "x");
    submission.message = crate::fixture::message(other, set).into();
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    assert_eq!(fixture.store.lanes_due(NOW, 10).await.unwrap().len(), 2);
    let claimed = fixture
        .store
        .claim(&fixture.lane("example.com"), NOW, 10)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery.recipient.as_str(), "a@example.com");
}
