//! Connections that serve more than one delivery.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{Clock, Fact};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{Action, MxOptions, Script, Stage};

use crate::world::{Setup, World, mail_from};

#[tokio::test]
async fn a_connection_is_used_again() {
    let world = World::new().await;
    for _ in 0..20 {
        let delivery = world.accept("bob@example.com");
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    assert_eq!(world.mx.counts().connections, 1);
    world.end().await;
}

#[tokio::test]
async fn many_deliveries_share_few_connections_and_few_commits() {
    let world = World::new().await;
    let deliveries: Vec<_> = (0..2_000)
        .map(|_| world.accept("bob@example.com"))
        .collect();
    world
        .mx
        .wait_for_messages(2_000, Duration::from_secs(20))
        .await
        .unwrap();
    for delivery in deliveries {
        world.outcome(delivery).await;
    }
    assert!(
        world.mx.counts().connections <= 5,
        "{:?}",
        world.mx.counts()
    );
    assert!(world.queue.batches() < 2_000);
    world.end().await;
}

#[tokio::test]
async fn domains_with_the_same_hosts_share_connections() {
    let world = World::new().await;
    world.route("shared.example", &[Ipv4Addr::LOCALHOST]);
    for domain in ["a.example", "b.example"] {
        let entry = Entry::mx([(10, "mx0.shared.example")]);
        world.dns.table().set(domain, entry);
    }
    for domain in ["a.example", "b.example", "a.example"] {
        let delivery = world.accept(&format!("bob@{domain}"));
        world.outcome(delivery).await;
    }
    assert_eq!(world.mx.counts().connections, 1);
    world.end().await;
}

#[tokio::test]
async fn a_connection_that_the_host_gave_up_costs_no_attempt() {
    for ending in [
        Action::Drop,
        Action::Reset,
        Action::ReplyAndClose("421 4.4.2 Enough for today".to_owned()),
    ] {
        let world = World::new().await;
        let script = Script::new().then(Stage::Mail, Action::Pass);
        world.mx.script_next(script.then(Stage::Mail, ending));
        for _ in 0..2 {
            let delivery = world.accept("bob@example.com");
            let fact = world.outcome(delivery).await;
            assert!(matches!(&fact, Fact::Delivery { attempt } if attempt.tries.len() == 1));
        }
        assert_eq!(world.mx.counts().connections, 2);
        world.end().await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let world = World::with(Setup {
        change: |options| options.keep_alive = Duration::ZERO,
        ..Setup::default()
    })
    .await;
    while world.mx.counts().connections < 3 {
        let delivery = world.accept("bob@example.com");
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    world.end().await;
}

#[tokio::test]
async fn a_connection_carries_no_more_than_its_share() {
    let world = World::with(Setup {
        change: |options| {
            options.max_messages_per_connection = 2;
            options.max_connections_per_site = 1;
        },
        ..Setup::default()
    })
    .await;
    let deliveries: Vec<_> = (0..10).map(|_| world.accept("bob@example.com")).collect();
    for delivery in deliveries {
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    assert_eq!(world.mx.counts().connections, 5);
    assert_eq!(world.mx.counts().most_open, 1);
    world.end().await;
}

#[tokio::test]
async fn a_host_that_limits_connections_is_not_hammered() {
    let mx = MxOptions {
        busy_above: 2,
        ..MxOptions::default()
    };
    let world = World::with(Setup {
        mx,
        ..Setup::default()
    })
    .await;
    let deliveries: Vec<_> = (0..500).map(|_| world.accept("bob@example.com")).collect();
    for delivery in deliveries {
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    assert!(world.mx.counts().refusals < 20, "{:?}", world.mx.counts());
    world.end().await;
}

#[tokio::test]
async fn what_was_not_offered_is_found_by_the_index() {
    let world = World::new().await;
    let body = Bytes::from_static(b"Subject: later\r\n\r\nHello.\r\n");
    let deliveries: Vec<_> = (0..300)
        .map(|_| {
            let claimed = world.claimed("bob@example.com", mail_from(), body.clone());
            let id = claimed.delivery.id;
            world.queue.accept_silently(claimed, world.clock.now());
            id
        })
        .collect();
    for delivery in deliveries {
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    world.end().await;
}
