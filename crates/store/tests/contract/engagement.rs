//! Hits, what is told of them, and unsubscribing.

use postbell_model::engagement::{Click, Engagement, Hit, HitTarget, ImageProxy, MachineReason};
use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::suppression::{Cause, Scope, Suppression};
use postbell_model::token::Claim;
use postbell_model::{Address, DeliveryId, EventKind, Fact, Timestamp, WorkspaceId};
use postbell_store::{
    InboundFact, Listed, Position, StoreError, ToldVisit, Unsubscribed, Visited, VisitsBefore,
    verify,
};

use crate::fixture::{Fixture, HITS_MAX, NOW, delayed, delivered, later};
use crate::inbound::{answer, mail, reception, take};
use crate::inbound_kept::{days, delivered_to, purge};
use crate::suppression::{entry, listed, suppress};

const BOB: &str = "bob@example.com";

pub(crate) fn opened(fixture: &Fixture, delivery: DeliveryId, at: Timestamp) -> Hit {
    Hit {
        workspace: fixture.workspace,
        delivery,
        at,
        target: HitTarget::Pixel,
        ip: Some("192.0.2.0/24".to_owned()),
        user_agent: "Mozilla/5.0 (Personal)".to_owned(),
        signs: vec![MachineReason::PrefetchAgent, MachineReason::HeadRequest],
        proxy: Some(ImageProxy::Google),
    }
}

pub(crate) fn clicked(fixture: &Fixture, delivery: DeliveryId, at: Timestamp) -> Hit {
    let target = HitTarget::Link {
        url: "https://shop.example/?a=ä&to=bob".to_owned(),
        index: 4,
    };
    Hit {
        target,
        ip: None,
        signs: Vec::new(),
        proxy: None,
        ..opened(fixture, delivery, at)
    }
}

/// What a teller makes of hits.
pub(crate) fn told(visited: &Visited) -> ToldVisit {
    let (mut opens, mut clicks) = visited.before.map_or((0, 0), |b| (b.opens, b.clicks));
    let facts = visited.hits.iter().map(|(_, hit)| {
        let count = match hit.target {
            HitTarget::Pixel => &mut opens,
            HitTarget::Link { .. } => &mut clicks,
        };
        *count += 1;
        let engagement = Engagement {
            ip: hit.ip.clone(),
            user_agent: hit.user_agent.clone(),
            count: visited.before.map(|_| *count),
            machine_reasons: hit.signs.clone(),
            proxy: hit.proxy,
        };
        let fact = match &hit.target {
            HitTarget::Pixel => Fact::Open(Box::new(engagement)),
            HitTarget::Link { url, index } => Fact::Click(Box::new(Click {
                url: url.clone(),
                index: *index,
                engagement,
            })),
        };
        (hit.at, fact)
    });
    ToldVisit {
        delivery: visited.delivery,
        facts: facts.collect(),
        hits: visited.hits.iter().map(|(number, _)| *number).collect(),
    }
}

pub(crate) async fn due(fixture: &Fixture) -> Vec<Visited> {
    fixture.store.hits_due(days(1_000), 500).await.unwrap()
}

/// Tells all that waits.
pub(crate) async fn tell_all(fixture: &Fixture) {
    let all = due(fixture).await.iter().map(told).collect();
    fixture.store.tell_hits(all).await.unwrap();
    assert_eq!(fixture.store.hits_waiting(), 0);
    sound(fixture).await;
}

async fn keep(fixture: &Fixture, hits: Vec<Hit>) {
    fixture.store.keep_hits(&hits).await.unwrap();
}

async fn kinds(fixture: &Fixture, delivery: DeliveryId) -> Vec<(u32, EventKind)> {
    let page = fixture.events_after(fixture.set, Position(0), 1_000).await;
    let of_it = page.events.into_iter().map(|logged| logged.event);
    let of_it = of_it.filter(|event| event.delivery == delivery);
    of_it
        .map(|event| (event.sequence, event.fact.kind()))
        .collect()
}

async fn sound(fixture: &Fixture) {
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
}

pub(crate) fn claim_of(fixture: &Fixture, delivery: DeliveryId) -> Claim {
    Claim {
        workspace: fixture.workspace,
        delivery,
    }
}

pub(crate) async fn a_hit_that_was_kept_survives_a_crash(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    let mut rings = fixture.store.hits_noted();
    assert!(due(fixture).await.is_empty());
    let hits = vec![
        opened(fixture, id, later(5)),
        clicked(fixture, id, later(6)),
    ];
    keep(fixture, hits.clone()).await;
    assert!(rings.has_changed().unwrap());
    rings.mark_unchanged();
    assert_eq!(fixture.store.hits_waiting(), 2);
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.hits_waiting(), 2);
    let found = due(&fixture).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].delivery, id);
    assert_eq!(found[0].delivered_at, Some(later(1)));
    assert_eq!(found[0].before, Some(VisitsBefore::default()));
    let (numbers, kept): (Vec<_>, Vec<_>) = found[0].hits.iter().cloned().unzip();
    assert_eq!(kept, hits);
    assert!(numbers.is_sorted());
    fixture.close().await;
}

pub(crate) async fn hits_are_due_by_delivery_when_the_oldest_is(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let hits = [(0, 1), (1, 3), (0, 9)];
    let hits = hits.map(|(of, at)| opened(fixture, ids[of], later(at)));
    keep(fixture, hits.into()).await;
    let store = &fixture.store;
    assert_eq!(store.hits_due(later(1), 500).await.unwrap(), []);
    let found = store.hits_due(later(3), 500).await.unwrap();
    assert_eq!((found.len(), found[0].delivery), (1, ids[0]));
    assert_eq!(found[0].hits.len(), 2, "the later one comes along");
    assert_eq!(found[0].delivered_at, None);
    let found = store.hits_due(later(4), 500).await.unwrap();
    let order: Vec<_> = found.iter().map(|visited| visited.delivery).collect();
    assert_eq!(order, ids, "the longest waiting first");
    let found = store.hits_due(later(4), 1).await.unwrap();
    assert_eq!(found.len(), 1);
}

pub(crate) async fn what_is_told_is_counted_and_goes(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    let first = vec![
        opened(fixture, id, later(5)),
        clicked(fixture, id, later(6)),
    ];
    keep(fixture, first).await;
    let newest = fixture.store.newest();
    tell_all(fixture).await;
    assert_eq!(*newest.borrow(), Position(4));
    assert!(due(fixture).await.is_empty());
    let mut another = clicked(fixture, id, later(9));
    let url = "https://shop.example/3".to_owned();
    another.target = HitTarget::Link { url, index: 3 };
    let second = vec![another, opened(fixture, id, later(12))];
    keep(fixture, second).await;
    let before = VisitsBefore {
        opens: 1,
        clicks: 1,
        clicked_at: Some(later(6)),
        clicked_link: Some(4),
    };
    assert_eq!(due(fixture).await[0].before, Some(before));
    tell_all(fixture).await;
    keep(fixture, vec![opened(fixture, id, later(20))]).await;
    let before = VisitsBefore {
        opens: 2,
        clicks: 2,
        clicked_at: Some(later(9)),
        clicked_link: Some(3),
    };
    assert_eq!(due(fixture).await[0].before, Some(before));

    let page = fixture.events_after(fixture.set, Position(2), 10).await;
    let told: Vec<_> = page.events.into_iter().map(|logged| logged.event).collect();
    let numbers: Vec<_> = told
        .iter()
        .map(|event| (event.sequence, event.at))
        .collect();
    assert_eq!(
        numbers,
        [(3, later(5)), (4, later(6)), (5, later(9)), (6, later(12))]
    );
    let Fact::Click(click) = &told[1].fact else {
        panic!("{told:?}");
    };
    assert_eq!((click.index, click.engagement.count), (4, Some(1)));
    assert_eq!(click.url, "https://shop.example/?a=ä&to=bob");
    let Fact::Open(open) = &told[3].fact else {
        panic!("{told:?}");
    };
    assert_eq!(
        (open.count, open.proxy),
        (Some(2), Some(ImageProxy::Google))
    );
}

pub(crate) async fn a_hit_is_told_once(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    keep(fixture, vec![opened(fixture, id, later(5))]).await;
    let once = told(&due(fixture).await[0]);
    let twice = vec![once.clone(), once.clone()];
    fixture.store.tell_hits(twice).await.unwrap();
    fixture.store.tell_hits(vec![once.clone()]).await.unwrap();
    assert_eq!(kinds(fixture, id).await.len(), 3);

    // No number is given anew, also not by another process.
    let fixture = fixture.reopened().await;
    keep(&fixture, vec![opened(&fixture, id, later(6))]).await;
    fixture.store.tell_hits(vec![once.clone()]).await.unwrap();
    assert_eq!(fixture.store.hits_waiting(), 1);
    assert_eq!(kinds(&fixture, id).await.len(), 3);
    // One that is told together with one that was told before stays on the list.
    let mut both = told(&due(&fixture).await[0]);
    both.hits.extend(once.hits);
    fixture.store.tell_hits(vec![both]).await.unwrap();
    assert_eq!(fixture.store.hits_waiting(), 1);
    tell_all(&fixture).await;
    assert_eq!(kinds(&fixture, id).await.len(), 4);
    fixture.close().await;
}

pub(crate) async fn hits_of_what_nobody_knows_are_taken_off(fixture: &Fixture) {
    let gone = DeliveryId::new(NOW);
    let id = delivered_to(fixture, BOB).await;
    let hits = vec![
        opened(fixture, gone, later(5)),
        opened(fixture, id, later(5)),
    ];
    keep(fixture, hits).await;
    let found = due(fixture).await;
    assert_eq!((found[0].delivery, found[0].before), (gone, None));
    tell_all(fixture).await;
    assert!(due(fixture).await.is_empty());
    assert!(kinds(fixture, gone).await.is_empty());
    assert_eq!(kinds(fixture, id).await.len(), 3);
    // Nothing is told of a workspace, and no attempt.
    keep(fixture, vec![opened(fixture, id, later(6))]).await;
    let mut other = told(&due(fixture).await[0]);
    other.facts = vec![(later(6), Fact::Cancelled)];
    fixture.store.tell_hits(vec![other]).await.unwrap();
    assert_eq!(kinds(fixture, id).await.len(), 3);
    assert_eq!(fixture.store.hits_waiting(), 0);
}

pub(crate) async fn what_is_told_of_a_delivery_in_flight_leaves_no_gap(fixture: &Fixture) {
    let id = fixture.accept(&[BOB]).await[0];
    let claim = |now| async move {
        let lane = fixture.lane("example.com");
        let claimed = fixture.store.claim(&lane, now, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
    };
    claim(NOW).await;
    keep(fixture, vec![opened(fixture, id, later(1))]).await;
    tell_all(fixture).await;
    let again = vec![delayed(id, 1, later(60))];
    fixture.store.settle(again).await[0].as_ref().unwrap();
    claim(later(60)).await;
    keep(fixture, vec![opened(fixture, id, later(61))]).await;
    let visits = due(fixture).await.iter().map(told).collect();
    let (told, taken, wished) = tokio::join!(
        fixture.store.tell_hits(visits),
        fixture.store.receive(vec![answer(fixture, id, later(61))]),
        fixture
            .store
            .unsubscribe(claim_of(fixture, id), UnsubscribeMethod::Link, later(61)),
    );
    told.unwrap();
    assert_eq!(taken[0].as_ref().unwrap().recorded, 1);
    assert_eq!(wished.unwrap(), Unsubscribed::Now);
    fixture.store.settle(vec![delivered(id)]).await[0]
        .as_ref()
        .unwrap();
    let kinds = kinds(fixture, id).await;
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert_eq!(kinds[6], (7, EventKind::Delivery));
    sound(fixture).await;
}

pub(crate) async fn no_more_hits_wait_than_may(fixture: &Fixture) {
    let id = DeliveryId::new(NOW);
    let hits = |count: usize| vec![opened(fixture, id, later(1)); count];
    let all = usize::try_from(HITS_MAX).unwrap();
    keep(fixture, hits(all - 1)).await;
    let busy = fixture.store.keep_hits(&hits(2)).await;
    assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
    keep(fixture, hits(1)).await;
    assert_eq!(fixture.store.hits_waiting(), HITS_MAX);
    let fixture = fixture.reopened().await;
    let busy = fixture.store.keep_hits(&[opened(&fixture, id, NOW)]).await;
    assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
    while fixture.store.hits_waiting() > 0 {
        let some = due(&fixture).await.iter().map(told).collect();
        fixture.store.tell_hits(some).await.unwrap();
    }
    keep(&fixture, vec![opened(&fixture, id, NOW)]).await;
    fixture.close().await;
}

pub(crate) async fn what_is_left_of_a_delivery_is_visited_without_a_count(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    keep(fixture, vec![opened(fixture, id, later(5))]).await;
    tell_all(fixture).await;
    fixture.accept(&["newest@example.net"]).await;
    assert_eq!(purge(fixture, days(91)).await.deliveries, 1);
    keep(fixture, vec![opened(fixture, id, days(92))]).await;
    let found = due(fixture).await;
    assert_eq!((found[0].before, found[0].delivered_at), (None, None));
    tell_all(fixture).await;
    assert_eq!(kinds(fixture, id).await, [(4, EventKind::Open)]);
    // It is known for as long as its slim record, and goes with it.
    let wish = |at| {
        let claim = claim_of(fixture, id);
        fixture
            .store
            .unsubscribe(claim, UnsubscribeMethod::OneClick, at)
    };
    assert_eq!(wish(days(93)).await.unwrap(), Unsubscribed::Now);
    assert_eq!(wish(days(94)).await.unwrap(), Unsubscribed::Already);
    fixture.accept(&["newest@example.net"]).await;
    purge(fixture, days(401)).await;
    assert_eq!(wish(days(402)).await.unwrap(), Unsubscribed::Unknown);
    keep(fixture, vec![opened(fixture, id, days(402))]).await;
    tell_all(fixture).await;
    assert!(kinds(fixture, id).await.is_empty());
}

pub(crate) async fn who_unsubscribes_does_so_once(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    let claim = claim_of(fixture, id);
    let seen = fixture.store.unsubscribing(claim).await.unwrap().unwrap();
    assert_eq!(seen.recipient.as_str(), BOB);
    assert_eq!(seen.message.instructions.stream.as_deref(), Some("news"));
    assert!(!seen.is_done);
    let link = UnsubscribeMethod::Link;
    let (one, two) = tokio::join!(
        fixture.store.unsubscribe(claim, link, later(5)),
        fixture.store.unsubscribe(claim, link, later(5)),
    );
    let mut both = [one.unwrap(), two.unwrap()];
    both.sort_by_key(|done| *done == Unsubscribed::Already);
    assert_eq!(both, [Unsubscribed::Now, Unsubscribed::Already]);
    let fixture = fixture.reopened().await;
    let page = fixture.events_after(fixture.set, Position(2), 10).await;
    assert_eq!(page.events.len(), 1);
    let event = &page.events[0].event;
    assert_eq!((event.sequence, event.at), (3, later(5)));
    let expected = Fact::Unsubscribe {
        method: link,
        inbound: None,
    };
    assert_eq!(event.fact, expected);
    let again = fixture.store.unsubscribe(claim, link, later(6)).await;
    assert_eq!(again.unwrap(), Unsubscribed::Already);
    let seen = fixture.store.unsubscribing(claim).await.unwrap().unwrap();
    assert!(seen.is_done);

    for nobody in [
        claim_of(&fixture, DeliveryId::new(NOW)),
        Claim {
            workspace: WorkspaceId(99),
            ..claim
        },
    ] {
        let seen = fixture.store.unsubscribing(nobody).await.unwrap();
        assert!(seen.is_none());
        let done = fixture.store.unsubscribe(nobody, link, later(6)).await;
        assert_eq!(done.unwrap(), Unsubscribed::Unknown);
    }
    sound(&fixture).await;
    fixture.close().await;
}

pub(crate) async fn who_was_taken_off_the_list_unsubscribes_anew(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    let (claim, link) = (claim_of(fixture, id), UnsubscribeMethod::Link);
    let wish = |at| fixture.store.unsubscribe(claim, link, at);
    let is_done = async || {
        let seen = fixture.store.unsubscribing(claim).await;
        seen.unwrap().unwrap().is_done
    };
    assert_eq!(wish(later(5)).await.unwrap(), Unsubscribed::Now);
    assert!(is_done().await);
    take_off(fixture, BOB).await;
    assert!(!is_done().await);
    let (one, two) = tokio::join!(wish(later(9)), wish(later(9)));
    let mut both = [one.unwrap(), two.unwrap()];
    both.sort_by_key(|done| *done == Unsubscribed::Already);
    assert_eq!(both, [Unsubscribed::Now, Unsubscribed::Already]);
    assert!(is_done().await);
    let entries = listed(fixture, BOB).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].since, later(9));
    let told = kinds(fixture, id).await;
    assert_eq!(
        told[2..],
        [(3, EventKind::Unsubscribe), (4, EventKind::Unsubscribe)]
    );

    // By mail it is the same.
    take_off(fixture, BOB).await;
    let mail = mail(fixture, later(20));
    let fact = Fact::Unsubscribe {
        method: UnsubscribeMethod::OneClick,
        inbound: Some(mail.id),
    };
    let facts = vec![InboundFact::Delivery { delivery: id, fact }];
    assert_eq!(take(fixture, reception(mail, facts)).await.recorded, 1);
    assert_eq!(listed(fixture, BOB).await[0].since, later(20));
    assert!(is_done().await);
    sound(fixture).await;
}

pub(crate) async fn a_list_of_other_mail_unsubscribes_nobody(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    let (claim, link) = (claim_of(fixture, id), UnsubscribeMethod::Link);
    let wish = |at| fixture.store.unsubscribe(claim, link, at);
    // Who is there for another reason has not unsubscribed.
    suppress(fixture, &[BOB]).await;
    assert_eq!(wish(later(5)).await.unwrap(), Unsubscribed::Now);
    take_off(fixture, BOB).await;
    // What is about another stream, or has expired, keeps nothing from being sent.
    let other = Suppression {
        scope: Scope::Stream("offers".to_owned()),
        cause: Cause::Unsubscribe,
        ..entry(fixture, BOB)
    };
    let expired = Suppression {
        expires_at: Some(later(6)),
        cause: Cause::Unsubscribe,
        ..entry(fixture, BOB)
    };
    let added = fixture.store.suppress(vec![other, expired], NOW).await;
    assert_eq!(added.unwrap(), [Listed::Added, Listed::Added]);
    assert_eq!(wish(later(5)).await.unwrap(), Unsubscribed::Already);
    assert_eq!(wish(later(7)).await.unwrap(), Unsubscribed::Now);
    assert_eq!(wish(later(8)).await.unwrap(), Unsubscribed::Already);
    sound(fixture).await;
}

pub(crate) async fn take_off(fixture: &Fixture, address: &str) {
    let address = Address::parse(address).unwrap();
    let store = &fixture.store;
    let removed = store.unsuppress(fixture.workspace, &address, None, later(6));
    assert!(!removed.await.unwrap().is_empty());
}

pub(crate) async fn mail_goes_on_beside_many_hits(fixture: &Fixture) {
    let id = delivered_to(fixture, BOB).await;
    let hits = vec![opened(fixture, id, later(5)); 400];
    let kept = (0..2).map(|_| fixture.store.keep_hits(&hits));
    let kept: Vec<_> = kept.collect();
    let (kept, taken) = tokio::join!(
        async {
            let mut results = Vec::new();
            for kept in kept {
                results.push(kept.await);
            }
            results
        },
        take(fixture, answer(fixture, id, later(5)))
    );
    assert!(kept.iter().all(Result::is_ok), "{kept:?}");
    assert_eq!(taken.recorded, 1);
    let found = due(fixture).await;
    assert_eq!((found.len(), found[0].hits.len()), (1, 800));
    tell_all(fixture).await;
    assert_eq!(kinds(fixture, id).await.len(), 803);
}
