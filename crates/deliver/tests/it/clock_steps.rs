//! The wall time is set while deliveries wait: none of them expires early, none is tried more often,
//! and new mail goes on.

use std::time::Duration;

use postbell_model::Fact;
use postbell_peers::mx::{Script, Stage};

use crate::world::World;

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;
/// The longest that a claimer sleeps; it then sees what the time is.
const LOOK: Duration = Duration::from_secs(60);

/// Deliveries that were put off once, for five minutes.
async fn delayed(world: &World) -> Vec<postbell_model::DeliveryId> {
    let mut deliveries = Vec::new();
    for number in 0..10 {
        let to = format!("bob{number}@example.com");
        let later = Script::new().reply(Stage::Rcpt, "451 4.7.1 Come again");
        world.mx.script_address(&to, later);
        let delivery = world.accept(&to);
        let fact = world.outcome(delivery).await;
        assert!(matches!(fact, Fact::DeliveryDelay { .. }), "{fact:?}");
        deliveries.push(delivery);
    }
    deliveries
}

async fn new_mail_goes_on(world: &World) {
    let delivery = world.accept("eve@example.com");
    let fact = world.outcome(delivery).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
}

#[tokio::test]
async fn set_ahead_what_waits_is_tried_once_and_does_not_expire() {
    for seconds in [HOUR, YEAR] {
        let world = World::new().await;
        let deliveries = delayed(&world).await;
        world.clock.set(seconds);
        new_mail_goes_on(&world).await;
        world.clock.turn(LOOK);
        for delivery in deliveries {
            let facts = world.queue.wait_for_facts(delivery, 2).await;
            assert_eq!(facts.len(), 2);
            assert!(matches!(facts[1], Fact::Delivery { .. }), "{facts:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn set_back_what_waits_keeps_waiting_and_comes() {
    let world = World::new().await;
    let deliveries = delayed(&world).await;
    world.clock.set(-HOUR);
    new_mail_goes_on(&world).await;
    world.clock.turn(LOOK);
    new_mail_goes_on(&world).await;
    assert!(
        deliveries
            .iter()
            .all(|one| world.queue.facts(*one).len() == 1)
    );
    world
        .clock
        .turn(Duration::from_secs(HOUR.unsigned_abs() + 400));
    for delivery in deliveries {
        let facts = world.queue.wait_for_facts(delivery, 2).await;
        assert!(matches!(facts[1], Fact::Delivery { .. }), "{facts:?}");
    }
    world.end().await;
}
