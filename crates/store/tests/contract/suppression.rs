//! The suppression list: who puts addresses on it, and what becomes of mail to them.

use std::sync::Arc;

use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::suppression::{Cause, LocalPart, Scope, Suppression};
use postbell_model::{
    Address, DeliveryId, EventKind, Fact, Message, Timestamp, WorkspaceFact, WorkspaceId,
};
use postbell_store::{
    Claimed, InboundFact, KeptSince, Listed, Logged, PurgeRound, Submission, SuppressionFilter,
    SuppressionPage, TenantError, verify,
};

use crate::fixture::{Fixture, NOW, bounced, delivered, later, refused};
use crate::inbound::{late_bounce, mail, reception};

pub(crate) fn entry(fixture: &Fixture, address: &str) -> Suppression {
    Suppression {
        workspace: fixture.workspace,
        address: Address::parse(address).unwrap(),
        scope: Scope::All,
        cause: Cause::Manual,
        since: NOW,
        event: None,
        expires_at: None,
        note: None,
    }
}

pub(crate) async fn suppress(fixture: &Fixture, addresses: &[&str]) {
    let new = addresses.iter().map(|address| entry(fixture, address));
    let listed = fixture.store.suppress(new.collect(), NOW).await.unwrap();
    assert!(
        listed.iter().all(|listed| *listed == Listed::Added),
        "{listed:?}"
    );
}

pub(crate) async fn listed(fixture: &Fixture, address: &str) -> Vec<Suppression> {
    let address = Address::parse(address).unwrap();
    let found = fixture
        .store
        .suppressions_of(fixture.workspace, &address, NOW);
    found.await.unwrap()
}

pub(crate) async fn take(fixture: &Fixture, submission: Submission) -> Vec<DeliveryId> {
    let ids = submission.deliveries.iter().map(|delivery| delivery.id);
    let ids = ids.collect();
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    ids
}

pub(crate) async fn claim(fixture: &Fixture) -> Vec<Claimed> {
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, later(1), 100).await.unwrap()
}

pub(crate) fn of_stream(mut submission: Submission, stream: &str) -> Submission {
    let mut message = Message::clone(&submission.message);
    message.instructions.stream = Some(stream.to_owned());
    submission.message = Arc::new(message);
    submission
}

/// The facts about the list, in order.
async fn told_of_list(fixture: &Fixture) -> Vec<WorkspaceFact> {
    let inspector = fixture.inspector().await;
    let all = Default::default();
    let events = inspector.events(&all, postbell_store::From::Newest, 100);
    let events = events.await.unwrap().events.into_iter();
    let facts = events.filter_map(|logged| match logged {
        Logged::Workspace(logged) => Some(logged.event.fact),
        Logged::Delivery(_) => None,
    });
    facts.collect()
}

pub(crate) async fn sound(fixture: &Fixture) {
    let verified = verify(fixture.folder()).await.unwrap();
    assert_eq!(verified.faults, []);
}

pub(crate) async fn who_is_on_the_list_is_found_as_mail_compares(fixture: &Fixture) {
    suppress(fixture, &["Ann@Example.com"]).await;
    let found = listed(fixture, "aNN@example.COM").await;
    assert_eq!(found, [entry(fixture, "Ann@Example.com")]);
    assert_eq!(fixture.store.local_part(), LocalPart::Fold);
    let asked = ["bob@example.com", "ann@example.com"];
    let asked = asked.map(|address| Address::parse(address).unwrap());
    let found = fixture
        .store
        .suppressed(fixture.workspace, None, &asked, NOW);
    assert_eq!(
        found.await.unwrap(),
        [None, Some(entry(fixture, "Ann@Example.com"))]
    );
    let other = WorkspaceId(fixture.workspace.0 + 1);
    let found = fixture.store.suppressed(other, None, &asked, NOW).await;
    assert_eq!(found.unwrap(), [None, None]);
    let gone = Suppression {
        workspace: other,
        ..entry(fixture, "ann@example.com")
    };
    let refused = fixture.store.suppress(vec![gone], NOW).await;
    assert!(matches!(refused, Err(TenantError::NoSuchWorkspace(_))));
}

pub(crate) async fn what_stands_there_keeps_its_cause(fixture: &Fixture) {
    let soon = Suppression {
        expires_at: Some(later(60)),
        ..entry(fixture, "ann@example.com")
    };
    let later_on = Suppression {
        expires_at: Some(later(90)),
        cause: Cause::Complaint,
        since: later(3),
        note: Some("by phone".to_owned()),
        ..soon.clone()
    };
    let batch = vec![soon.clone(), soon.clone(), later_on];
    let listed_as = fixture.store.suppress(batch, NOW).await.unwrap();
    assert_eq!(listed_as, [Listed::Added, Listed::Known, Listed::Changed]);
    let merged = Suppression {
        expires_at: Some(later(90)),
        note: Some("by phone".to_owned()),
        ..soon.clone()
    };
    assert_eq!(
        listed(fixture, "ann@example.com").await.first(),
        Some(&merged)
    );
    let forever = entry(fixture, "ann@example.com");
    let again = fixture
        .store
        .suppress(vec![forever.clone(), soon], later(5))
        .await;
    assert_eq!(again.unwrap(), [Listed::Changed, Listed::Known]);
    let told = told_of_list(fixture).await;
    assert_eq!(told, [WorkspaceFact::SuppressionAdded(Box::new(merged))]);
}

pub(crate) async fn an_entry_holds_until_it_expires(fixture: &Fixture) {
    let soon = Suppression {
        expires_at: Some(later(60)),
        ..entry(fixture, "ann@example.com")
    };
    fixture
        .store
        .suppress(vec![soon.clone()], NOW)
        .await
        .unwrap();
    let address = [soon.address.clone()];
    let found = |at| {
        fixture
            .store
            .suppressed(fixture.workspace, None, &address, at)
    };
    assert_eq!(found(later(59)).await.unwrap(), [Some(soon.clone())]);
    assert_eq!(found(later(60)).await.unwrap(), [None]);
    let anew = Suppression {
        cause: Cause::Bounce,
        expires_at: None,
        ..soon
    };
    let added = fixture.store.suppress(vec![anew.clone()], later(60)).await;
    assert_eq!(added.unwrap(), [Listed::Added]);
    assert_eq!(found(later(61)).await.unwrap(), [Some(anew)]);
    let count = fixture.store.suppression_count(fixture.workspace, NOW);
    assert_eq!(count.await.unwrap(), 1);
}

pub(crate) async fn a_dead_address_is_put_on_it(fixture: &Fixture) {
    let ids = fixture
        .accept(&["Ann@example.com", "bob@example.com"])
        .await;
    claim(fixture).await;
    fixture
        .store
        .settle(vec![bounced(ids[0]), refused(ids[1])])
        .await;
    let found = listed(fixture, "ann@example.com").await;
    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((found.cause, &found.scope), (Cause::Bounce, &Scope::All));
    assert_eq!(found.since, later(1));
    let page = fixture.events_of_deliveries().await;
    let bounce = page
        .iter()
        .find(|e| e.event.delivery == ids[0] && e.event.sequence == 2);
    assert_eq!(found.event, bounce.map(|logged| logged.event.id));
    assert_eq!(listed(fixture, "bob@example.com").await, []);
    let added = WorkspaceFact::SuppressionAdded(Box::new(found.clone()));
    assert_eq!(told_of_list(fixture).await, [added]);

    // One that an operator takes off and that bounces again is put there again.
    let address = &found.address;
    let gone = fixture
        .store
        .unsuppress(fixture.workspace, address, None, later(2));
    assert_eq!(gone.await.unwrap().first(), Some(found));
    let again = fixture.accept(&["ann@example.com"]).await;
    claim(fixture).await;
    fixture.store.settle(vec![bounced(again[0])]).await;
    assert_eq!(listed(fixture, "ann@example.com").await.len(), 1);
    let kinds = told_of_list(fixture).await;
    let kinds: Vec<_> = kinds.iter().map(WorkspaceFact::kind).collect();
    let (added, removed) = (EventKind::SuppressionAdded, EventKind::SuppressionRemoved);
    assert_eq!(kinds, [added, removed, added]);
    sound(fixture).await;
}

/// What came by mail about a delivery.
async fn receive(fixture: &Fixture, delivery: DeliveryId, fact: Fact) {
    let mail = mail(fixture, later(3));
    let facts = vec![InboundFact::Delivery { delivery, fact }];
    let taken = fixture.store.receive(vec![reception(mail, facts)]).await;
    assert_eq!(taken[0].as_ref().unwrap().recorded, 1);
}

pub(crate) async fn what_mail_says_is_heeded_at_once(fixture: &Fixture) {
    let news = fixture.submission(&["ann@example.com", "bob@example.com"], "x");
    let ids = take(fixture, of_stream(news, "news")).await;
    claim(fixture).await;
    fixture
        .store
        .settle(vec![delivered(ids[0]), delivered(ids[1])])
        .await;
    let more = fixture.submission(&["ann@example.com", "bob@example.com"], "x");
    take(fixture, of_stream(more, "news")).await;
    let held = claim(fixture).await;
    let inbound = mail(fixture, later(3)).id;
    let unsubscribe = Fact::Unsubscribe {
        method: UnsubscribeMethod::OneClick,
        inbound: Some(inbound),
    };
    receive(fixture, ids[0], unsubscribe).await;
    receive(fixture, ids[1], late_bounce(inbound)).await;
    let found = listed(fixture, "ann@example.com").await;
    assert_eq!(found[0].scope, Scope::Stream("news".to_owned()));
    assert_eq!(found[0].cause, Cause::Unsubscribe);
    assert_eq!(
        listed(fixture, "bob@example.com").await[0].cause,
        Cause::Bounce
    );
    assert_eq!(held.len(), 2);
    for claimed in held {
        assert!(
            fixture.store.suppressed_meanwhile(&claimed),
            "it is on the way"
        );
    }
}

pub(crate) async fn the_list_is_paged_and_counted(fixture: &Fixture) {
    let many: Vec<_> = (0..600).map(|n| format!("a{n:03}@example.com")).collect();
    let mut new: Vec<_> = many.iter().rev().map(|to| entry(fixture, to)).collect();
    new.push(Suppression {
        scope: Scope::Stream("news".to_owned()),
        cause: Cause::Unsubscribe,
        ..entry(fixture, "a100@example.com")
    });
    new.push(Suppression {
        since: later(9),
        ..entry(fixture, "z@sub.example.com")
    });
    let added = fixture.store.suppress(new, NOW).await.unwrap();
    assert!(added.iter().all(|listed| *listed == Listed::Added));
    let count = fixture.store.suppression_count(fixture.workspace, NOW);
    assert_eq!(count.await.unwrap(), 602);
    let all = SuppressionFilter {
        workspace: fixture.workspace,
        cause: None,
        scope: None,
        domain: None,
        since: None,
        holds_at: NOW,
    };
    let mut page = SuppressionPage {
        after: None,
        limit: 100,
    };
    let mut seen = Vec::new();
    loop {
        let found = fixture.store.suppression_page(&all, &page).await.unwrap();
        let Some(last) = found.last() else { break };
        page.after = Some((last.address.clone(), last.scope.clone()));
        seen.extend(found);
    }
    assert_eq!(seen.len(), 602);
    assert!(seen.is_sorted_by(
        |a, b| (&a.address.to_string(), &a.scope) < (&b.address.to_string(), &b.scope)
    ));
    let whole = SuppressionPage {
        after: None,
        limit: 1_000,
    };
    let count = async |filter: SuppressionFilter| {
        let found = fixture.store.suppression_page(&filter, &whole).await;
        found.unwrap().len()
    };
    let of = |cause| SuppressionFilter {
        cause: Some(cause),
        ..all.clone()
    };
    assert_eq!(count(of(Cause::Unsubscribe)).await, 1);
    let scope = Some(Scope::All);
    assert_eq!(
        count(SuppressionFilter {
            scope,
            ..all.clone()
        })
        .await,
        601
    );
    let domain = postbell_model::Domain::parse("sub.example.com").ok();
    assert_eq!(
        count(SuppressionFilter {
            domain,
            ..all.clone()
        })
        .await,
        1
    );
    let since = Some(later(1));
    assert_eq!(
        count(SuppressionFilter {
            since,
            ..all.clone()
        })
        .await,
        1
    );
}

pub(crate) async fn an_address_is_taken_off_for_one_scope_or_all(fixture: &Fixture) {
    let news = Scope::Stream("news".to_owned());
    let of_stream = Suppression {
        scope: news.clone(),
        ..entry(fixture, "ann@example.com")
    };
    let over = Suppression {
        scope: Scope::Stream("old".to_owned()),
        expires_at: Some(later(1)),
        ..of_stream.clone()
    };
    let all = entry(fixture, "ann@example.com");
    let new = vec![all.clone(), of_stream.clone(), over];
    fixture.store.suppress(new, NOW).await.unwrap();
    let take_off = async |scope: Option<&Scope>, at: Timestamp| {
        let address = Address::parse("ANN@example.com").unwrap();
        let gone = fixture
            .store
            .unsuppress(fixture.workspace, &address, scope, at);
        gone.await.unwrap()
    };
    assert_eq!(take_off(Some(&news), later(5)).await, [of_stream]);
    assert_eq!(take_off(None, later(5)).await, [all]);
    assert_eq!(take_off(None, later(5)).await, []);
    assert_eq!(told_of_list(fixture).await.len(), 5);
}

pub(crate) async fn what_has_expired_is_removed(fixture: &Fixture) {
    let new = (0..600).map(|n| Suppression {
        expires_at: (n > 0).then(|| later(60)),
        ..entry(fixture, &format!("a{n}@example.com"))
    });
    fixture.store.suppress(new.collect(), NOW).await.unwrap();
    for (at, removed, left) in [(later(59), 0, 600), (later(60), 599, 1)] {
        // Whoever asks is told of what holds, whether the rest was removed or not.
        let holding = SuppressionFilter {
            workspace: fixture.workspace,
            cause: None,
            scope: None,
            domain: None,
            since: None,
            holds_at: at,
        };
        let page = SuppressionPage {
            after: None,
            limit: 1_000,
        };
        let found = fixture.store.suppression_page(&holding, &page).await;
        assert_eq!(found.unwrap().len() as u64, left);
        let count = fixture.store.suppression_count(fixture.workspace, at);
        assert_eq!(
            count.await.unwrap(),
            left,
            "whether they are removed or not"
        );
        let mut round = PurgeRound::default();
        let mut all = 0;
        while !round.is_over() {
            let purged = fixture
                .store
                .purge_some(KeptSince::default(), at, &mut round);
            all += purged.await.unwrap().suppressions;
        }
        assert_eq!(all, removed);
        let count = fixture.store.suppression_count(fixture.workspace, at);
        assert_eq!(count.await.unwrap(), left);
    }
}
