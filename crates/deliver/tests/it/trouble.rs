//! Hosts that hold on, a store that does not take outcomes, a fault of our own.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{Clock, Fact};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{Action, Script, Stage};

use crate::queue::Trouble;
use crate::world::{Setup, World, mail_from};

#[tokio::test]
async fn hosts_that_hang_hold_up_only_their_own() {
    let world = World::with(Setup {
        change: |options| {
            options.max_connections = 8;
            options.grace = Duration::ZERO;
        },
        ..Setup::default()
    })
    .await;
    let hanging = Ipv4Addr::new(127, 0, 0, 5);
    let tarpit = world.start_mx_at(hanging).await;
    tarpit.script_always(Script::new().then(Stage::Greeting, Action::Stall));
    let first = world.accept("bob@example.com");
    world.outcome(first).await;
    for n in 0..30 {
        let domain = format!("hang{n}.example");
        world.route(&domain, &[hanging]);
        world.accept(&format!("bob@{domain}"));
        world.accept(&format!("eve@{domain}"));
    }
    while tarpit.counts().connections < 6 {
        tokio::task::yield_now().await;
    }
    let live: Vec<_> = (0..200).map(|_| world.accept("bob@example.com")).collect();
    for delivery in live {
        assert!(matches!(
            world.outcome(delivery).await,
            Fact::Delivery { .. }
        ));
    }
    assert_eq!(
        tarpit.counts().most_open,
        6,
        "the others are kept for hosts that work"
    );
    world.end().await;
}

#[tokio::test]
async fn lanes_of_a_dead_site_do_not_stand_before_others() {
    let world = World::with(Setup {
        change: |options| {
            options.claim_batch = 1;
            options.max_plans = 1_000;
        },
        ..Setup::default()
    })
    .await;
    let dead = Ipv4Addr::new(127, 0, 0, 3);
    world.route("dead.example", &[dead]);
    let silently = |recipient: &str| {
        let claimed = world.claimed(recipient, mail_from(), Bytes::from_static(b"A: b\r\n\r\n"));
        let id = claimed.delivery.id;
        world.queue.accept_silently(claimed, world.clock.now());
        id
    };
    let first = world.accept("bob@dead.example");
    world.outcome(first).await;
    for n in 0..400 {
        let domain = format!("d{n}.example");
        world
            .dns
            .table()
            .set(&domain, Entry::mx([(10, "mx0.dead.example")]));
        for _ in 0..3 {
            silently(&format!("bob@{domain}"));
        }
    }
    let live = silently("bob@live.example");
    assert!(matches!(world.outcome(live).await, Fact::Delivery { .. }));
    assert_eq!(world.queue.facts(first).len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_panic_ends_the_attempt_of_one_delivery() {
    let world = World::new().await;
    let before = world.accept("bob@example.com");
    world.outcome(before).await;
    world.queue.make_trouble(Trouble::Panic);
    let delivery = world.accept("bob@example.com");
    let Fact::DeliveryDelay { attempt, .. } = world.outcome(delivery).await else {
        panic!("not delayed");
    };
    let last = attempt.last().unwrap();
    assert_eq!((last.reply.code, last.from_peer), (451, false));
    let after = world.accept("bob@example.com");
    assert!(matches!(world.outcome(after).await, Fact::Delivery { .. }));
    world.end().await;
}

#[tokio::test]
async fn an_outcome_waits_for_a_busy_store() {
    let world = World::new().await;
    world.queue.make_trouble(Trouble::Busy);
    let delivery = world.accept("bob@example.com");
    world.queue.wait_until(|queue| !queue.has_trouble()).await;
    world.clock.turn(Duration::from_secs(1));
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    assert_eq!(world.mx.counts().messages, 1);
    world.end().await;
}

#[tokio::test]
async fn what_is_given_back_waits_for_a_full_store() {
    let world = World::new().await;
    let dead = Ipv4Addr::new(127, 0, 0, 3);
    world.route("dead.example", &[dead]);
    let first = world.accept("bob@dead.example");
    world.outcome(first).await;
    // The site is left alone now, so that the next delivery is given back.
    world.queue.make_trouble(Trouble::FullAtRelease);
    let second = world.accept("eve@dead.example");
    world.queue.wait_until(|queue| !queue.has_trouble()).await;
    assert_eq!(world.queue.in_flight(), 1);
    let host = world.start_mx_at(dead).await;
    while world.queue.in_flight() > 0 {
        world.clock.turn(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    world.clock.turn(Duration::from_secs(60));
    assert!(matches!(world.outcome(second).await, Fact::Delivery { .. }));
    assert_eq!(host.counts().messages, 1);
    world.end().await;
}

#[tokio::test]
async fn the_stage_ends_when_the_store_has_stopped() {
    let mut world = World::new().await;
    world.queue.make_trouble(Trouble::Stopped);
    world.accept("bob@example.com");
    world.stage_ended().await;
    assert_eq!(world.mx.counts().messages, 1);
}

#[tokio::test]
async fn the_stage_ends_when_outcomes_can_be_recorded_no_more() {
    let mut world = World::new().await;
    world.queue.make_trouble(Trouble::PanicAtSettle);
    world.accept("bob@example.com");
    world.stage_ended().await;
    assert_eq!(world.mx.counts().messages, 1);
}
