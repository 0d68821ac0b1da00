//! Mail that is over is removed in its time, by the server as it runs.

use std::time::Duration;

use crate::world::World;

const ANN: &str = "ann@recipient.test";
const BOB: &str = "bob@recipient.test";
const DAY: Duration = Duration::from_hours(24);

/// What is known of a recipient.
fn events(world: &World, to: &str) -> usize {
    let printed = world.run(&["events", "list", "--recipient", to, "--json"]);
    printed.lines().count()
}

#[tokio::test]
async fn mail_of_91_days_ago_is_gone_and_newer_mail_is_there() {
    let world = World::start().await;
    world.submit(ANN, "").await;
    let told = world.told("hook", ANN, &["Delivery"]).await;
    world.clock.turn(89 * DAY);
    world.submit(BOB, "").await;
    world.told_in_time("hook", BOB, &["Delivery"]).await;
    assert_eq!(events(&world, ANN), 2, "its time is not over");
    world.clock.turn(2 * DAY);
    // A round begins within the hour, and rests now and then.
    world.until(|world| events(world, ANN) == 0).await;
    assert_eq!(events(&world, BOB), 2);
    let id = told["mail"]["messageId"].as_str().unwrap();
    let shown = world.fails(&["message", "show", id]);
    assert!(shown.contains(id), "{shown}");
    world.run(&["verify"]);
    world.end().await;
}
