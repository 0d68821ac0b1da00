//! Endpoints that are down: their cursor stands, and they are asked whether they are back.

use std::collections::HashSet;
use std::time::Duration;

use crate::endpoint::{Answer, Endpoint, OK};
use crate::world::{World, sent};

const DOWN: Answer = Answer::Status(503, "");

/// Turns the clock until there is another call. Says how far, in seconds.
async fn probe(world: &World, endpoint: &Endpoint) -> u64 {
    let before = endpoint.calls().len();
    let mut turned = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            _ = endpoint.received(before + 1) => return turned.as_secs(),
            wait = world.turn_to_next() => turned += wait,
        }
    }
}

#[tokio::test]
async fn the_cursor_stands_and_nothing_fills_the_retry_table() {
    let endpoint = Endpoint::start(|_| DOWN).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..500).map(|_| sent(1)));
    endpoint.received(5).await;
    let pauses = [
        probe(&world, &endpoint).await,
        probe(&world, &endpoint).await,
    ];
    assert_eq!(pauses, [5, 10]);
    // Five in a row, those beside them, two probes.
    assert!(endpoint.calls().len() <= 5 + 4 + 2);
    assert_eq!(world.cursor(destination), 0);
    assert_eq!(world.store.look(|state| state.retries.len()), 0);

    endpoint.answer(|_| OK);
    assert_eq!(probe(&world, &endpoint).await, 20);
    world.until_cursor(destination, 500).await;
    let calls = endpoint.calls();
    let told: HashSet<_> = calls.iter().map(|call| call.id()).collect();
    assert_eq!(told.len(), 500);
    assert_eq!(world.store.look(|state| state.retries.len()), 0);
}

#[tokio::test]
async fn an_event_that_alone_fails_does_not_keep_a_destination_down() {
    let endpoint = Endpoint::start(|_| DOWN).await;
    let mut world = World::new().with(|options| options.in_flight = 1);
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..20).map(|_| sent(1)));
    let first = endpoint.received(5).await.remove(0).id().to_owned();
    for _ in 0..2 {
        probe(&world, &endpoint).await;
    }
    let bad = first.clone();
    endpoint.answer(move |call| if call.id() == bad { DOWN } else { OK });
    // The third probe with it, then one with the event behind it.
    for _ in 0..2 {
        probe(&world, &endpoint).await;
    }
    world.until_cursor(destination, 20).await;
    let probed: Vec<_> = endpoint.calls()[5..8]
        .iter()
        .map(|c| c.id().to_owned())
        .collect();
    assert_eq!(probed, [first.as_str(); 3]);
    assert_eq!(world.store.look(|state| state.retries.len()), 1);
}

#[tokio::test]
async fn retries_wait_while_a_destination_is_down() {
    let endpoint = Endpoint::start(|_| DOWN).await;
    let mut world = World::new().with(|options| options.down_after = 2);
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    // The second failure: this one stays with the cursor.
    world.store.log([sent(1)]);
    endpoint.received(2).await;
    for _ in 0..2 {
        probe(&world, &endpoint).await;
    }
    assert_eq!(world.cursor(destination), 1);
    let attempts = world.store.look(|state| {
        state
            .retries
            .values()
            .map(|r| r.attempts)
            .collect::<Vec<_>>()
    });
    assert_eq!(attempts, [1]);
    endpoint.answer(|_| OK);
    probe(&world, &endpoint).await;
    world.until_cursor(destination, 2).await;
    world.until(|state| state.retries.is_empty()).await;
}

#[tokio::test]
async fn one_that_is_down_does_not_hold_up_another() {
    let silent = Endpoint::start(|_| Answer::Silence).await;
    let well = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    world.destination(1, &silent, |_| {});
    let other = world.destination(1, &well, |_| {});
    world.start();
    world.store.log((0..400).map(|_| sent(1)));
    world.until_cursor(other, 400).await;
    assert_eq!(well.calls().len(), 400);
    assert!(silent.calls().len() <= 4);
}

#[tokio::test]
async fn one_that_is_down_for_days_is_switched_off() {
    let endpoint = Endpoint::start(|_| DOWN).await;
    let mut world = World::new().with(|options| options.disable_after = Duration::from_hours(1));
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..50).map(|_| sent(1)));
    endpoint.received(5).await;
    world.turn_to_next().await;
    endpoint.received(6).await;
    world.clock.turn(Duration::from_hours(1));
    world
        .until(|state| state.destinations[0].state == postbell_model::DestinationState::Disabled)
        .await;
    assert_eq!(world.cursor(destination), 0);
}
