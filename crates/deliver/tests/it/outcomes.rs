//! What hosts say, and what becomes of the delivery.

use std::time::Duration;

use bytes::Bytes;
use postbell_model::token::Purpose;
use postbell_model::{
    BounceClass, BounceType, DeliveryState, Fact, Phase, ReversePath, Secret, TokenKeys,
};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{MxOptions, Script, Stage};

use crate::queue::{KEY, WORKSPACE};
use crate::world::{Setup, World, mail_from};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_message_is_delivered_with_its_own_return_path() {
    let world = World::new().await;
    let delivery = world.accept("bob@example.com");
    let Fact::Delivery { attempt } = world.outcome(delivery).await else {
        panic!("not delivered");
    };
    assert_eq!((attempt.number, attempt.tries.len()), (1, 1));
    let last = attempt.last().unwrap();
    assert_eq!(last.host.as_str(), "mx.example.com");
    assert_eq!(last.ip, Some(world.mx.addr().ip()));
    assert_eq!(
        (last.phase, last.reply.code, last.from_peer),
        (Phase::Message, 250, true)
    );

    let received = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    assert_eq!(received.recipients, ["bob@example.com"]);
    assert_eq!(received.helo, "us.example");
    let keys = TokenKeys::new([(0, &Secret::new(KEY))]).unwrap();
    let (local_part, host) = received.from.split_once('@').unwrap();
    assert_eq!(host, "rp.sender.example");
    let token = local_part.strip_prefix("bounce+").unwrap();
    let claim = keys.verify(Purpose::Bounce, token).unwrap();
    assert_eq!((claim.workspace, claim.delivery), (WORKSPACE, delivery));
    let body = String::from_utf8(received.body.to_vec()).unwrap();
    assert!(
        body.contains("\r\n\r\nHello.\r\n.A line that begins with a dot.\r\n"),
        "{body}"
    );
    assert!(body.contains("X-Postbell-Delivery: "), "{body}");
    world.end().await;
}

#[tokio::test]
async fn a_null_path_stays_null() {
    let world = World::new().await;
    let body = Bytes::from_static(b"Subject: report\r\n\r\nIt bounced.\r\n");
    let claimed = world.claimed("bob@example.com", ReversePath::Null, body);
    let delivery = world.accept_this(claimed);
    world.outcome(delivery).await;
    let received = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    assert_eq!(received.from, "");
    world.end().await;
}

#[tokio::test]
async fn an_unknown_recipient_bounces() {
    let world = World::new().await;
    let delivery = world.accept("bounce@example.com");
    let Fact::Bounce {
        attempt,
        bounce_type,
        class,
    } = world.outcome(delivery).await
    else {
        panic!("not bounced");
    };
    assert_eq!(class, BounceClass::NoSuchUser);
    assert_eq!(bounce_type, BounceType::Permanent);
    let last = attempt.last().unwrap();
    assert_eq!((last.phase, last.reply.code), (Phase::Rcpt, 550));
    assert_eq!(world.queue.state(delivery), DeliveryState::Bounced);
    world.end().await;
}

#[tokio::test]
async fn a_deferred_delivery_is_tried_again_when_it_is_time() {
    let world = World::new().await;
    let delivery = world.accept("delay@example.com");
    let Fact::DeliveryDelay {
        attempt,
        next_attempt_at,
        ..
    } = world.outcome(delivery).await
    else {
        panic!("not delayed");
    };
    assert_eq!(attempt.last().unwrap().reply.code, 451);
    let wait = next_attempt_at.since(attempt.ended_at);
    assert!((270..=330).contains(&wait.as_secs()), "{wait:?}");
    world.clock.turn(Duration::from_secs(331));
    let facts = world.queue.wait_for_facts(delivery, 2).await;
    let Fact::Delivery { attempt } = &facts[1] else {
        panic!("not delivered: {facts:?}");
    };
    assert_eq!(attempt.number, 2);
    world.end().await;
}

#[tokio::test]
async fn the_configuration_set_says_how_often() {
    let world = World::with(Setup {
        max_retries: Some(1),
        ..Setup::default()
    })
    .await;
    let script = Script::new()
        .reply(Stage::Rcpt, "451 4.7.1 Not now")
        .reply(Stage::Rcpt, "451 4.7.1 Not yet");
    world.mx.script_address("bob@example.com", script);
    let delivery = world.accept("bob@example.com");
    world.outcome(delivery).await;
    world.clock.turn(Duration::from_secs(331));
    let facts = world.queue.wait_for_facts(delivery, 2).await;
    assert!(matches!(
        &facts[1],
        Fact::Bounce { class: BounceClass::Expired, bounce_type: BounceType::Transient, attempt }
            if attempt.number == 2
    ));
    assert_eq!(world.queue.state(delivery), DeliveryState::Expired);
    world.end().await;
}

#[tokio::test]
async fn a_null_mx_bounces_at_once() {
    let world = World::new().await;
    world.dns.table().set("example.com", Entry::null_mx());
    let delivery = world.accept("bob@example.com");
    let Fact::Bounce { attempt, class, .. } = world.outcome(delivery).await else {
        panic!("not bounced");
    };
    assert_eq!(class, BounceClass::NoSuchDomain);
    let last = attempt.last().unwrap();
    assert_eq!((last.phase, last.reply.code), (Phase::Dns, 556));
    assert_eq!(world.mx.counts().connections, 0);
    world.end().await;
}

#[tokio::test]
async fn a_message_that_the_host_cannot_take_is_not_sent() {
    let mx = MxOptions {
        extensions: vec!["PIPELINING".to_owned(), "SIZE 100000".to_owned()],
        ..MxOptions::default()
    };
    let world = World::with(Setup {
        mx,
        ..Setup::default()
    })
    .await;
    let mut body = b"Subject: large\r\n\r\n".to_vec();
    body.resize(200_000, b'x');
    let claimed = world.claimed("bob@example.com", mail_from(), body.into());
    let delivery = world.accept_this(claimed);
    let Fact::Bounce { attempt, class, .. } = world.outcome(delivery).await else {
        panic!("not bounced");
    };
    assert_eq!(class, BounceClass::MessageTooLarge);
    assert_eq!(attempt.last().unwrap().phase, Phase::Render);
    let small = world.accept("bob@example.com");
    assert!(matches!(world.outcome(small).await, Fact::Delivery { .. }));
    assert_eq!(
        world.mx.counts().connections,
        1,
        "the connection is still of use"
    );
    world.end().await;
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let world = World::new().await;
    let line = b"A line of a long message, repeated until it is long indeed.\r\n..\r\n";
    let mut body = b"Subject: long\r\n\r\n".to_vec();
    while body.len() < 3 << 20 {
        body.extend_from_slice(line);
    }
    let claimed = world.claimed("bob@example.com", mail_from(), body.clone().into());
    let delivery = world.accept_this(claimed);
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    let received = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    assert!(received.body.ends_with(&body[b"Subject: long\r\n".len()..]));
    world.end().await;
}
