//! Mail to whoever is on the suppression list: taken, and not sent.

use std::sync::Arc;

use postbell_model::suppression::{Cause, Scope, SuppressedBy, Suppression};
use postbell_model::{Address, ConfigurationSetId, Fact, Message, RejectReason};
use postbell_store::{DeliveryFilter, Listed, SqliteTenants, Suppressions};

use crate::erase::change;
use crate::fixture::{Fixture, NOW, bounced, delivered, later};
use crate::suppression::{claim, entry, listed, of_stream, sound, suppress, take};

/// The facts about deliveries, in order.
async fn told(fixture: &Fixture) -> Vec<Fact> {
    let events = fixture.events_of_deliveries().await.into_iter();
    events.map(|logged| logged.event.fact).collect()
}

async fn waiting(fixture: &Fixture) -> usize {
    let inspector = fixture.inspector().await;
    let lanes = inspector.lanes(&DeliveryFilter::default()).await.unwrap();
    lanes.len()
}

pub(crate) async fn mail_to_whoever_is_on_it_ends_at_once(fixture: &Fixture) {
    suppress(fixture, &["ann@example.com"]).await;
    let mut offered = fixture.store.fresh().unwrap();
    let submission = fixture.submission(&["Ann@example.com", "bob@example.com"], "x");
    let ids = take(fixture, submission).await;
    assert_eq!(offered.recv().await.unwrap().delivery.id, ids[1]);
    assert!(offered.try_recv().is_err(), "the other one is not offered");
    let by = SuppressedBy {
        scope: Scope::All,
        cause: Cause::Manual,
        since: NOW,
        event: None,
    };
    assert_eq!(
        told(fixture).await,
        [Fact::Suppressed(Box::new(by)), Fact::Send]
    );
    sound(fixture).await;
    let settled = fixture
        .store
        .settle(vec![delivered(ids[0]), delivered(ids[1])])
        .await;
    assert!(settled[0].is_err() && settled[1].is_ok());
    sound(fixture).await;
}

pub(crate) async fn a_message_to_nobody_keeps_no_body(fixture: &Fixture) {
    suppress(fixture, &["ann@example.com"]).await;
    for _ in 0..5 {
        // Each fills a file.
        let long = "Subject: x\r\n\r\n".to_owned() + &"long line\r\n".repeat(400);
        let mut submission = fixture.submission(&["ann@example.com"], "");
        submission.body = long.into();
        take(fixture, submission).await;
    }
    assert_eq!(claim(fixture).await.len(), 0);
    sound(fixture).await;
    fixture.close().await;
    assert_eq!(fixture.bodies(), 1, "the file that was written to");
}

pub(crate) async fn what_ends_at_once_is_told_so(fixture: &Fixture) {
    let reject = Fact::Reject {
        reason: RejectReason::SandboxRecipient,
    };
    let by = Fact::Suppressed(Box::new(SuppressedBy {
        scope: Scope::All,
        cause: Cause::Complaint,
        since: NOW,
        event: None,
    }));
    let mut submission = fixture.submission(&["ann@example.com", "bob@example.com"], "x");
    submission.deliveries[0].ends_with = Some(reject.clone());
    submission.deliveries[1].ends_with = Some(by.clone());
    take(fixture, submission).await;
    assert_eq!(told(fixture).await, [reject.clone(), by]);
    assert_eq!((fixture.bodies(), waiting(fixture).await), (0, 0));
    let mut mixed = fixture.submission(&["ann@example.com", "bob@example.com"], "x");
    mixed.deliveries[0].ends_with = Some(reject);
    let ids = take(fixture, mixed).await;
    let claimed = claim(fixture).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery.id, ids[1]);
    sound(fixture).await;
}

pub(crate) async fn a_stream_is_left_without_the_others(fixture: &Fixture) {
    let news = Suppression {
        scope: Scope::Stream("news".to_owned()),
        cause: Cause::Unsubscribe,
        ..entry(fixture, "ann@example.com")
    };
    fixture.store.suppress(vec![news], NOW).await.unwrap();
    for stream in ["news", "receipts"] {
        let submission = fixture.submission(&["ann@example.com"], "x");
        take(fixture, of_stream(submission, stream)).await;
    }
    take(fixture, fixture.submission(&["ann@example.com"], "x")).await;
    assert!(matches!(
        told(fixture).await.as_slice(),
        [Fact::Suppressed(_), Fact::Send, Fact::Send]
    ));
    assert_eq!(claim(fixture).await.len(), 2);
}

pub(crate) async fn scheduled_mail_is_looked_up_twice(fixture: &Fixture) {
    suppress(fixture, &["ann@example.com"]).await;
    let mut submission = fixture.submission(&["ann@example.com", "bob@example.com"], "x");
    submission.send_at = Some(later(60));
    take(fixture, submission).await;
    suppress(fixture, &["bob@example.com"]).await;
    assert_eq!(
        fixture.store.send_scheduled(later(61), 10).await.unwrap(),
        1
    );
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, later(61), 10).await.unwrap();
    assert!(claimed.is_empty());
    assert!(matches!(
        told(fixture).await.as_slice(),
        [
            Fact::Suppressed(_),
            Fact::Scheduled { .. },
            Fact::Send,
            Fact::Suppressed(_)
        ]
    ));
    sound(fixture).await;
}

pub(crate) async fn what_waits_is_looked_up_when_it_is_claimed(fixture: &Fixture) {
    let ids = fixture
        .accept(&["ann@example.com", "bob@example.com"])
        .await;
    let stands = Arc::clone(&fixture.store);
    assert!(!stands.suppressed_meanwhile(&claim(fixture).await[0]));
    stands.release(ids.clone(), NOW).await.unwrap();
    // By a command, beside the server.
    let beside = SqliteTenants::open(fixture.folder()).await.unwrap();
    let new = vec![entry(fixture, "bob@example.com")];
    assert_eq!(beside.suppress(new, NOW).await.unwrap(), [Listed::Added]);
    beside.close().await;
    let claimed = claim(fixture).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery.id, ids[0]);
    assert!(matches!(
        told(fixture).await.as_slice(),
        [Fact::Send, Fact::Send, Fact::Suppressed(_)]
    ));
    stands.settle(vec![delivered(ids[0])]).await;
    assert!(claim(fixture).await.is_empty());
    sound(fixture).await;
}

pub(crate) async fn what_is_in_memory_hears_of_it(fixture: &Fixture) {
    let mut offered = fixture.store.fresh().unwrap();
    let ids = fixture
        .accept(&["ann@example.com", "bob@example.com"])
        .await;
    // What is new is offered after it was answered.
    let (ann, bob) = (offered.recv().await.unwrap(), offered.recv().await.unwrap());
    assert!(!fixture.store.suppressed_meanwhile(&ann));
    suppress(fixture, &["Ann@example.com"]).await;
    assert!(fixture.store.suppressed_meanwhile(&ann));
    assert!(!fixture.store.suppressed_meanwhile(&bob));
    fixture.store.release(vec![ids[0]], NOW).await.unwrap();
    assert!(claim(fixture).await.is_empty(), "it has ended");
    assert!(!fixture.store.suppressed_meanwhile(&ann), "nobody has it");
    // Who is taken off gets mail again, whatever was there before.
    let address = Address::parse("ann@example.com").unwrap();
    let gone = fixture
        .store
        .unsuppress(fixture.workspace, &address, None, later(2));
    assert_eq!(gone.await.unwrap().len(), 1);
    fixture.accept(&["ann@example.com"]).await;
    let again = offered.recv().await.unwrap();
    assert!(
        !fixture.store.suppressed_meanwhile(&again),
        "its look has seen all that was put there"
    );
}

pub(crate) async fn who_was_put_there_and_taken_off_gets_mail_again(fixture: &Fixture) {
    let ids = fixture.accept(&["ann@example.com"]).await;
    let waits = claim(fixture).await;
    suppress(fixture, &["ann@example.com"]).await;
    let beside = SqliteTenants::open(fixture.folder()).await.unwrap();
    let ann = Address::parse("ann@example.com").unwrap();
    let gone = beside.unsuppress(fixture.workspace, &ann, None, later(2));
    assert_eq!(gone.await.unwrap().len(), 1);
    beside.close().await;
    // It goes back once, since what has it knows no better.
    assert!(fixture.store.suppressed_meanwhile(&waits[0]));
    fixture.store.release(ids.clone(), NOW).await.unwrap();
    let again = claim(fixture).await;
    assert_eq!(again.len(), 1);
    assert!(!fixture.store.suppressed_meanwhile(&again[0]));
    fixture.store.settle(vec![delivered(ids[0])]).await;
    sound(fixture).await;
}

pub(crate) async fn what_can_not_be_read_holds_all_the_same(fixture: &Fixture) {
    let bob = fixture.accept(&["bob@example.com"]).await;
    suppress(fixture, &["ann@example.com", "bob@example.com"]).await;
    let damage = "UPDATE suppression SET cause = 'WHIM', stream = key";
    change(fixture.folder(), damage).await;
    fixture.accept(&["ann@example.com"]).await;
    assert!(claim(fixture).await.is_empty());
    let facts = told(fixture).await;
    assert!(
        matches!(
            facts.as_slice(),
            [Fact::Send, Fact::Suppressed(_), Fact::Suppressed(_)]
        ),
        "{facts:?}"
    );
    let asked = [Address::parse("ann@example.com").unwrap()];
    let store = &fixture.store;
    let found = store.suppressed(fixture.workspace, None, &asked, NOW).await;
    let found = found.unwrap();
    assert_eq!(found[0].as_ref().unwrap().scope, Scope::All);
    let settled = store.settle(vec![delivered(bob[0])]).await;
    assert!(settled[0].is_err(), "it has ended");
    sound(fixture).await;
}

pub(crate) async fn what_can_not_be_ended_holds_up_nobody(fixture: &Fixture) {
    let ids = fixture
        .accept(&["ann@example.com", "bob@example.com", "cid@example.com"])
        .await;
    suppress(fixture, &["ann@example.com", "bob@example.com"]).await;
    let refuse = "CREATE TRIGGER refusing BEFORE INSERT ON event WHEN NEW.kind = 'Reject' AND EXISTS \
        (SELECT 1 FROM delivery WHERE id = NEW.delivery_id AND recipient = 'ann@example.com') \
        BEGIN SELECT RAISE(ABORT, 'no'); END; UPDATE segment SET live = live";
    change(fixture.folder(), refuse).await;
    let claimed = claim(fixture).await;
    let claimed: Vec<_> = claimed.iter().map(|claimed| claimed.delivery.id).collect();
    assert_eq!(claimed, ids[2..]);
    let facts = told(fixture).await;
    assert!(matches!(facts[3..], [Fact::Suppressed(_)]), "{facts:?}");
    // The other one is put off: it is not met by each look from now on.
    let agree = "DROP TRIGGER refusing; UPDATE segment SET live = live";
    change(fixture.folder(), agree).await;
    let lane = fixture.lane("example.com");
    for (after, ended) in [(1, 1), (299, 1), (302, 2)] {
        let claimed = fixture.store.claim(&lane, later(after), 100).await.unwrap();
        assert!(claimed.is_empty());
        let facts = told(fixture).await;
        let suppressed = |fact: &&Fact| matches!(fact, Fact::Suppressed(_));
        assert_eq!(facts.iter().filter(suppressed).count(), ended, "{after}");
    }
    sound(fixture).await;
}

pub(crate) async fn what_nobody_has_had_enough_of_is_sent(fixture: &Fixture) {
    suppress(fixture, &["ann@example.com"]).await;
    let mut ours = fixture.submission(&["ann@example.com"], "x");
    let mut message = Message::clone(&ours.message);
    message.configuration_set = ConfigurationSetId::OWN;
    ours.message = Arc::new(message);
    let ids = take(fixture, ours).await;
    let claimed = claim(fixture).await;
    assert_eq!(claimed.len(), 1);
    assert!(!fixture.store.suppressed_meanwhile(&claimed[0]));
    let bob = take(fixture, {
        let mut ours = fixture.submission(&["bob@example.com"], "x");
        let mut message = Message::clone(&ours.message);
        message.configuration_set = ConfigurationSetId::OWN;
        ours.message = Arc::new(message);
        ours
    })
    .await;
    assert_eq!(claim(fixture).await.len(), 1);
    let settled = fixture
        .store
        .settle(vec![delivered(ids[0]), bounced(bob[0])])
        .await;
    assert!(settled.iter().all(Result::is_ok), "{settled:?}");
    assert_eq!(listed(fixture, "bob@example.com").await, []);
}
