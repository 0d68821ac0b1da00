//! A secret takes over from another while events flow (W5 of the catalogue of faults).

use std::time::Duration;

use postbell_model::{Clock, PreviousSecret, Secret};
use postbell_notify::signature::sign;

use crate::endpoint::{Call, Endpoint, OK};
use crate::world::{SECRET, World, sent};

const NEW: &[u8] = b"another plain secret";
const OVERLAP: Duration = Duration::from_hours(24);

/// Whether a consumer that knows this secret takes the call.
fn verifies(call: &Call, secret: &[u8]) -> bool {
    let wanted = sign(
        &Secret::new(secret),
        call.id(),
        call.timestamp(),
        &call.body,
    );
    let given = &call.headers["webhook-signature"];
    given.split(' ').any(|signature| signature == wanted)
}

#[tokio::test]
async fn while_one_secret_takes_over_from_another_every_call_verifies_with_both() {
    let endpoint = Endpoint::start(|_| OK).await;
    let mut world = World::new();
    let destination = world.destination(1, &endpoint, |_| {});
    world.start();
    world.store.log((0..300).map(|_| sent(1)));
    endpoint.received(100).await;

    let until = world.clock.now().after(OVERLAP);
    world.store.set_up(|destinations| {
        let previous = std::mem::replace(&mut destinations[0].secret, Secret::new(NEW));
        destinations[0].previous_secret = Some(PreviousSecret {
            secret: previous,
            until,
        });
    });
    world.store.log((0..300).map(|_| sent(1)));
    world.until_cursor(destination, 600).await;
    let calls = endpoint.calls();
    assert!(calls.iter().all(|call| verifies(call, SECRET)));
    let overlap = calls.iter().skip_while(|call| !verifies(call, NEW));
    let overlap: Vec<_> = overlap.collect();
    assert!(overlap.len() >= 300, "{}", overlap.len());
    // What was under way when the secret changed may end after the first of those that follow.
    let old_alone = overlap.iter().filter(|call| !verifies(call, NEW));
    assert!(old_alone.count() <= 4);

    let before = endpoint.calls().len();
    world.clock.turn(OVERLAP);
    world.store.log((0..100).map(|_| sent(1)));
    world.until_cursor(destination, 700).await;
    let after = &endpoint.calls()[before..];
    assert_eq!(after.len(), 100);
    assert!(after.iter().all(|call| verifies(call, NEW)));
    assert!(!after.iter().any(|call| verifies(call, SECRET)));
}
