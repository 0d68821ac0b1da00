use std::time::Duration;

use postbell_model::token::{Claim, Purpose};
use postbell_model::{
    Audience, DeliveryId, Domain, DomainSetting, EventKind, Fact, KeyAlgorithm, RejectReason,
    SeenRecords, SendingDomain, SettingChange, Timestamp, TokenKeys, WorkspaceFact, WorkspaceId,
};
use postbell_store::{
    Action, DeliveryFilter, DomainChange, DomainCheck, DomainFound, DomainRemoval, Domains,
    EventFilter, From, Logged, MessageOrDelivery, Position, SqliteTenants, TenantError, Tenants,
};

use crate::domain_keys::key;
use crate::fixture::{Fixture, NOW, delivered, later, set_of};
use crate::tenants::domain;

/// From which the fixture's mail is.
const SENDER: &str = "example.org";

fn named(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

async fn added(fixture: &Fixture) -> SendingDomain {
    let domain = domain(fixture, SENDER);
    fixture.store.add_domain(domain.clone()).await.unwrap();
    domain
}

async fn removed(fixture: &Fixture) -> DomainRemoval {
    let removal = fixture.store.remove_domain(&named(SENDER), later(60)).await;
    removal.unwrap()
}

/// What the workspace hears that is about no delivery.
async fn told(fixture: &Fixture) -> Vec<WorkspaceFact> {
    // Another connection writes these events, and the server looks for them every second.
    let inspector = fixture.inspector().await;
    let (filter, all) = (EventFilter::default(), From::After(Position(0)));
    let events = inspector.events(&filter, all, 100);
    let events = events.await.unwrap().events.into_iter();
    let facts = events.filter_map(|event| match event {
        Logged::Workspace(logged) => {
            assert_eq!(logged.event.workspace, fixture.workspace);
            Some(logged.event.fact)
        }
        Logged::Delivery(_) => None,
    });
    facts.collect()
}

async fn last(fixture: &Fixture, delivery: DeliveryId) -> Fact {
    let inspector = fixture.inspector().await;
    inspector.latest(delivery).await.unwrap().unwrap().fact
}

const REJECTED: Fact = Fact::Reject {
    reason: RejectReason::DomainDeleted,
};

pub(crate) async fn the_life_of_a_domain_is_told(fixture: &Fixture) {
    let added = added(fixture).await;
    let gone = removed(fixture).await;
    assert_eq!(
        (gone.workspace, &gone.domain),
        (fixture.workspace, &added.name)
    );
    let setting = |setting, new: &str| SettingChange {
        setting,
        old: None,
        new: new.to_owned(),
    };
    let settings = vec![
        setting(DomainSetting::ReturnPathHost, "bounce.example.org"),
        setting(DomainSetting::ReplyHost, "reply.example.org"),
        setting(DomainSetting::TrackingHost, "track.example.org"),
        setting(DomainSetting::ConfigurationSet, "default"),
        setting(DomainSetting::ReplyCapture, "on"),
        setting(DomainSetting::Inbound, "off"),
        setting(DomainSetting::Dmarc, "mark"),
        setting(DomainSetting::TrackOpens, "off"),
        setting(DomainSetting::TrackClicks, "off"),
    ];
    let domain = added.name.clone();
    let created = WorkspaceFact::DomainCreated { domain, settings };
    let domain = added.name.clone();
    let deleted = WorkspaceFact::DomainDeleted { domain };
    assert_eq!(told(fixture).await, [created, deleted]);
    // Who refuses tells nothing.
    let again = fixture.store.remove_domain(&added.name, NOW).await;
    assert!(
        matches!(again, Err(TenantError::NoSuchDomain(_))),
        "{again:?}"
    );
    assert_eq!(told(fixture).await.len(), 2);
    // Destinations of the whole workspace hear of it.
    let fixture = fixture.reopened().await;
    let whole = Audience::Workspace(fixture.workspace);
    let page = fixture.store.events_after(whole, Position(0), 10).await;
    assert_eq!(page.unwrap().events.len(), 2);
    fixture.close().await;
}

pub(crate) async fn a_change_tells_what_was_and_what_is(fixture: &Fixture) {
    let before = added(fixture).await;
    let urgent = set_of(&*fixture.store, fixture.workspace, "urgent").await;
    let change = DomainChange {
        reply_host: Some(named("in.example.org")),
        tracking_host: Some(before.tracking_host.clone()),
        configuration_set: Some(urgent),
        ..DomainChange::default()
    };
    let changes = [
        (
            DomainSetting::ReplyHost,
            "reply.example.org",
            "in.example.org",
        ),
        (DomainSetting::ConfigurationSet, "default", "urgent"),
    ]
    .map(|(setting, old, new)| SettingChange {
        setting,
        old: Some(old.to_owned()),
        new: new.to_owned(),
    });
    let changed = fixture
        .store
        .change_domain(&before.name, change.clone(), NOW);
    assert_eq!(changed.await.unwrap(), changes);
    let again = fixture.store.change_domain(&before.name, change, NOW).await;
    assert_eq!(again.unwrap(), []);

    let after = SendingDomain {
        reply_host: named("in.example.org"),
        configuration_set: urgent,
        ..before.clone()
    };
    assert_eq!(fixture.store.directory().domain(&before.name), Some(&after));
    let facts = told(fixture).await;
    let [
        WorkspaceFact::DomainCreated { .. },
        WorkspaceFact::DomainUpdated {
            domain,
            changes: told,
        },
    ] = facts.as_slice()
    else {
        panic!("{facts:?}");
    };
    assert_eq!((domain, told.as_slice()), (&before.name, &changes[..]));

    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.directory().domain(&before.name), Some(&after));
    let other = fixture
        .store
        .create_workspace("other", NOW)
        .await
        .unwrap()
        .id;
    let foreign = DomainChange {
        configuration_set: Some(set_of(&*fixture.store, other, "default").await),
        ..DomainChange::default()
    };
    let refused = fixture
        .store
        .change_domain(&before.name, foreign, NOW)
        .await;
    assert!(matches!(
        refused,
        Err(TenantError::NoSuchConfigurationSet(_))
    ));
    fixture.close().await;
}

pub(crate) async fn changes_at_once_are_both_kept(fixture: &Fixture) {
    let before = added(fixture).await;
    let beside = SqliteTenants::open(fixture.folder()).await.unwrap();
    let host = |kind, round| Some(named(&format!("{kind}{round}.example.org")));
    for round in 0..20 {
        let reply = DomainChange {
            reply_host: host("in", round),
            ..DomainChange::default()
        };
        let tracking = DomainChange {
            tracking_host: host("click", round),
            ..DomainChange::default()
        };
        let (one, other) = tokio::join!(
            fixture.store.change_domain(&before.name, reply, NOW),
            beside.change_domain(&before.name, tracking, NOW)
        );
        assert_eq!((one.unwrap().len(), other.unwrap().len()), (1, 1));
        let fresh = SqliteTenants::open(fixture.folder()).await.unwrap();
        let directory = fresh.directory();
        let after = directory.domain(&before.name).unwrap();
        assert_eq!(Some(&after.reply_host), host("in", round).as_ref());
        assert_eq!(Some(&after.tracking_host), host("click", round).as_ref());
        fresh.close().await;
    }
    beside.close().await;
}

pub(crate) async fn a_domain_that_is_gone_is_not_changed(fixture: &Fixture) {
    let before = added(fixture).await;
    let beside = SqliteTenants::open(fixture.folder()).await.unwrap();
    removed(fixture).await;
    let change = DomainChange {
        reply_host: Some(named("in.example.org")),
        ..DomainChange::default()
    };
    let refused = beside.change_domain(&before.name, change, NOW).await;
    assert!(matches!(refused, Err(TenantError::NoSuchDomain(_))));
    assert_eq!(told(fixture).await.len(), 2, "added and removed");
    beside.close().await;
}

fn check(seconds: u64, found: DomainFound) -> Vec<DomainCheck> {
    vec![DomainCheck {
        domain: named(SENDER),
        at: later(seconds),
        found,
    }]
}

const SEEN: SeenRecords = SeenRecords {
    dkim: true,
    spf: true,
    dmarc: false,
};

fn lost() -> DomainFound {
    DomainFound::Missing(vec!["MX bounce.example.org".to_owned()])
}

pub(crate) async fn a_domain_turns_once(fixture: &Fixture) {
    let store = &fixture.store;
    let record = |checks| async { store.record_domain_checks(checks).await.unwrap().len() };
    assert_eq!(
        record(check(0, DomainFound::All(SEEN))).await,
        0,
        "there is none"
    );
    added(fixture).await;
    assert_eq!(
        record(check(1, lost())).await,
        0,
        "it was not verified before"
    );
    assert_eq!(record(check(2, DomainFound::All(SEEN))).await, 1);
    assert_eq!(record(check(3, DomainFound::All(SEEN))).await, 0);
    let known = store
        .verifications()
        .await
        .unwrap()
        .remove(&named(SENDER))
        .unwrap();
    assert_eq!(
        (known.verified_at, known.checked_at),
        (Some(later(2)), later(3))
    );
    let turns = store.record_domain_checks(check(4, lost())).await.unwrap();
    assert!(matches!(turns.as_slice(), [turn] if !turn.verified && turn.missing.len() == 1));
    assert_eq!(record(check(5, lost())).await, 0);
    assert_eq!(record(check(6, DomainFound::All(SEEN))).await, 1);

    let facts = told(fixture).await;
    let kinds: Vec<_> = facts.iter().map(WorkspaceFact::kind).collect();
    let turned = [
        EventKind::DomainCreated,
        EventKind::DomainVerified,
        EventKind::DomainUnverified,
        EventKind::DomainVerified,
    ];
    assert_eq!(kinds, turned);
    let domain = named(SENDER);
    assert_eq!(
        facts[1],
        WorkspaceFact::DomainVerified { domain, seen: SEEN }
    );
}

pub(crate) async fn without_an_answer_what_was_known_stands(fixture: &Fixture) {
    added(fixture).await;
    let store = &fixture.store;
    for (at, found) in [(1, DomainFound::All(SEEN)), (2, DomainFound::Unanswered)] {
        store.record_domain_checks(check(at, found)).await.unwrap();
    }
    let known = || async {
        store
            .verifications()
            .await
            .unwrap()
            .remove(&named(SENDER))
            .unwrap()
    };
    let verified = known().await;
    assert_eq!(
        (verified.verified_at, verified.checked_at),
        (Some(later(1)), later(2))
    );
    for (at, found) in [(3, lost()), (4, DomainFound::Unanswered)] {
        store.record_domain_checks(check(at, found)).await.unwrap();
    }
    let lost = known().await;
    assert_eq!((lost.verified_at, lost.missing.len()), (None, 1));
    assert_eq!(told(fixture).await.len(), 3);
}

pub(crate) async fn what_waits_of_a_removed_domain_is_rejected(fixture: &Fixture) {
    let store = &fixture.store;
    added(fixture).await;
    let rsa = key("rsa", KeyAlgorithm::Rsa);
    let rsa = postbell_model::DomainKey {
        domain: named(SENDER),
        ..rsa
    };
    store.add_domain_keys(vec![rsa]).await.unwrap();
    store.record_domain_checks(check(1, lost())).await.unwrap();
    let queued = fixture.accept(&["a@example.com", "b@example.net"]).await;
    let held = fixture.accept(&["c@example.com"]).await;
    let of_held = DeliveryFilter {
        delivery: Some(held[0]),
        ..DeliveryFilter::default()
    };
    store.operate(&of_held, &Action::Hold, NOW).await.unwrap();
    let mut scheduled = fixture.submission(&["d@example.com"], "Subject: x\r\n\r\nx\r\n");
    scheduled.send_at = Some(later(9_000));
    let later_one = scheduled.deliveries[0].id;
    store.accept(vec![scheduled]).await;
    let mut other = fixture.submission(&["e@example.com"], "Subject: x\r\n\r\nx\r\n");
    let mut message = (*other.message).clone();
    message.source = "app@notexample.org".to_owned();
    other.message = message.into();
    let others = other.deliveries[0].id;
    store.accept(vec![other]).await;

    let removal = removed(fixture).await;
    assert!(store.directory().domain(&removal.domain).is_none());
    assert_eq!(store.directory().all_domain_keys().count(), 0);
    assert!(store.verifications().await.unwrap().is_empty());
    assert_eq!(
        store.reject_removed(later(61)).await.unwrap(),
        1,
        "a door may not know yet"
    );
    for id in [queued[0], queued[1], held[0], later_one] {
        assert_eq!(last(fixture, id).await, REJECTED);
    }
    assert_eq!(last(fixture, others).await, Fact::Send);
    let inspector = fixture.inspector().await;
    let id = MessageOrDelivery(*queued[0].as_bytes());
    let history = inspector.history(id).await.unwrap().unwrap();
    assert!(
        history
            .deliveries
            .iter()
            .all(|delivery| delivery.state.name() == "rejected")
    );

    // What comes in late goes the same way, and then it is over.
    let late = fixture.accept(&["f@example.com"]).await;
    assert_eq!(store.reject_removed(later(70)).await.unwrap(), 0);
    assert_eq!(last(fixture, late[0]).await, REJECTED);
    let over = store.removal(removal.id).await.unwrap().unwrap();
    assert_eq!((over.rejected, over.ended_at), (5, Some(later(70))));
    assert_eq!(store.reject_removed(later(80)).await.unwrap(), 0);
}

pub(crate) async fn what_is_sent_meanwhile_is_left_alone(fixture: &Fixture) {
    added(fixture).await;
    let ids = fixture.accept(&["a@example.com", "b@example.com"]).await;
    let lane = fixture.lane("example.com");
    let claimed = fixture.store.claim(&lane, NOW, 1).await.unwrap();
    let flying = claimed[0].delivery.id;
    removed(fixture).await;
    let after = |seconds| later(60_u64 + seconds);
    assert_eq!(fixture.store.reject_removed(after(60)).await.unwrap(), 1);
    let other = ids.into_iter().find(|id| *id != flying).unwrap();
    assert_eq!(last(fixture, other).await, REJECTED);
    let answers = fixture.store.settle(vec![delivered(flying)]).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(fixture.store.reject_removed(after(62)).await.unwrap(), 0);
    assert_eq!(last(fixture, flying).await.kind(), EventKind::Delivery);
}

pub(crate) async fn who_adds_it_anew_loses_nothing(fixture: &Fixture) {
    let before = added(fixture).await;
    let old = fixture.accept(&["a@example.com"]).await;
    removed(fixture).await;
    // The fixture's mail is all accepted at NOW: what was added anew before is younger.
    let anew = SendingDomain {
        created_at: NOW.before(Duration::from_secs(1)),
        ..before.clone()
    };
    fixture.store.add_domain(anew).await.unwrap();
    fixture.store.reject_removed(later(120)).await.unwrap();
    assert_eq!(last(fixture, old[0]).await, Fact::Send);

    let other = fixture
        .store
        .create_workspace("other", NOW)
        .await
        .unwrap()
        .id;
    let set = set_of(&*fixture.store, other, "default").await;
    removed(fixture).await;
    let theirs = SendingDomain::new(before.name.clone(), other, set, NOW);
    fixture.store.add_domain(theirs).await.unwrap();
    fixture.store.reject_removed(later(180)).await.unwrap();
    assert_eq!(last(fixture, old[0]).await, REJECTED, "it was not theirs");
}

pub(crate) async fn what_comes_in_while_a_domain_is_swept_stays(fixture: &Fixture) {
    added(fixture).await;
    removed(fixture).await;
    // It is added anew and its mail let in, after the sweep has looked whether it is there.
    let sweep = NOW.before(Duration::from_secs(1));
    let fresh = fixture.accept(&["a@example.com"]).await;
    fixture.store.reject_removed(sweep).await.unwrap();
    assert_eq!(last(fixture, fresh[0]).await, Fact::Send);
}

pub(crate) async fn tokens_outlive_the_domain(fixture: &Fixture) {
    added(fixture).await;
    let claim = Claim {
        workspace: WorkspaceId(fixture.workspace.0),
        delivery: fixture.accept(&["a@example.com"]).await[0],
    };
    let keys = |fixture: &Fixture| {
        let keys = fixture.store.token_keys();
        TokenKeys::new(keys.iter().map(|(id, secret)| (*id, secret))).unwrap()
    };
    let token = keys(fixture).sign(Purpose::Bounce, claim);
    removed(fixture).await;
    fixture
        .store
        .reject_removed(Timestamp::from_micros(i64::MAX / 2))
        .await
        .unwrap();
    let fixture = fixture.reopened().await;
    assert_eq!(keys(&fixture).verify(Purpose::Bounce, &token), Ok(claim));
    let found = MessageOrDelivery(*claim.delivery.as_bytes());
    let history = fixture.inspector().await.history(found).await.unwrap();
    assert!(history.is_some(), "what the token names is still known");
    fixture.close().await;
}
