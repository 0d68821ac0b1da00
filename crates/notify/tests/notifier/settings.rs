//! What a destination may have otherwise: headers, calls at once, delays, whose events; and the
//! log of calls.

use std::collections::HashSet;

use postbell_model::{CustomHeader, Delays, DestinationState, DisableReason, Secret};
use postbell_store::{CallAnswer, Position, Retry};

use crate::clock::START;
use crate::endpoint::{Answer, Endpoint, OK};
use crate::world::{World, delayed, disabled, sent};

#[tokio::test]
async fn its_own_headers_go_with_every_call() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    world.destination(1, &endpoint, |destination| {
        destination.settings.headers = vec![CustomHeader {
            name: "authorization".to_owned(),
            value: Secret::new("Bearer 123"),
        }];
    });
    world.start();
    world.store.log([sent(1), sent(1)]);
    for call in endpoint.received(2).await {
        assert_eq!(call.headers["authorization"], "Bearer 123");
    }
}

#[tokio::test]
async fn it_says_how_many_calls_it_takes_at_once() {
    let endpoint = Endpoint::start(|_| Answer::Silence).await;
    let slow = Endpoint::start(|_| Answer::Silence).await;
    let mut world = World::new();
    world.destination(1, &endpoint, |one| one.settings.in_flight = Some(1));
    world.destination(1, &slow, |_| {});
    world.start();
    world.store.log((0..10).map(|_| sent(1)));
    // The other one has four calls under way, by the configuration.
    slow.received(4).await;
    endpoint.received(1).await;
    assert_eq!((endpoint.calls().len(), slow.calls().len()), (1, 4));
}

#[tokio::test]
async fn it_hears_of_the_first_delay_or_of_each() {
    let (first, each) = (Endpoint::start(|_| OK).await, Endpoint::start(|_| OK).await);
    let mut world = World::new();
    let quiet = world.destination(1, &first, |_| {});
    let curious = world.destination(1, &each, |d| d.settings.delays = Delays::Each);
    world.start();
    let send = sent(1);
    let delays: Vec<_> = (1..=3).map(|number| delayed(&send, number)).collect();
    world.store.log([send]);
    world.store.log(delays);
    world.until_cursor(quiet, 4).await;
    world.until_cursor(curious, 4).await;
    let told = |endpoint: &Endpoint| endpoint.calls().len();
    assert_eq!((told(&first), told(&each)), (2, 4));
}

#[tokio::test]
async fn one_of_the_whole_workspace_hears_of_every_set_and_of_other_destinations() {
    let (whole, set) = (Endpoint::start(|_| OK).await, Endpoint::start(|_| OK).await);
    let mut world = World::new();
    let all = world.destination(1, &whole, |d| d.configuration_set = None);
    let some = world.destination(1, &set, |_| {});
    world.start();
    world.store.log([sent(1), sent(2)]);
    world.store.log_any([disabled(some), disabled(all)]);
    world.store.log([sent(3)]);
    world.until_cursor(all, 5).await;
    world.until_cursor(some, 5).await;

    let calls = whole.calls();
    let sets: HashSet<_> = calls
        .iter()
        .map(|call| call.json["mail"]["configurationSet"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(sets, HashSet::from(["set-1", "set-2", "set-3", ""]));
    let about: Vec<_> = calls
        .iter()
        .filter(|call| call.headers["x-postbell-event"] == "DestinationDisabled")
        .collect();
    // Not of itself.
    assert_eq!(about.len(), 1);
    let told = &about[0].json["destinationDisabled"];
    assert_eq!(told["destinationId"], some.to_string());
    assert_eq!(told["reason"], "It answered 410 Gone");
    assert_eq!(set.calls().len(), 1);
}

#[tokio::test]
async fn one_that_is_gone_is_disabled_with_its_reason_and_its_last_call_is_shown() {
    let endpoint = Endpoint::start(|_| Answer::Text(410, "moved away")).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world
        .until(|state| state.destinations[0].state == DestinationState::Disabled)
        .await;
    world.until(|state| !state.calls.is_empty()).await;
    world.store.look(|state| {
        assert_eq!(state.disabled, [(destination, DisableReason::Gone)]);
        let CallAnswer::Status { status, body } = &state.calls[0].1.answer else {
            panic!("no answer");
        };
        assert_eq!((*status, &body[..]), (410, &b"moved away"[..]));
    });
}

#[tokio::test]
async fn of_calls_that_succeed_a_few_are_logged_and_of_those_that_fail_all() {
    let endpoint = Endpoint::start(|call| match call.json["sequence"].as_u64() {
        Some(1) => OK,
        _ => Answer::Text(400, "what is this?"),
    })
    .await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |d| d.settings.delays = Delays::Each);
    world.start();
    let send = sent(1);
    let delays: Vec<_> = (1..=3).map(|number| delayed(&send, number)).collect();
    world.store.log((0..400).map(|_| sent(1)));
    world.store.log(delays);
    world.until_cursor(destination, 403).await;
    world.store.look(|state| {
        let (failed, well): (Vec<_>, Vec<_>) = state
            .calls
            .iter()
            .map(|(_, call)| call)
            .partition(|call| !call.answer.is_success());
        assert_eq!(failed.len(), 3);
        assert!(
            failed
                .iter()
                .all(|call| call.next_at.is_some() && call.attempt == 1)
        );
        assert!(
            !well.is_empty() && well.len() <= 3 * state.advances,
            "{}",
            well.len()
        );
    });
}

#[tokio::test]
async fn calls_to_one_that_is_down_are_shown_while_its_cursor_stands() {
    let endpoint = Endpoint::start(|_| Answer::Status(503, "")).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..50).map(|_| sent(1)));
    world.until(|state| state.calls.len() >= 5).await;
    let before = world.store.look(|state| state.calls.len());
    world.turn_to_next().await;
    world.until(|state| state.calls.len() > before).await;
    assert_eq!(world.cursor(destination), 0);
    let next = world.store.look(|state| state.calls[before].1.next_at);
    assert_eq!(next, Some(START.after(std::time::Duration::from_secs(15))));
}

#[tokio::test]
async fn what_an_operator_replays_is_found_and_told_under_its_id() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    let event = sent(1);
    let id = event.event.id.to_string();
    world.store.log([event]);
    world.until_cursor(destination, 1).await;
    world.store.change(|state| {
        let replayed = Retry {
            position: Position(1),
            document: 0,
            attempts: 0,
            next_at: START,
            last_error: "replayed by an operator".to_owned(),
        };
        state
            .retries
            .insert((destination, Position(1), 0), replayed);
    });
    world
        .store
        .set_up(|destinations| destinations[0].replays += 1);
    let calls = endpoint.received(2).await;
    assert_eq!((calls[0].id(), calls[1].id()), (id.as_str(), id.as_str()));
    world.until(|state| state.retries.is_empty()).await;
}
