//! A workspace whose mail fares badly.

use std::pin::pin;
use std::time::Duration;

use postbell_model::Timestamp;
use postbell_peers::webhook::Post;
use postbell_store::Directory;
use serde_json::{Value, json};

use crate::kit::Place;
use crate::world::{LIMIT, World};

const ANN: &str = "ann@recipient.test";
/// In seconds.
const TEN_YEARS: i64 = 10 * 365 * 86_400;
const SETTINGS: &str = "reputation.min_volume = 4\nreputation.max_hard_bounces = \"50%\"\n";

fn is_paused(directory: &Directory) -> bool {
    let acme = directory.workspace_named("acme").unwrap().id;
    directory.pause_of_workspace(acme).is_some()
}

/// What the destination of the whole workspace is told, while the clock goes on: the server looks at
/// the log each second.
async fn told(world: &World, kind: &str) -> Value {
    let wanted = |post: &Post| post.header("x-postbell-event") == kind;
    let mut told = pin!(world.webhook.wait_for_post(LIMIT, wanted));
    loop {
        tokio::select! {
            biased;
            post = &mut told => return post.unwrap().json().unwrap(),
            _ = outcomes(world) => world.clock.turn(Duration::from_secs(1)),
        }
    }
}

/// How many outcomes of the workspace are counted.
async fn outcomes(world: &World) -> u64 {
    let store = world.server().store();
    let acme = store.directory().workspace_named("acme").unwrap().id;
    let all = store.reputations(Timestamp::default()).await.unwrap();
    let of_acme = all.iter().find(|(workspace, _)| *workspace == acme);
    of_acme.map_or(0, |(_, figures)| figures.outcomes)
}

/// Lets the time go on until so many are counted. Those that were counted before are judged then: a
/// round counts and judges, and then comes the next.
async fn counted(world: &World, count: u64) {
    let counting = async {
        while outcomes(world).await != count {
            world.clock.turn(Duration::from_secs(1));
        }
    };
    let counting = tokio::time::timeout(LIMIT, counting).await;
    counting.unwrap_or_else(|_| panic!("{count} were not counted"));
}

async fn deliver(world: &World, to: &str) {
    world.submit(to, "").await;
    world.told("hook", to, &["Delivery"]).await;
}

async fn bounce(world: &World, name: &str) {
    let to = format!("bounce+{name}@recipient.test");
    world.submit(&to, "").await;
    world.told("hook", &to, &["Bounce"]).await;
}

#[tokio::test]
async fn too_many_dead_addresses_pause_a_workspace_until_it_is_resumed() {
    let world = World::start_with(SETTINGS).await;
    let url = world.webhook.url("all");
    let words = ["destination", "add", "all", "--whole-workspace"];
    world.command(&[&words[..], &["--url", &url]].concat());
    world
        .seen(|directory| directory.destinations().len() == 3)
        .await;
    deliver(&world, ANN).await;
    for name in ["1", "2", "3"] {
        bounce(&world, name).await;
    }
    world.seen(is_paused).await;
    let paused = told(&world, "SendingPaused").await;
    let reason = "hard bounces: 3 of 4 deliveries (75%); the limit is 50%";
    assert_eq!(
        paused["sendingPaused"],
        json!({"reason": reason, "newMail": "hold"})
    );
    world.submit("late@recipient.test", "").await;
    let waiting = world.run(&["queue", "show"]);
    assert!(waiting.contains("when resumed"), "{waiting}");

    // Commands have another clock than this server.
    let settings = format!("{SETTINGS}reputation.window = \"3650d\"\n");
    world.place().write("postbell.toml", &settings);
    let shown = world.run(&["workspace", "reputation", "acme", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["outcomes"], &shown["hardBounces"], &shown["passed"]),
        (&json!(4), &json!(3), &json!(reason))
    );
    assert_eq!(shown["hardBounceShare"], 0.75);

    world.run(&["workspace", "resume", "acme"]);
    world.seen(|directory| !is_paused(directory)).await;
    world
        .told("hook", "late@recipient.test", &["Delivery"])
        .await;
    // The command has resumed it by its own clock: this one is past that now.
    world.clock.set(TEN_YEARS);
    // What was before does not count any more: two of four are not too many.
    bounce(&world, "4").await;
    bounce(&world, "5").await;
    deliver(&world, "bob@recipient.test").await;
    deliver(&world, "eve@recipient.test").await;
    counted(&world, 4).await;
    deliver(&world, "zoe@recipient.test").await;
    counted(&world, 5).await;
    assert!(!is_paused(&world.server().store().directory()));
    world.end().await;
}

#[tokio::test]
async fn where_it_is_only_warned_of_nothing_is_paused() {
    let settings = format!("{SETTINGS}reputation.action = \"warn\"\n");
    let world = World::start_with(&settings).await;
    for name in ["1", "2", "3", "4"] {
        bounce(&world, name).await;
    }
    counted(&world, 4).await;
    deliver(&world, ANN).await;
    counted(&world, 5).await;
    assert!(!is_paused(&world.server().store().directory()));
    world.end().await;
}

#[test]
fn figures_are_shown_before_there_are_any() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    let shown = place.ok(&["workspace", "reputation", "acme"]);
    for line in [
        "acme, the last 1d",
        "complaints     0 (0%; at most 0.3%)",
        "too little to judge: less than 1000",
        "who passes a limit is paused",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let wrong = "reputation.max_complaints = \"lots\"\nreputation.window = \"5m\"\n";
    place.write("postbell.toml", wrong);
    let told = place.run(&["config", "check"]);
    assert_eq!(told.code, Some(1));
    let expected = "must be a share of 0% to 100% such as \"0.3%\" or \"10%\"";
    assert!(told.stderr.contains(expected), "{told:?}");
}
