//! Events that fail alone: they go to the retry table and hold up nothing.

use std::time::Duration;

use crate::clock::START;
use crate::endpoint::{Answer, Endpoint, OK};
use crate::world::{World, sent};

const REFUSAL: Answer = Answer::Status(400, "");

#[tokio::test]
async fn an_event_that_fails_is_retried_under_its_id_while_others_pass() {
    let poison = sent(1);
    let id = poison.event.id.to_string();
    let bad = id.clone();
    let endpoint = Endpoint::start(move |call| match call.id() == bad {
        true => Answer::Status(500, ""),
        false => OK,
    })
    .await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1), poison, sent(1), sent(1)]);
    world.until_cursor(destination, 4).await;
    let retry = world
        .store
        .look(|state| state.retries.values().next().cloned());
    let retry = retry.expect("one retry");
    assert_eq!((retry.position.0, retry.attempts), (2, 1));
    assert_eq!(retry.last_error, "500 Internal Server Error");

    endpoint.answer(|_| OK);
    let wait = world.turn_to_next().await;
    assert!((4_500..=5_500).contains(&wait.as_millis()), "{wait:?}");
    let again = endpoint.received(5).await.remove(4);
    assert_eq!(again.id(), id);
    assert_eq!(again.timestamp(), START.after(wait).as_seconds());
    world.until(|state| state.retries.is_empty()).await;
}

#[tokio::test]
async fn after_ten_calls_an_event_is_dead_and_kept() {
    let endpoint = Endpoint::start(|_| REFUSAL).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    let mut waits = Vec::new();
    for attempts in 2..=10 {
        waits.push(world.turn_to_next().await.as_secs_f64());
        world
            .until(|state| {
                let retried = state
                    .retries
                    .values()
                    .any(|retry| retry.attempts == attempts);
                retried || !state.dead.is_empty()
            })
            .await;
    }
    let schedule = [
        5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0,
    ];
    for (wait, wanted) in waits.iter().zip(schedule) {
        assert!((wait / wanted - 1.0).abs() < 0.11, "{waits:?}");
    }
    assert_eq!(endpoint.calls().len(), 10);
    world.store.look(|state| {
        assert_eq!((state.dead.len(), state.retries.len()), (1, 0));
        assert_eq!(state.dead[0].attempts, 10);
    });
}

#[tokio::test]
async fn retry_after_puts_a_retry_off() {
    let endpoint = Endpoint::start(|_| Answer::Status(429, "retry-after: 120\r\n")).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    assert_eq!(world.turn_to_next().await, Duration::from_secs(120));
}

#[tokio::test]
async fn redirects_and_silence_are_failures() {
    let elsewhere = Endpoint::start(|_| OK).await;
    let endpoint = Endpoint::start(|call| match call.json["sequence"].as_u64() {
        Some(1) => Answer::Status(307, "location: http://127.0.0.1:9/\r\n"),
        _ => Answer::Silence,
    })
    .await;
    let mut world = World::new().with(|options| options.timeout = Duration::from_millis(100));
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    let mut late = sent(1);
    late.event.sequence = 2;
    world.store.log([sent(1), late]);
    world.until_cursor(destination, 2).await;
    let errors: Vec<_> = world.store.look(|state| {
        state
            .retries
            .values()
            .map(|r| r.last_error.clone())
            .collect()
    });
    assert_eq!(errors, ["307 Temporary Redirect", "no answer within 0.1 s"]);
    assert_eq!(elsewhere.calls().len(), 0);
}

#[tokio::test]
async fn a_slow_call_holds_up_the_cursor_and_not_the_others() {
    let slow = sent(1);
    let id = slow.event.id.to_string();
    let endpoint = Endpoint::start(move |call| match call.id() == id {
        true => Answer::Silence,
        false => OK,
    })
    .await;
    let mut world = World::new().with(|options| options.timeout = Duration::from_secs(1));
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1), slow]);
    world.store.log((0..98).map(|_| sent(1)));
    endpoint.received(100).await;
    assert!(world.cursor(destination) <= 1);
    world.until_cursor(destination, 100).await;
    assert_eq!(world.store.look(|state| state.retries.len()), 1);
}

#[tokio::test]
async fn what_can_not_be_read_or_written_is_passed_over_or_written_later() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.store.change(|state| {
        state.corrupt.push(postbell_store::Position(2));
        state.busy = 1;
    });
    world.start();
    world.store.log([sent(1), sent(1), sent(1)]);
    endpoint.received(2).await;
    world.until(|state| state.busy == 0).await;
    world.turn_to_next().await;
    world.until_cursor(destination, 3).await;
    assert_eq!(endpoint.calls().len(), 2);
}
