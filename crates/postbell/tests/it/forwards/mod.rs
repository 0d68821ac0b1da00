//! Mail that came in and goes on, from the store's list to the far server.

mod crash;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::dkim::key::NewKey;
use postbell_mail::dkim::record;
use postbell_model::{
    Address, Audience, Authentication, Clock, ConfigurationSetId, Domain, DomainKey, EventKind,
    Fact, ForwardTo, InboundId, InboundKind, InboundMail, KeyAlgorithm, KeyState, ReversePath,
    Secret, Verdict, WorkspaceId,
};
use postbell_net::{DnsOptions, Resolver};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{Received, Script, Stage};
use postbell_receive::{Origin, SenderOptions, SenderVerifier};
use postbell_store::{
    Logged, LoggedEvent, NewForward, NewInbound, Position, Reception, SealingKey,
};

use crate::reports::world::{LIMIT, SENDER, World, text};

const OWN: ConfigurationSetId = ConfigurationSetId::OWN;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A message as it is kept once it came in.
fn body() -> Bytes {
    Bytes::from(format!(
        "Received: from far.test ([192.0.2.1])\r\n\tby postbell.test (Postbell) with ESMTPS id 1;\r\n\
         \tSun, 03 May 2026 12:34:57 +0000\r\nFrom: <joe@far.test>\r\nTo: <{SENDER}>\r\n\
         Subject: A question\r\nDate: Sun, 03 May 2026 12:34:57 +0000\r\n\
         Message-ID: <1@far.test>\r\n\r\nWhen?\r\n"
    ))
}

/// A message to this address that is to go on.
fn reception(workspace: WorkspaceId, clock: &dyn Clock, to: ForwardTo, body: Bytes) -> Reception {
    let now = clock.now();
    Reception {
        mails: vec![NewInbound {
            mail: InboundMail {
                id: InboundId::new(now),
                workspace: Some(workspace),
                delivery: None,
                kind: InboundKind::Mail,
                at: now,
                peer: [192, 0, 2, 1].into(),
                mail_from: ReversePath::Mailbox(address("joe@far.test")),
                recipient: address(SENDER),
                from: "joe@far.test".to_owned(),
                subject: "A question".to_owned(),
                header_message_id: Some("1@far.test".to_owned()),
                size: body.len() as u64,
            },
            facts: Vec::new(),
            forward: Some(NewForward {
                to,
                authentication: Authentication::default(),
            }),
        }],
        body,
    }
}

async fn come_in(world: &World, to: ForwardTo, body: Bytes) -> InboundId {
    let reception = reception(world.workspace, &*world.clock, to, body);
    let id = reception.mails[0].mail.id;
    let taken = world.store().receive(vec![reception]).await.remove(0);
    taken.unwrap();
    id
}

async fn arrived(world: &World, to: &str) -> Arc<Received> {
    let is_it = |m: &Received| m.recipients == [to];
    world.mx.wait_for_message(LIMIT, is_it).await.unwrap()
}

/// The events of the set that are about a forward of this message.
async fn told(world: &World, of: InboundId) -> Vec<LoggedEvent> {
    let audience = Audience::Set(world.set);
    let page = world
        .store()
        .events_after(audience, Position(0), 1_000)
        .await;
    let about = page.unwrap().events.into_iter().filter_map(|logged| {
        let Logged::Delivery(logged) = logged else {
            return None;
        };
        let forward = logged.message.forward.as_ref()?;
        (forward.of == of).then_some(logged)
    });
    about.collect()
}

#[tokio::test]
async fn mail_goes_on_and_its_owner_is_told() {
    let world = World::start(&[]).await;
    let to = ForwardTo::Address(address("bob@recipient.test"));
    let id = come_in(&world, to, body()).await;
    let received = arrived(&world, "bob@recipient.test").await;
    assert!(text(&received).ends_with(&*String::from_utf8_lossy(&body())));
    assert!(received.from.starts_with("bounce+"), "{}", received.from);
    world.events(world.set, EventKind::Delivery, 1).await;
    let kinds = world.kinds(world.set).await;
    assert_eq!(kinds, [EventKind::Send, EventKind::Delivery]);
    assert_eq!(told(&world, id).await.len(), 2);
    assert!(world.store().forwards_due(10).await.unwrap().is_empty());
    world.end().await;
}

#[tokio::test]
async fn mail_goes_on_to_a_server_that_is_named() {
    let world = World::start(&[]).await;
    let to = ForwardTo::Host {
        host: Domain::parse("[127.0.0.1]").unwrap(),
        port: world.mx.addr().port(),
    };
    come_in(&world, to, body()).await;
    arrived(&world, SENDER).await;
    world.events(world.set, EventKind::Delivery, 1).await;
    world.end().await;
}

#[tokio::test]
async fn a_refusal_is_an_event_and_nobody_gets_a_report() {
    let world = World::start(&[]).await;
    let to = ForwardTo::Address(address("bounce@recipient.test"));
    let id = come_in(&world, to, body()).await;
    world.events(world.set, EventKind::Bounce, 1).await;
    let events = told(&world, id).await;
    assert!(matches!(&events[1].event.fact, Fact::Bounce { .. }));
    assert!(world.store().reports_due(10).await.unwrap().is_empty());
    assert_eq!(world.reports(), 0);
    assert!(world.kinds(OWN).await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let world = World::start(&[]).await;
    let script = Script::new().reply(Stage::Rcpt, "451 4.7.1 Not now");
    world.mx.script_address("bob@recipient.test", script);
    let to = ForwardTo::Address(address("bob@recipient.test"));
    come_in(&world, to, body()).await;
    // The clock goes on, and so do the attempts.
    world.events(world.set, EventKind::Delivery, 1).await;
    let kinds = world.kinds(world.set).await;
    let wanted = [
        EventKind::Send,
        EventKind::DeliveryDelay,
        EventKind::Delivery,
    ];
    assert_eq!(kinds, wanted);
    world.end().await;
}

/// Two servers whose addresses forward to one another: what has come round once ends with one
/// event.
#[tokio::test]
async fn a_loop_between_two_servers_ends_with_one_event() {
    let (here, there) = (World::start(&[]).await, World::start(&[]).await);
    let to_there = || ForwardTo::Address(address("there@recipient.test"));
    let to_here = || ForwardTo::Address(address(SENDER));
    let mut hop = body();
    come_in(&here, to_there(), hop).await;
    hop = arrived(&here, "there@recipient.test").await.body.clone();

    // The far server's address is the same name here: what differs is whose mark it is.
    let mut far = reception(there.workspace, &*there.clock, to_here(), hop);
    far.mails[0].mail.recipient = address("there@recipient.test");
    there.store().receive(vec![far]).await.remove(0).unwrap();
    hop = arrived(&there, SENDER).await.body.clone();

    let id = come_in(&here, to_there(), hop).await;
    here.events(here.set, EventKind::Bounce, 1).await;
    let events = told(&here, id).await;
    let Fact::Bounce { attempt, .. } = &events[1].event.fact else {
        panic!("{events:?}");
    };
    let reply = attempt.last().unwrap().reply.to_string();
    assert!(reply.starts_with("554 5.4.6 Mail loop"), "{reply}");
    assert_eq!(here.mx.counts().messages, 1);
    let bounces = here.kinds(here.set).await;
    let bounces = bounces.iter().filter(|kind| **kind == EventKind::Bounce);
    assert_eq!(bounces.count(), 1);
    here.end().await;
    there.end().await;
}

/// Gives the domain a key and publishes it.
async fn add_key(world: &World) {
    let sealing = std::fs::read(world.folder.path().join("data/secret.key")).unwrap();
    let sealing = SealingKey::parse(&Secret::new(sealing)).unwrap();
    let pair = NewKey::generate(KeyAlgorithm::Rsa).unwrap();
    let mut key = DomainKey {
        domain: address(SENDER).domain().clone(),
        selector: "s1".to_owned(),
        algorithm: pair.algorithm,
        sealed: Vec::new(),
        public: pair.public,
        state: KeyState::Active,
        created_at: world.clock.now(),
        activated_at: Some(world.clock.now()),
        retired_at: None,
    };
    key.sealed = sealing.seal(&key.record_name(), &pair.secret).unwrap();
    let text = record::text(key.algorithm, &key.public);
    let published = Entry::txt([text.as_str()]);
    world.dns.table().set(&key.record_name(), published);
    world.store().add_domain_keys(vec![key]).await.unwrap();
}

// RFC 8617 §5.2
#[tokio::test]
async fn the_seal_of_what_goes_on_holds() {
    let world = World::start(&[]).await;
    add_key(&world).await;
    let to = ForwardTo::Address(address("bob@recipient.test"));
    come_in(&world, to, body()).await;
    let received = arrived(&world, "bob@recipient.test").await;
    let resolver = Resolver::new(&DnsOptions {
        servers: vec![world.dns.addr()],
        timeout: Duration::from_secs(2),
        attempts: 1,
    });
    let options = SenderOptions::default();
    let clock: Arc<dyn Clock> = world.clock.clone();
    let verifier = SenderVerifier::new(resolver.unwrap(), options, clock);
    let origin = Origin {
        ip: [127, 0, 0, 1].into(),
        helo: received.helo.clone(),
        mail_from: ReversePath::Mailbox(address(&received.from)),
    };
    let found = verifier.verify(&origin, &received.body).await;
    assert_eq!(found.arc.verdict, Verdict::Pass, "{found:?}");
    assert_eq!(found.arc.sets, 1);
    assert_eq!(found.arc.sealer.unwrap().as_str(), "sender.test");
    assert!(found.dkim.is_empty(), "not ours to sign");
    world.end().await;
}
