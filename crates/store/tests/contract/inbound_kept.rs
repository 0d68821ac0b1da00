//! How long what came in is kept, where it goes on to, and what is left of deliveries for it.

use std::path::Path;
use std::time::Duration;

use postbell_model::authentication::{Authentication, Verdict};
use postbell_model::{
    Address, DeliveryId, DeliveryState, Domain, ForwardTo, InboundId, InboundRoute, Timestamp,
};
use postbell_store::{
    KeptSince, NewForward, Position, PurgeRound, Purged, Reception, SentSearch, Taken, TenantError,
    back_up, restore, verify,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::fixture::{self, Fixture, NOW, delivered, later};
use crate::inbound::{BODY, answer, mail, reception, take};
use crate::tenants::domain;

const DAY: u64 = 86_400;

pub(crate) fn days(count: u64) -> Timestamp {
    later(count * DAY)
}

/// A round at a time, by what is kept how long. Whatever it has removed, the store is sound.
pub(crate) async fn purge(fixture: &Fixture, now: Timestamp) -> Purged {
    let ago = |days: u64| Some(now.before(Duration::from_secs(days * DAY)));
    let since = KeptSince {
        messages: ago(90),
        slim: ago(400),
        inbound: ago(30),
    };
    let mut round = PurgeRound::default();
    let mut all = Purged::default();
    while !round.is_over() {
        all += fixture
            .store
            .purge_some(since, now, &mut round)
            .await
            .unwrap();
    }
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
    all
}

fn to_address(to: &str) -> ForwardTo {
    ForwardTo::Address(Address::parse(to).unwrap())
}

fn forwarded(fixture: &Fixture, at: Timestamp, to: ForwardTo) -> (InboundId, Reception) {
    let mut reception = reception(mail(fixture, at), Vec::new());
    let mut authentication = Authentication::default();
    authentication.spf.verdict = Verdict::Pass;
    reception.mails[0].forward = Some(NewForward { to, authentication });
    (reception.mails[0].mail.id, reception)
}

pub(crate) async fn what_is_forwarded_is_kept_until_it_is_handed_on(fixture: &Fixture) {
    let mut rings = fixture.store.forwards_noted();
    let host = ForwardTo::Host {
        host: Domain::parse("[192.0.2.1]").unwrap(),
        port: 2525,
    };
    let (first, one) = forwarded(fixture, later(1), to_address("ann@example.com"));
    let (second, other) = forwarded(fixture, later(2), host.clone());
    fixture.store.receive(vec![one, other]).await;
    assert!(rings.has_changed().unwrap());
    rings.mark_unchanged();
    let fixture = fixture.reopened().await;
    let due = fixture.store.forwards_due(10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert_eq!(due[0].mail.id, first);
    assert_eq!(due[0].forward.to, to_address("ann@example.com"));
    assert_eq!((due[1].mail.id, &due[1].forward.to), (second, &host));
    assert_eq!(due[1].forward.authentication.spf.verdict, Verdict::Pass);
    assert_eq!(fixture.store.forwards_due(1).await.unwrap().len(), 1);

    // Its time is over, and it is still to be forwarded.
    purge(&fixture, days(100)).await;
    let due = fixture.store.forwards_due(10).await.unwrap();
    assert_eq!(fixture.store.body(due[1].body).await.unwrap(), BODY);
    fixture.store.end_forwards(vec![first]).await.unwrap();
    assert_eq!(fixture.bodies(), 1);
    let both = vec![first, second, InboundId::new(NOW)];
    fixture.store.end_forwards(both).await.unwrap();
    assert!(fixture.store.forwards_due(10).await.unwrap().is_empty());
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.bodies(), 0);
    assert_eq!(purge(&fixture, days(100)).await.inbound, 2);
    fixture.close().await;
}

pub(crate) async fn octets_go_first_and_then_the_rest(fixture: &Fixture) {
    let one = reception(mail(fixture, NOW), Vec::new());
    let id = one.mails[0].mail.id;
    take(fixture, one).await;
    assert_eq!(purge(fixture, days(30)).await, Purged::default());
    let files = Purged {
        files: 1,
        ..Purged::default()
    };
    assert_eq!(purge(fixture, days(31)).await, files);
    let kept = fixture.store.inbound(id).await.unwrap().unwrap();
    assert_eq!(kept.body, None);

    // What comes in then has a file of its own.
    let two = reception(mail(fixture, days(31)), Vec::new());
    let second = two.mails[0].mail.id;
    take(fixture, two).await;
    let kept = fixture.store.inbound(second).await.unwrap().unwrap();
    assert_eq!(fixture.store.body(kept.body.unwrap()).await.unwrap(), BODY);
    let rows = Purged {
        inbound: 1,
        ..Purged::default()
    };
    assert_eq!(purge(fixture, days(60)).await, Purged::default());
    assert_eq!(purge(fixture, days(91)).await.inbound, 1);
    assert_eq!(fixture.store.inbound(id).await.unwrap(), None);
    assert_eq!(purge(fixture, days(122)).await, rows);
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.bodies(), 0);
    fixture.close().await;
}

pub(crate) async fn delivered_to(fixture: &Fixture, recipient: &str) -> DeliveryId {
    let mut submission = fixture.submission(&[recipient], "x");
    let mut message = (*submission.message).clone();
    message.instructions.stream = Some("news".to_owned());
    submission.message = message.into();
    let id = submission.deliveries[0].id;
    fixture.store.accept(vec![submission]).await[0]
        .as_ref()
        .unwrap();
    let lane = fixture.lane("example.com");
    fixture.store.claim(&lane, NOW, 10).await.unwrap();
    fixture.store.settle(vec![delivered(id)]).await[0]
        .as_ref()
        .unwrap();
    id
}

pub(crate) async fn what_is_left_of_a_delivery_takes_what_comes_late(fixture: &Fixture) {
    let id = delivered_to(fixture, "bob@example.com").await;
    // The newest event stays, whatever it is about.
    fixture.accept(&["newest@example.net"]).await;
    let purged = purge(fixture, days(91)).await;
    assert_eq!((purged.deliveries, purged.events, purged.slim), (1, 2, 0));
    let sent = fixture.store.sent(id).await.unwrap().unwrap();
    assert_eq!(sent.recipient.as_str(), "bob@example.com");
    assert_eq!(sent.state, DeliveryState::Delivered);
    let message = &sent.message;
    assert_eq!(
        (&*message.subject, &*message.source, &*message.received.helo),
        ("", "", "")
    );
    assert_eq!(message.instructions.stream.as_deref(), Some("news"));
    assert!(message.instructions.tags.is_empty());
    let search = SentSearch {
        header_message_id: message.header_message_id.clone(),
        recipient: None,
        from: NOW,
        until: NOW,
    };
    let found = fixture.store.sent_as(search).await.unwrap();
    assert!(found.iter().any(|sent| sent.delivery == id), "{found:?}");

    let newest = *fixture.store.newest().borrow();
    let taken = take(fixture, answer(fixture, id, days(92))).await;
    assert_eq!((taken.recorded, taken.left_out), (1, 0));
    let page = fixture.events_after(fixture.set, newest, 10).await;
    assert_eq!(page.events.len(), 1);
    let logged = &page.events[0];
    assert_eq!(logged.event.sequence, 3);
    assert_eq!(logged.recipient.as_str(), "bob@example.com");
    assert_eq!(logged.message.id, message.id);
    let one = fixture.store.event(logged.position).await.unwrap();
    assert!(one.is_some());

    // Its event goes in its time, then it.
    fixture.accept(&["newest@example.net"]).await;
    assert_eq!(purge(fixture, days(181)).await.events, 0);
    assert_eq!(purge(fixture, days(183)).await.events, 1);
    let taken = take(fixture, answer(fixture, id, days(184))).await;
    assert_eq!(taken.recorded, 1);
    fixture.accept(&["newest@example.net"]).await;
    assert_eq!(purge(fixture, days(399)).await.slim, 0);
    assert_eq!(purge(fixture, days(401)).await.slim, 1);
    assert!(fixture.store.sent(id).await.unwrap().is_none());
    let taken = take(fixture, answer(fixture, id, days(402))).await;
    assert_eq!((taken.recorded, taken.left_out), (0, 1));
}

pub(crate) async fn a_destination_hears_what_came_late_before_it_goes(fixture: &Fixture) {
    let id = delivered_to(fixture, "bob@example.com").await;
    let hook = crate::tenants::destination(fixture, "hook");
    fixture
        .store
        .create_destination(hook.clone())
        .await
        .unwrap();
    fixture.accept(&["newest@example.net"]).await;
    assert_eq!(purge(fixture, days(91)).await.deliveries, 1);
    take(fixture, answer(fixture, id, days(92))).await;
    fixture.accept(&["newest@example.net"]).await;
    assert_eq!(purge(fixture, days(200)).await.events, 0);
    let heard = postbell_store::Progress {
        cursor: *fixture.store.newest().borrow(),
        ..Default::default()
    };
    fixture.store.advance(hook.id, heard).await.unwrap();
    assert_eq!(purge(fixture, days(200)).await.events, 1);
}

pub(crate) async fn routes_stand_in_the_directory(fixture: &Fixture) {
    let acme = domain(fixture, "acme.example");
    fixture.store.add_domain(acme.clone()).await.unwrap();
    let route = |pattern: &str, tells, forward| InboundRoute {
        domain: acme.name.clone(),
        workspace: fixture.workspace,
        pattern: pattern.parse().unwrap(),
        tells,
        forward,
    };
    let all = route("*", true, None);
    let support = route("support", false, Some(to_address("ann@example.com")));
    let elsewhere = InboundRoute {
        domain: Domain::parse("other.example").unwrap(),
        ..all.clone()
    };
    let gone = fixture.store.set_inbound_route(elsewhere).await;
    assert!(
        matches!(gone, Err(TenantError::NoSuchDomain(_))),
        "{gone:?}"
    );
    let mut rings = fixture.store.directory_changed();
    rings.mark_unchanged();
    for route in [route("*", false, None), support.clone(), all.clone()] {
        fixture.store.set_inbound_route(route).await.unwrap();
    }
    assert!(rings.has_changed().unwrap());
    let fixture = fixture.reopened().await;
    let directory = fixture.store.directory();
    assert_eq!(
        directory.inbound_routes_of(&acme.name),
        [all.clone(), support.clone()]
    );
    assert!(directory.is_our_host(&acme.return_path_host));
    assert!(directory.is_our_host(&acme.reply_host));
    assert!(!directory.is_our_host(&acme.name));

    let (name, pattern) = (&acme.name, &all.pattern);
    let remove = || fixture.store.remove_inbound_route(name, pattern);
    remove().await.unwrap();
    let none = remove().await;
    assert!(
        matches!(none, Err(TenantError::NoSuchInboundRoute { .. })),
        "{none:?}"
    );
    assert_eq!(fixture.store.directory().inbound_routes_of(name), [support]);
    fixture.store.remove_domain(name, later(1)).await.unwrap();
    fixture.store.add_domain(acme.clone()).await.unwrap();
    let directory = fixture.store.directory();
    assert!(directory.inbound_routes_of(name).is_empty());
    fixture.close().await;
}

pub(crate) async fn many_come_in_at_once(fixture: &Fixture) {
    let id = delivered_to(fixture, "bob@example.com").await;
    let mut recorded = 0;
    for round in 0..10 {
        let batch = (0..50).map(|n| answer(fixture, id, later(100 * round + n)));
        let taken = fixture.store.receive(batch.collect()).await;
        let taken: Vec<Taken> = taken.into_iter().map(Result::unwrap).collect();
        recorded += taken.iter().map(|taken| taken.recorded).sum::<usize>();
    }
    assert_eq!(recorded, 500);
    let page = fixture.events_after(fixture.set, Position(0), 1_000).await;
    let sequences: Vec<_> = page.events.iter().map(|e| e.event.sequence).collect();
    assert_eq!(sequences, (1..=502).collect::<Vec<_>>());
    let verified = verify(fixture.folder()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
    assert_eq!(verified.bodies, 500);
}

async fn tamper(folder: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(folder.join("postbell.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    database.close().await.unwrap();
}

/// A message that is kept and to be forwarded, and a slim record with an event.
async fn store() -> Fixture {
    let fixture = fixture::sqlite().await;
    let id = delivered_to(&fixture, "bob@example.com").await;
    fixture.accept(&["newest@example.net"]).await;
    purge(&fixture, days(91)).await;
    take(&fixture, answer(&fixture, id, days(92))).await;
    let (_, forwarded) = forwarded(&fixture, days(92), to_address("ann@example.com"));
    take(&fixture, forwarded).await;
    fixture
}

#[tokio::test]
async fn what_does_not_hold_of_mail_that_came_in_is_told() {
    for (sql, check) in [
        (
            "UPDATE segment SET live = live + 1 WHERE kept_at > 0",
            "segments",
        ),
        ("UPDATE segment SET kept_at = NULL", "segments"),
        ("DELETE FROM forward_due", "segments"),
        ("DELETE FROM inbound", "forwards"),
        ("UPDATE inbound SET body_offset = body_offset + 1", "bodies"),
        ("UPDATE slim_delivery SET sequence = 9", "sequences"),
        ("UPDATE slim_delivery SET told_at = NULL", "sequences"),
        ("DELETE FROM slim_delivery", "events"),
        (
            "INSERT INTO slim_delivery SELECT id, message_id, 1, 1, recipient, state, 1, '', 0, \
             NULL, NULL FROM delivery",
            "deliveries",
        ),
    ] {
        let fixture = store().await;
        fixture.close().await;
        tamper(fixture.folder(), sql).await;
        let verified = verify(fixture.folder()).await.unwrap();
        let found = verified.faults.iter().any(|fault| fault.check == check);
        assert!(found, "{sql}: {verified:?}");
    }
}

#[tokio::test]
async fn a_backup_has_what_came_in() {
    let fixture = store().await;
    let (backup, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = back_up(fixture.folder(), backup.path(), NOW, &|_| {}).await;
    assert_eq!(manifest.unwrap().counts.inbound, 2);
    fixture.close().await;
    let verified = verify(backup.path()).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
    assert_eq!(verified.bodies, 3);
    let restored = restore(backup.path(), to.path(), &|_| {}).await.unwrap();
    restored.finish().unwrap();
    let (store, tasks) = fixture::open_sqlite(to.path()).await;
    let due = store.forwards_due(10).await.unwrap();
    assert_eq!(store.body(due[0].body).await.unwrap(), BODY);
    store.close().await;
    tasks.close();
    tasks.wait().await;
}
