//! Mail that came in and goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::arc::Chain;
use postbell_mail::header::Header;
use postbell_model::{
    Address, ArcResult, Authentication, BounceClass, DeliveryId, DeliveryState, Domain, Fact,
    Forward, ForwardWay, InboundId, Message, Phase, Reply, ReversePath, Verdict,
};
use postbell_peers::mx::{Received, Script, Stage};

use crate::world::{Setup, World, signing};

const LIMIT: Duration = Duration::from_secs(10);
const VIA: &str = "support@sender.example";
const BODY: &[u8] = b"Received: from far.example by us.example with ESMTPS id 1; now\r\n\
    Authentication-Results: us.example; spf=pass\r\n\
    From: <joe@far.example>\r\nSubject: hello\r\nX-Postbell-Stream: theirs\r\n\r\nHello.\r\n";

fn via() -> Address {
    VIA.parse().unwrap()
}

/// A message that came to [`VIA`] and goes this way.
fn send_on(world: &World, to: &str, way: ForwardWay) -> DeliveryId {
    let from = ReversePath::Mailbox(via());
    send_this_on(world, to, way, (from, Authentication::default()))
}

fn send_this_on(
    world: &World,
    to: &str,
    way: ForwardWay,
    (from, authentication): (ReversePath, Authentication),
) -> DeliveryId {
    let mut claimed = world.claimed(to, from, Bytes::from_static(BODY));
    let message = Message::clone(&claimed.message);
    claimed.message = Arc::new(Message {
        source: "joe@far.example".to_owned(),
        forward: Some(Box::new(Forward {
            of: InboundId::from_bytes([7; 16]),
            via: via(),
            way,
            authentication,
        })),
        ..message
    });
    world.accept_this(claimed)
}

fn host(world: &World) -> ForwardWay {
    ForwardWay::Host {
        host: Domain::parse("[127.0.0.1]").unwrap(),
        port: world.mx.addr().port(),
    }
}

async fn received(world: &World) -> Arc<Received> {
    world.mx.wait_for_message(LIMIT, |_| true).await.unwrap()
}

fn text(received: &Received) -> String {
    String::from_utf8(received.body.to_vec()).unwrap()
}

#[tokio::test]
async fn mail_goes_on_to_an_address_as_it_came() {
    let world = World::new().await;
    let delivery = send_on(&world, "bob@example.com", ForwardWay::Exchangers);
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    let received = received(&world).await;
    let (local_part, domain) = received.from.split_once('@').unwrap();
    assert!(local_part.starts_with("bounce+"), "{local_part}");
    assert_eq!(domain, "rp.sender.example");
    let text = text(&received);
    let (ours, theirs) = text.split_at(text.len() - BODY.len());
    assert_eq!(theirs.as_bytes(), BODY);
    assert!(ours.contains(&format!("Postbell-Forwarded: {VIA}\r\n")));
    for name in ["Feedback-ID", "Date:", "Message-ID:", "Reply-To", "DKIM"] {
        assert!(!ours.contains(name), "{ours}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_came_from_nobody_goes_on_from_nobody() {
    let world = World::new().await;
    let from_nobody = (ReversePath::Null, Authentication::default());
    let delivery = send_this_on(
        &world,
        "bob@example.com",
        ForwardWay::Exchangers,
        from_nobody,
    );
    world.outcome(delivery).await;
    assert_eq!(received(&world).await.from, "");
    world.end().await;
}

#[tokio::test]
async fn mail_goes_on_to_a_server_whatever_the_dns_says() {
    let world = World::new().await;
    // Nobody asks for its MX: it would be ourselves, or nobody.
    let delivery = send_on(&world, VIA, host(&world));
    let Fact::Delivery { attempt } = world.outcome(delivery).await else {
        panic!("not delivered");
    };
    let last = attempt.last().unwrap();
    assert_eq!(last.host.as_str(), "[127.0.0.1]");
    assert_eq!(received(&world).await.recipients, [VIA]);
    world.end().await;
}

#[tokio::test]
async fn a_server_that_refuses_for_now_is_asked_again() {
    let world = World::new().await;
    let script = Script::new().reply(Stage::Rcpt, "451 4.7.1 Not now");
    world.mx.script_address(VIA, script);
    let delivery = send_on(&world, VIA, host(&world));
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::DeliveryDelay { .. }), "{fact:?}");
    world.clock.turn(Duration::from_secs(331));
    let facts = world.queue.wait_for_facts(delivery, 2).await;
    assert!(matches!(facts[1], Fact::Delivery { .. }), "{:?}", facts[1]);
    world.end().await;
}

#[tokio::test]
async fn a_server_that_refuses_for_good_ends_the_delivery_and_nobody_is_told() {
    let world = World::new().await;
    let script = Script::new().reply(Stage::Rcpt, "550 5.1.1 Nobody here");
    world.mx.script_address(VIA, script);
    let delivery = send_on(&world, VIA, host(&world));
    let Fact::Bounce { class, attempt, .. } = world.outcome(delivery).await else {
        panic!("not bounced");
    };
    assert_eq!(class, BounceClass::NoSuchUser);
    assert_eq!(attempt.last().unwrap().reply.code, 550);
    assert_eq!(world.queue.state(delivery), DeliveryState::Bounced);
    world.end().await;
}

#[tokio::test]
async fn what_goes_nowhere_fails_at_once_and_nobody_is_dialled() {
    let world = World::new().await;
    let reply = Reply::new(554, 4, 6, "Mail loop");
    let delivery = send_on(
        &world,
        "bob@example.com",
        ForwardWay::Nowhere(reply.clone()),
    );
    let Fact::Bounce { class, attempt, .. } = world.outcome(delivery).await else {
        panic!("not bounced");
    };
    assert_eq!(class, BounceClass::RelayDenied);
    assert_eq!(attempt.last().unwrap().reply, reply);
    assert_eq!(world.mx.counts().connections, 0);
    world.end().await;
}

#[tokio::test]
async fn a_dead_server_holds_back_what_goes_there_alone() {
    let world = World::new().await;
    let dead = ForwardWay::Host {
        // Nobody listens on this address of the machine.
        host: Domain::parse("[127.0.0.77]").unwrap(),
        port: world.mx.addr().port(),
    };
    let delivery = send_on(&world, VIA, dead);
    let Fact::DeliveryDelay { attempt, .. } = world.outcome(delivery).await else {
        panic!("not delayed");
    };
    assert_eq!(attempt.last().unwrap().phase, Phase::Connect);
    // To the same address by another way.
    let other = send_on(&world, VIA, host(&world));
    let fact = world.outcome(other).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    world.end().await;
}

/// A world whose domain has a key of each algorithm.
async fn signing_world() -> World {
    let (signing, keys, _) = signing();
    World::with(Setup {
        signing: Some((signing, keys)),
        ..Setup::default()
    })
    .await
}

async fn sealed(verdict: Verdict, sets: u8) -> String {
    let world = signing_world().await;
    let found = Authentication {
        arc: ArcResult {
            verdict,
            sets,
            sealer: None,
        },
        ..Authentication::default()
    };
    let from = ReversePath::Mailbox(via());
    let delivery = send_this_on(
        &world,
        "bob@example.com",
        ForwardWay::Exchangers,
        (from, found),
    );
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    let text = text(&*received(&world).await);
    world.end().await;
    text
}

// RFC 8617 §5.1
#[tokio::test]
async fn mail_goes_on_sealed_and_not_signed() {
    let text = sealed(Verdict::None, 0).await;
    assert!(text.starts_with("ARC-Seal: i=1; a=rsa-sha256; cv=none;"));
    assert!(!text.contains("DKIM-Signature"), "{text}");
    let header = Header::find(text.as_bytes()).unwrap();
    let chain = Chain::find(header).unwrap().unwrap();
    assert_eq!(chain.sets.len(), 1);
    let signature = chain.newest().signature.text();
    assert!(signature.contains("d=sender.example; s=rsa"), "{signature}");
}

#[tokio::test]
async fn mail_with_a_broken_chain_goes_on_without_our_seal() {
    let text = sealed(Verdict::Fail, 0).await;
    assert!(text.starts_with("Received: "), "{text}");
    assert!(!text.contains("ARC-"), "{text}");
}
