//! What `events` says of the suppression list, and by which names it and its like are found.

use std::time::Duration;

use bytes::Bytes;
use postbell_model::suppression::{Cause, Scope, Suppression};
use postbell_model::{
    Address, DeliveryId, Domain, InboundId, InboundKind, InboundMail, ReversePath, SendingDomain,
    WorkspaceFact,
};
use postbell_store::{Inbound, InboundFact, NewInbound, Reception, Store, Tenants};

use crate::inbound::{assert_harmless, open, with_a_delivery};
use crate::kit::Place;

/// Where the recipient of a message came on the list, and off it.
struct Told {
    place: Place,
    delivery: DeliveryId,
}

impl Told {
    fn new() -> Self {
        let (place, delivery) = with_a_delivery();
        let told = Self { place, delivery };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(told.record());
        told
    }

    async fn record(&self) {
        let store = open(&self.place.path().join("data")).await;
        let domain = Domain::parse("acme.example").unwrap();
        let directory = store.directory();
        let domain = directory.domain(&domain).unwrap();
        let facts = self.facts(domain);
        let wanted = facts.len();
        let at = self.delivery.made_at().after(Duration::from_mins(1));
        let mail = InboundMail {
            id: InboundId::new(at),
            workspace: Some(domain.workspace),
            delivery: Some(self.delivery),
            kind: InboundKind::Mail,
            at,
            peer: "192.0.2.1".parse().unwrap(),
            mail_from: ReversePath::Null,
            recipient: Address::parse("support@acme.example").unwrap(),
            from: "b@b.example".to_owned(),
            subject: String::new(),
            header_message_id: None,
            size: 2,
        };
        let mails = vec![NewInbound {
            mail,
            facts,
            forward: None,
        }];
        let body = Bytes::from_static(b"\r\n");
        let reception = Reception { mails, body };
        let taken = store.receive(vec![reception]).await.remove(0).unwrap();
        assert_eq!(taken.recorded, wanted);
        store.close().await;
    }

    fn facts(&self, domain: &SendingDomain) -> Vec<InboundFact> {
        let entry = Suppression {
            workspace: domain.workspace,
            address: Address::parse("b@b.example").unwrap(),
            scope: Scope::Stream("news".to_owned()),
            cause: Cause::Unsubscribe,
            since: self.delivery.made_at(),
            event: None,
            expires_at: None,
            note: Some("by \u{1b}[2Jhand".to_owned()),
        };
        let about_workspace = |fact| InboundFact::Workspace {
            workspace: domain.workspace,
            configuration_set: domain.configuration_set,
            fact,
        };
        vec![
            about_workspace(WorkspaceFact::SuppressionAdded(Box::new(entry.clone()))),
            about_workspace(WorkspaceFact::SuppressionRemoved(Box::new(entry))),
        ]
    }
}

#[test]
fn the_log_is_found_by_any_name_and_by_address() {
    let told = Told::new();
    let list = |arguments: &[&str]| {
        let printed = told.place.ok(&[&["events", "list"], arguments].concat());
        assert_harmless(&printed);
        printed
    };
    assert_eq!(list(&["--kind", "open,email.clicked"]), "");
    assert_eq!(list(&["--kind", "email.sent"]).lines().count(), 1);
    let listed = list(&["--kind", "suppression.*"]);
    assert!(
        listed.contains("b@b.example") && listed.contains("gets no more mail of the stream news"),
        "{listed}"
    );
    let by_address = list(&["--recipient", "b@b.example", "--kind", "suppression.added"]);
    assert!(listed.starts_with(&by_address), "{by_address}");
    let by_domain = list(&["--domain", "b.example", "--kind", "suppression.*"]);
    assert_eq!(by_domain, listed);
    assert_eq!(list(&["--domain", "a.example"]), "");
    let later = ["events", "list", "--kind", "contact.updated"];
    let error = told.place.fails(&later);
    assert!(error.contains("no events of kind"), "{error}");
}

#[test]
fn made_up_events_are_shown_before_there_are_any() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    let preview = ["destination", "preview", "--sample"];
    let with = |more: &[&'static str]| [&preview, more].concat();
    let document = place.json(&with(&["clicked", "--format", "splashify"]));
    assert_eq!(document["eventType"], "Click");
    assert_eq!(document["click"]["ipAddress"], "203.0.113.42");
    let all = place.ok(&with(&["email.*", "--json"]));
    assert!(all.lines().count() > 10, "{all}");
    let none = place.fails(&with(&["held", "--format", "splashify"]));
    assert!(
        none.contains("splashify has no word for \"held\""),
        "{none}"
    );
}
