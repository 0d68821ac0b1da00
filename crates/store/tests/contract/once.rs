//! What others say of a delivery again and again, and is told once.

use postbell_model::inbound::{FeedbackReport, MatchedBy, UnsubscribeMethod};
use postbell_model::suppression::{Cause, Suppression};
use postbell_model::{DeliveryId, EventKind, Fact, InboundId};
use postbell_store::{InboundFact, Listed, Position, Reception, Taken, Unsubscribed};

use crate::engagement::{claim_of, take_off};
use crate::fixture::{Fixture, NOW, delivered, later};
use crate::inbound::{mail, reception, take};
use crate::suppression::{entry, listed, sound};

const BOB: &str = "bob@example.com";

const TOLD: Taken = Taken {
    recorded: 1,
    left_out: 0,
};
const LEFT_OUT: Taken = Taken {
    recorded: 0,
    left_out: 1,
};

/// A report about a delivery, of a type.
pub(crate) fn feedback(inbound: InboundId, feedback_type: &str) -> Fact {
    let report = Box::new(FeedbackReport {
        inbound,
        matched_by: MatchedBy::Address,
        feedback_type: feedback_type.to_owned(),
        user_agent: None,
        arrival_date: None,
        source_ip: None,
        reporting_mta: None,
    });
    match feedback_type {
        "not-spam" => Fact::NotSpam(report),
        _ => Fact::Complaint(report),
    }
}

/// Deliveries that were taken by a far server.
async fn sent(fixture: &Fixture, to: &[&str]) -> Vec<DeliveryId> {
    let ids = fixture.accept(to).await;
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 100).await.unwrap();
    let settled = ids.iter().map(|id| delivered(*id)).collect();
    let settled = fixture.store.settle(settled).await;
    assert!(settled.iter().all(Result::is_ok));
    ids
}

/// Mail that says this of a delivery.
fn says(fixture: &Fixture, delivery: DeliveryId, fact: impl Fn(InboundId) -> Fact) -> Reception {
    let mail = mail(fixture, later(9));
    let fact = fact(mail.id);
    reception(mail, vec![InboundFact::Delivery { delivery, fact }])
}

/// The kinds of what was told of a delivery after it was delivered.
async fn told(fixture: &Fixture, delivery: DeliveryId) -> Vec<EventKind> {
    let page = fixture.events_after(fixture.set, Position(0), 1_000).await;
    let events = page.events.into_iter().map(|logged| logged.event);
    let of_it = events.filter(|event| event.delivery == delivery);
    of_it.skip(2).map(|event| event.fact.kind()).collect()
}

pub(crate) async fn feedback_is_told_once(fixture: &Fixture) {
    let ids = sent(fixture, &["ann@example.com", "bob@example.com"]).await;
    let of_type = |delivery, name| says(fixture, delivery, move |id| feedback(id, name));
    let abuse = |delivery| of_type(delivery, "abuse");
    let at_once = vec![abuse(ids[0]), abuse(ids[1]), abuse(ids[0])];
    let taken = fixture.store.receive(at_once).await;
    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken, [TOLD, TOLD, LEFT_OUT]);

    // It is kept all the same.
    let again = abuse(ids[0]);
    let kept = again.mails[0].mail.id;
    assert_eq!(take(fixture, again).await, LEFT_OUT);
    assert!(fixture.store.inbound(kept).await.unwrap().is_some());
    // Whoever reports may write any type.
    assert_eq!(take(fixture, of_type(ids[0], "x-2")).await, LEFT_OUT);
    // Its contrary is another fact.
    assert_eq!(take(fixture, of_type(ids[0], "not-spam")).await, TOLD);
    assert_eq!(take(fixture, of_type(ids[0], "not-spam")).await, LEFT_OUT);
    assert_eq!(take(fixture, abuse(ids[0])).await, LEFT_OUT);
    let (complaint, not_spam) = (EventKind::Complaint, EventKind::NotSpam);
    assert_eq!(told(fixture, ids[0]).await, [complaint, not_spam]);
    assert_eq!(told(fixture, ids[1]).await, [complaint]);
    let ann = listed(fixture, "ann@example.com").await;
    assert_eq!(ann[0].cause, Cause::Complaint);
    sound(fixture).await;
}

pub(crate) async fn a_wish_by_mail_is_told_once(fixture: &Fixture) {
    let ids = sent(fixture, &[BOB, "ann@example.com"]).await;
    let wish = |delivery| {
        says(fixture, delivery, |id| Fact::Unsubscribe {
            method: UnsubscribeMethod::OneClick,
            inbound: Some(id),
        })
    };
    let at_once = vec![wish(ids[0]), wish(ids[1]), wish(ids[0])];
    let taken = fixture.store.receive(at_once).await;
    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken, [TOLD, TOLD, LEFT_OUT]);
    let again = wish(ids[0]);
    let kept = again.mails[0].mail.id;
    assert_eq!(take(fixture, again).await, LEFT_OUT);
    assert!(fixture.store.inbound(kept).await.unwrap().is_some());
    let link = UnsubscribeMethod::Link;
    let by_link = fixture
        .store
        .unsubscribe(claim_of(fixture, ids[0]), link, later(10));
    assert_eq!(by_link.await.unwrap(), Unsubscribed::Already);

    // Who was taken off the list says so anew.
    take_off(fixture, BOB).await;
    assert_eq!(take(fixture, wish(ids[0])).await, TOLD);
    assert_eq!(take(fixture, wish(ids[0])).await, LEFT_OUT);
    let unsubscribed = EventKind::Unsubscribe;
    assert_eq!(told(fixture, ids[0]).await, [unsubscribed, unsubscribed]);
    assert_eq!(told(fixture, ids[1]).await, [unsubscribed]);
    assert_eq!(listed(fixture, BOB).await[0].cause, Cause::Unsubscribe);
    sound(fixture).await;
}

pub(crate) async fn who_is_on_the_list_for_something_else_unsubscribes(fixture: &Fixture) {
    let id = sent(fixture, &[BOB]).await[0];
    let (claim, link) = (claim_of(fixture, id), UnsubscribeMethod::Link);
    let wish = |at| fixture.store.unsubscribe(claim, link, at);
    for (cause, at) in [
        (Cause::Bounce, 5),
        (Cause::Manual, 7),
        (Cause::Complaint, 9),
    ] {
        let known = Suppression {
            cause,
            ..entry(fixture, BOB)
        };
        let added = fixture.store.suppress(vec![known], NOW).await.unwrap();
        assert_eq!(added, [Listed::Added]);
        // It was told before, and heeded: it is on the list, and stays there.
        let is_heeded = cause == Cause::Complaint;
        let done = match is_heeded {
            true => Unsubscribed::Already,
            false => Unsubscribed::Now,
        };
        assert_eq!(wish(later(at)).await.unwrap(), done, "{cause}");
        assert_eq!(wish(later(at)).await.unwrap(), Unsubscribed::Already);
        let entries = listed(fixture, BOB).await;
        let [stands] = entries.as_slice() else {
            panic!("{entries:?}")
        };
        if is_heeded {
            assert_eq!(stands.cause, cause);
        } else {
            assert_eq!(stands.cause, Cause::Unsubscribe);
            assert_eq!(stands.since, later(at));
            assert!(stands.event.is_some());
        }
        take_off(fixture, BOB).await;
    }
    sound(fixture).await;
}
