//! Destinations that come, change, go and break; and the program's end.

use std::time::Duration;

use postbell_model::{Audience, ConfigurationSetId, DestinationState};

use crate::endpoint::{Answer, Endpoint, OK};
use crate::world::{World, sent};

#[tokio::test]
async fn one_that_is_gone_is_switched_off_and_can_be_switched_on_again() {
    let endpoint = Endpoint::start(|_| Answer::Status(410, "")).await;
    let mut world = World::new().with(|options| options.in_flight = 1);
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..10).map(|_| sent(1)));
    world
        .until(|state| state.destinations[0].state == DestinationState::Disabled)
        .await;
    assert_eq!((endpoint.calls().len(), world.cursor(destination)), (1, 0));

    endpoint.answer(|_| OK);
    world
        .store
        .set_up(|destinations| destinations[0].state = DestinationState::Active);
    world.until_cursor(destination, 10).await;
    assert_eq!(endpoint.calls().len(), 11);
}

#[tokio::test]
async fn a_change_of_settings_holds_from_the_next_call() {
    let (old, new) = (Endpoint::start(|_| OK).await, Endpoint::start(|_| OK).await);
    let mut world = World::new();
    let destination = world.destination(1, &old, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(destination, 1).await;
    world
        .store
        .set_up(|destinations| destinations[0].url = new.url());
    world.store.log([sent(1), sent(1)]);
    world.until_cursor(destination, 3).await;
    let told = old.calls().len() + new.calls().len();
    assert_eq!(told, 3);
    world.store.set_up(Vec::clear);
    world.stop().await;
}

#[tokio::test]
async fn one_that_can_not_be_called_does_not_hold_up_others() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    world.destination(1, &endpoint, |bad| bad.format = "soap".to_owned());
    world.destination(1, &endpoint, |bad| bad.url = "nowhere".to_owned());
    let good = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    world.until_cursor(good, 1).await;
    // And it works as soon as it is mended.
    world
        .store
        .set_up(|destinations| destinations[0].format = "splashify".to_owned());
    endpoint.received(2).await;
}

#[tokio::test]
async fn a_panic_ends_one_loop_which_begins_anew() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let unlucky = world.destination(1, &endpoint, |_| {});
    let lucky = world.destination(2, &endpoint, |_| {});
    world
        .store
        .change(|state| state.panics.insert(Audience::Set(ConfigurationSetId(1)), 2));
    world.start();
    world.store.log([sent(1), sent(2)]);
    world.until_cursor(lucky, 2).await;
    assert_eq!(world.cursor(unlucky), 0);
    assert_eq!(world.turn_to_next().await, Duration::from_secs(1));
    assert_eq!(world.turn_to_next().await, Duration::from_secs(2));
    world.until_cursor(unlucky, 2).await;
}

#[tokio::test]
async fn at_the_end_what_is_under_way_ends_and_nothing_is_told_twice() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..1_000).map(|_| sent(1)));
    endpoint.received(100).await;
    world.stop().await;
    let told = endpoint.calls().len();
    // Events at the end of what was told may be ahead of one that was not.
    assert_eq!(world.cursor(destination), told as u64);

    world.start();
    world.until_cursor(destination, 1_000).await;
    assert_eq!(endpoint.calls().len(), 1_000);
    world.stop().await;
}

#[tokio::test]
async fn at_the_end_a_call_that_does_not_end_is_given_up_and_made_again_later() {
    let endpoint = Endpoint::start(|_| Answer::Silence).await;
    let mut world = World::new().with(|options| options.grace = Duration::from_millis(100));
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log([sent(1)]);
    endpoint.received(1).await;
    world.stop().await;
    assert_eq!(world.cursor(destination), 0);
    endpoint.answer(|_| OK);
    world.start();
    world.until_cursor(destination, 1).await;
    let calls = endpoint.calls();
    assert_eq!(calls[0].id(), calls[1].id());
}
