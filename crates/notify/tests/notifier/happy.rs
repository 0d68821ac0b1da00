//! While all goes well.

use std::collections::{HashMap, HashSet};

use postbell_model::Secret;
use postbell_notify::signature::sign;

use crate::clock::START;
use crate::endpoint::{Endpoint, OK};
use crate::world::{SECRET, World, bounced, delivered, sent};

#[tokio::test]
async fn each_event_is_told_once_in_the_order_of_its_delivery() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..300).flat_map(|_| delivered(1)));
    world.until_cursor(destination, 600).await;

    let calls = endpoint.calls();
    let ids: HashSet<_> = calls.iter().map(|call| call.id()).collect();
    assert_eq!((calls.len(), ids.len()), (600, 600));
    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for call in &calls {
        let events = told.entry(call.message()).or_default();
        events.push(call.headers["x-postbell-event"].clone());
    }
    assert!(told.values().all(|events| *events == ["Send", "Delivery"]));
    let (advances, retries) = world
        .store
        .look(|state| (state.advances, state.retries.len()));
    assert_eq!(retries, 0);
    // A page has 64 events; what is left over when the log has no more is written as well.
    assert!(advances <= 2 * 600 / 64, "{advances} writes");
}

#[tokio::test]
async fn a_call_is_signed_and_says_what_it_is() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    world.destination(1, &endpoint, |_| {});
    world.start();
    let event = sent(1);
    let id = event.event.id.to_string();
    world.store.log([event]);
    let call = &endpoint.received(1).await[0];

    assert_eq!(call.id(), id);
    assert_eq!(call.json["id"], id);
    assert_eq!(call.json["mail"]["configurationSet"], "set-1");
    assert_eq!(call.timestamp(), START.as_seconds());
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(
        call.headers["user-agent"],
        concat!("postbell/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(call.headers["x-postbell-event"], "Send");
    assert_eq!(
        call.headers["webhook-signature"],
        sign(&Secret::new(SECRET), &id, START.as_seconds(), &call.body)
    );
}

#[tokio::test]
async fn a_destination_hears_what_it_asked_for_in_its_own_words() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |destination| {
        destination.format = "splashify".to_owned();
        destination.matching_event_types = vec!["bounce".to_owned(), "complaint".to_owned()];
    });
    world.start();
    world.store.log(delivered(1));
    world.store.log([bounced(1), sent(1)]);
    world.until_cursor(destination, 4).await;

    let calls = endpoint.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].json["eventType"], "Bounce");
    assert_eq!(calls[0].json["bounce"]["bounceSubType"], "no_such_user");
    assert!(calls[0].json.get("id").is_none());
}

#[tokio::test]
async fn destinations_hear_of_their_own_configuration_set() {
    let (one, two) = (Endpoint::start(|_| OK).await, Endpoint::start(|_| OK).await);
    let also_one = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    world.destination(1, &one, |_| {});
    world.destination(1, &also_one, |_| {});
    world.destination(2, &two, |_| {});
    world.start();
    world
        .store
        .log([sent(1), sent(2), sent(3), sent(2), sent(1), sent(1)]);
    let sets = |calls: &[crate::endpoint::Call]| -> Vec<String> {
        let set = |call: &crate::endpoint::Call| call.json["mail"]["configurationSet"].to_string();
        calls.iter().map(set).collect()
    };
    assert_eq!(sets(&one.received(3).await), ["\"set-1\""; 3]);
    assert_eq!(sets(&also_one.received(3).await), ["\"set-1\""; 3]);
    assert_eq!(sets(&two.received(2).await), ["\"set-2\""; 2]);
}
