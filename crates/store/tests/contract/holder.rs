//! What is done about deliveries that somebody has in memory.

use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use postbell_model::{DeliveryId, LeftQueue};
use postbell_store::{Action, DeliveryFilter, Holder, Nobody, Operated};

use crate::fixture::{Fixture, NOW, delivered, later};
use crate::tenancy::{accept_by, credential};

/// Has these, and notes what it is given back.
#[derive(Default)]
struct Memory {
    waiting: HashSet<DeliveryId>,
    /// It gives this away as well, whatever it is asked for.
    stranger: Option<DeliveryId>,
    back: Mutex<Vec<DeliveryId>>,
}

#[async_trait]
impl Holder for Memory {
    fn put_these_aside(&self, deliveries: &HashSet<DeliveryId>) -> HashSet<DeliveryId> {
        let both = self.waiting.intersection(deliveries).copied();
        both.chain(self.stranger).collect()
    }

    async fn give_back(&self, deliveries: Vec<DeliveryId>) {
        self.back.lock().unwrap().extend(deliveries);
    }
}

pub(crate) async fn what_waits_in_memory_is_taken_from_its_holder(fixture: &Fixture) {
    let to = ["a@example.com", "b@example.com", "c@example.org"];
    let ids = fixture.accept(&to).await;
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, NOW, 9).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let stranger = DeliveryId::new(NOW);
    let memory = Memory {
        waiting: HashSet::from([ids[0]]),
        stranger: Some(stranger),
        ..Memory::default()
    };
    let all = DeliveryFilter::default();
    let done = fixture
        .store
        .operate_beside(&all, &Action::Cancel, later(1), &memory);
    let done = done.await.unwrap();
    assert_eq!((done.changed, done.left_alone), (2, 1));
    assert_eq!(*memory.back.lock().unwrap(), [stranger]);
    let answers = fixture.store.settle(vec![delivered(ids[1])]).await;
    assert!(answers[0].is_ok(), "it was being sent: {answers:?}");
    let answers = fixture.store.settle(vec![delivered(ids[0])]).await;
    assert!(answers[0].is_err(), "it was cancelled");
}

pub(crate) async fn one_revocation_is_finished_and_the_others_are_not(fixture: &Fixture) {
    let store = &fixture.store;
    let mut both = Vec::new();
    for username in ["shop", "batch"] {
        let id = credential(fixture, username).await;
        accept_by(fixture, id, &["a@example.com", "b@example.com"]).await;
        let revoked = store.revoke_credential(username, LeftQueue::Cancel, later(1));
        revoked.await.unwrap();
        both.push(id);
    }
    let two = Operated {
        changed: 2,
        left_alone: 0,
    };
    for id in both {
        let done = store.finish_revocations_beside(Some(id), later(9), &Nobody);
        assert_eq!(done.await.unwrap().done, two);
    }
}
