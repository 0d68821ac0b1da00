use postbell_model::inbound::{Content, MailFact};
use postbell_model::suppression::{Cause, Scope, Suppression};
use postbell_model::{Address, Domain, EventKind, InboundId, WorkspaceFact};
use postbell_store::{EventFilter, From, InboundFact, Position};

use crate::fixture::{Fixture, NOW, about_delivery, delayed, delivered, later, set_of};
use crate::inbound;

pub(crate) async fn pages_follow_the_log(fixture: &Fixture) {
    let newest = fixture.store.newest();
    assert_eq!(*newest.borrow(), Position(0));
    for _ in 0..5 {
        fixture.accept(&["a@example.com"]).await;
    }
    assert_eq!(*newest.borrow(), Position(5));
    let first = fixture.events_after(fixture.set, Position(0), 3).await;
    assert_eq!((first.events.len(), first.read_to), (3, Position(3)));
    let rest = fixture.events_after(fixture.set, first.read_to, 3).await;
    assert_eq!((rest.events.len(), rest.read_to), (2, Position(5)));
    let none = fixture.events_after(fixture.set, rest.read_to, 3).await;
    assert_eq!((none.events.len(), none.read_to), (0, Position(5)));

    let logged = &first.events[2];
    assert_eq!(logged.position, Position(3));
    assert_eq!(logged.event.fact.kind(), EventKind::Send);
    assert_eq!(logged.message.subject, "Grüße");
    let alone = fixture.store.event(Position(3)).await.unwrap().unwrap();
    let alone = about_delivery(alone);
    assert_eq!(
        (alone.event, alone.message),
        (logged.event.clone(), logged.message.clone())
    );
    assert!(fixture.store.event(Position(6)).await.unwrap().is_none());
}

pub(crate) async fn a_set_sees_only_its_own(fixture: &Fixture) {
    let other = set_of(&*fixture.store, fixture.workspace, "newsletter").await;
    fixture.accept(&["a@example.com"]).await;
    let page = fixture.events_after(other, Position(0), 10).await;
    assert!(page.events.is_empty());
    assert_eq!(
        page.read_to,
        Position(1),
        "it has seen that there was nothing for it"
    );
}

pub(crate) async fn sequence_numbers_have_no_gaps(fixture: &Fixture) {
    let ids = fixture.accept(&["a@example.com"]).await;
    let lane = fixture.lane("example.com");
    for number in 1..4 {
        let now = later(u64::from(number) * 60);
        assert_eq!(fixture.store.claim(&lane, now, 1).await.unwrap().len(), 1);
        let until = later(u64::from(number + 1) * 60);
        fixture
            .store
            .settle(vec![delayed(ids[0], number, until)])
            .await;
    }
    fixture.store.claim(&lane, later(600), 1).await.unwrap();
    fixture.store.settle(vec![delivered(ids[0])]).await;
    let page = fixture.events_after(fixture.set, Position(0), 10).await;
    let sequence: Vec<_> = page
        .events
        .iter()
        .map(|logged| logged.event.sequence)
        .collect();
    assert_eq!(sequence, [1, 2, 3, 4, 5]);
    let ids: std::collections::HashSet<_> = page.events.iter().map(|e| e.event.id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(page.events[0].event.at, NOW);
}

/// Those about a workspace have an address as well: what mail came to, what is on the list.
pub(crate) async fn what_is_about_an_address_is_found_by_it(fixture: &Fixture) {
    fixture
        .accept(&["ann@acme.example", "bob@example.org"])
        .await;
    let entry = Suppression {
        workspace: fixture.workspace,
        address: address("bob@example.org"),
        scope: Scope::All,
        cause: Cause::Manual,
        since: NOW,
        event: None,
        expires_at: None,
        note: Some("support@acme.example says so".to_owned()),
    };
    for fact in [
        WorkspaceFact::Received(Box::new(came_in())),
        WorkspaceFact::SuppressionAdded(Box::new(entry.clone())),
        WorkspaceFact::SuppressionRemoved(Box::new(entry)),
    ] {
        let fact = InboundFact::Workspace {
            workspace: fixture.workspace,
            configuration_set: fixture.set,
            fact,
        };
        let mail = inbound::mail(fixture, later(1));
        inbound::take(fixture, inbound::reception(mail, vec![fact])).await;
    }
    let inspector = fixture.inspector().await;
    let find = async |filter: EventFilter| {
        let found = inspector.events(&filter, From::Newest, 10).await.unwrap();
        let kinds = found.events.iter().map(|event| event.kind().name());
        kinds.collect::<Vec<_>>().join(" ")
    };
    let of = async |recipient: &str| {
        let filter = EventFilter {
            recipient: Some(address(recipient)),
            ..EventFilter::default()
        };
        find(filter).await
    };
    let at = async |domain: &str| {
        let filter = EventFilter {
            domain: Domain::parse(domain).ok(),
            ..EventFilter::default()
        };
        find(filter).await
    };
    assert_eq!(of("support@acme.example").await, "Received");
    assert_eq!(
        of("bob@example.org").await,
        "Send SuppressionAdded SuppressionRemoved"
    );
    assert_eq!(at("acme.example").await, "Send Received");
    assert_eq!(
        at("example.org").await,
        "Send SuppressionAdded SuppressionRemoved"
    );
    assert_eq!(at("ample.org").await, "");
}

fn came_in() -> MailFact {
    MailFact {
        inbound: InboundId::new(NOW),
        mail_from: "bob@example.org".to_owned(),
        recipient: address("support@acme.example"),
        tag: None,
        headers: Vec::new(),
        is_suspicious: false,
        content: Content::default(),
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}
