//! A second submission with the key of an earlier one.

use std::sync::Arc;

use postbell_model::{MessageId, Timestamp};
use postbell_store::{IdempotencyKey, Stored, Submission};

use crate::fixture::{Fixture, NOW, later};

fn keyed(fixture: &Fixture, key: &str, at: Timestamp) -> (MessageId, Submission) {
    let mut submission = fixture.submission(&["ann@example.com"], "x");
    Arc::make_mut(&mut submission.message).accepted_at = at;
    submission.idempotency = Some(IdempotencyKey {
        key: key.to_owned(),
        until: at.after(std::time::Duration::from_secs(100)),
    });
    (submission.message.id, submission)
}

async fn accept(fixture: &Fixture, batch: Vec<Submission>) -> Vec<Stored> {
    let answers = fixture.store.accept(batch).await;
    answers.into_iter().map(|answer| answer.unwrap()).collect()
}

pub(crate) async fn a_known_key_stores_nothing(fixture: &Fixture) {
    let (first, submission) = keyed(fixture, "order-1", NOW);
    assert_eq!(accept(fixture, vec![submission]).await, [Stored::New]);
    let (_, again) = keyed(fixture, "order-1", later(99));
    let (_, other) = keyed(fixture, "order-2", later(99));
    assert_eq!(
        accept(fixture, vec![again, other]).await,
        [Stored::Known(first), Stored::New]
    );
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, later(100), 10).await.unwrap();
    assert_eq!(claimed.len(), 2);
}

pub(crate) async fn a_key_is_known_within_its_batch(fixture: &Fixture) {
    let (first, submission) = keyed(fixture, "order-1", NOW);
    let (_, again) = keyed(fixture, "order-1", NOW);
    assert_eq!(
        accept(fixture, vec![submission, again]).await,
        [Stored::New, Stored::Known(first)]
    );
}

pub(crate) async fn a_key_expires(fixture: &Fixture) {
    let (first, submission) = keyed(fixture, "order-1", NOW);
    accept(fixture, vec![submission]).await;
    let before = async |key, at| {
        let found = fixture.store.sent_before(fixture.workspace, key, at).await;
        found.unwrap()
    };
    assert_eq!(before("order-1", later(99)).await, Some(first));
    assert_eq!(before("order-1", later(100)).await, None);
    assert_eq!(before("order-2", NOW).await, None);
    let (second, again) = keyed(fixture, "order-1", later(100));
    assert_eq!(accept(fixture, vec![again]).await, [Stored::New]);
    let (_, third) = keyed(fixture, "order-1", later(150));
    assert_eq!(accept(fixture, vec![third]).await, [Stored::Known(second)]);
}
