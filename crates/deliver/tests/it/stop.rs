//! The end: what is under way ends, the rest is given back.

use std::time::Duration;

use postbell_model::Fact;
use postbell_peers::mx::{Action, Script, Stage};

use crate::world::{Setup, World};

#[tokio::test]
async fn a_transaction_under_way_ends_and_is_settled() {
    let world = World::new().await;
    let reply = Action::Drip {
        text: "250 2.0.0 Taken".to_owned(),
        gap: Duration::from_millis(20),
    };
    let script = Script::new().then(Stage::Message, reply);
    world.mx.script_address("bob@example.com", script);
    let delivery = world.accept("bob@example.com");
    let limit = Duration::from_secs(10);
    world.mx.wait_for_messages(1, limit).await.unwrap();
    assert!(
        world.queue.facts(delivery).is_empty(),
        "the reply is still on its way"
    );
    world.stop();
    assert!(matches!(
        world.outcome(delivery).await,
        Fact::Delivery { .. }
    ));
    world.end().await;
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_back_without_an_attempt() {
    let world = World::with(Setup {
        change: |options| {
            options.grace = Duration::from_millis(100);
            options.max_connections_per_site = 1;
        },
        ..Setup::default()
    })
    .await;
    world
        .mx
        .script_always(Script::new().then(Stage::Rcpt, Action::Stall));
    let deliveries: Vec<_> = (0..10).map(|_| world.accept("bob@example.com")).collect();
    wait_for_connection(&world).await;
    world.stop();
    world.queue.wait_until(|queue| queue.in_flight() == 0).await;
    for delivery in deliveries {
        assert!(world.queue.facts(delivery).is_empty());
    }
    world.end().await;
}

async fn wait_for_connection(world: &World) {
    while world.mx.counts().connections == 0 {
        tokio::task::yield_now().await;
    }
}
