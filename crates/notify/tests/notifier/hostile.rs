//! Endpoints that would cost more than they are worth, and a sender that dies.

use std::collections::HashMap;
use std::time::Duration;

use postbell_store::CallAnswer;

use crate::endpoint::{Answer, Endpoint, OK};
use crate::world::{World, sent};

#[tokio::test]
async fn of_a_gigabyte_that_is_answered_little_is_read_and_less_is_kept() {
    let endpoint = Endpoint::start(|_| Answer::Flood).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    world.store.look(|state| {
        let [(_, call)] = &state.calls[..] else {
            panic!("one call: {:?}", state.calls);
        };
        let CallAnswer::Status { status, body } = &call.answer else {
            panic!("no answer: {call:?}");
        };
        assert_eq!((*status, body.len()), (200, 1_024));
    });
    // 64 KiB were read; the rest of it lay in the buffers of the connection, which was closed.
    assert!(endpoint.flooded() < 32 << 20, "{}", endpoint.flooded());
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up_in_time() {
    let endpoint = Endpoint::start(|_| Answer::Drip).await;
    let mut world = World::new().with(|options| options.timeout = Duration::from_millis(300));
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    let error = world.store.look(|state| {
        let retry = state.retries.values().next().unwrap();
        retry.last_error.clone()
    });
    assert_eq!(error, "no answer within 0.3 s");
}

#[tokio::test]
async fn an_endpoint_without_tls_is_never_told_in_plaintext() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new().with(|options| options.timeout = Duration::from_millis(300));
    let destination = world.destination(1, &endpoint, |destination| {
        destination.url = destination.url.replace("http:", "https:");
    });
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    assert_eq!(world.store.look(|state| state.retries.len()), 1);
    assert_eq!(endpoint.calls().len(), 0);
}

/// W2 of the catalogue of faults: a dead endpoint with a large backlog, and one that is well.
#[tokio::test]
async fn a_dead_endpoint_with_a_large_backlog_delays_no_other_and_fills_no_memory() {
    const BACKLOG: u64 = 100_000;
    let (dead, well) = (
        Endpoint::start(|_| Answer::Silence).await,
        Endpoint::start(|_| OK).await,
    );
    let mut world = World::new();
    let behind = world.destination(1, &dead, |_| {});
    let other = world.destination(2, &well, |_| {});
    let event = sent(1);
    world.store.log((0..BACKLOG).map(|_| event.clone()));
    world.store.change(|state| {
        state
            .cursors
            .insert(other, postbell_store::Position(BACKLOG));
    });
    world.start();
    world.store.log((0..200).map(|_| sent(2)));
    // The clock was not turned: no call waited for a deadline of the other destination.
    world.until_cursor(other, BACKLOG + 200).await;
    assert_eq!(well.calls().len(), 200);
    assert_eq!(world.cursor(behind), 0);
    let held = world.store.look(|state| state.furthest);
    // The window has room for 128 events, and a page has 64.
    assert!(held <= 128 + 64, "{held} events in memory");
    assert!(dead.calls().len() <= 4);
}

/// W4: what was answered with 200 and not yet written down is told again, once, under its id.
#[tokio::test]
async fn a_sender_that_is_killed_repeats_no_more_than_it_had_in_hand() {
    const EVENTS: usize = 1_000;
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.store.log((0..EVENTS).map(|_| sent(1)));
    let mut kills = 0;
    for received in [50, 333, 700] {
        let runtime = world.start_mortal();
        endpoint.received(received).await;
        runtime.shutdown_background();
        kills += 1;
    }
    world.start();
    world.until_cursor(destination, EVENTS as u64).await;

    let mut told: HashMap<String, usize> = HashMap::new();
    for call in endpoint.calls() {
        *told.entry(call.id().to_owned()).or_default() += 1;
    }
    assert_eq!(told.len(), EVENTS, "an event was lost");
    let repeated: usize = told.values().map(|times| times - 1).sum();
    // At each kill: what the window held.
    assert!(repeated <= kills * 128, "{repeated} repetitions");
    world.stop().await;
}
