//! A workspace whose mail fares badly.

use postbell_peers::webhook::Post;
use postbell_store::Directory;
use serde_json::{Value, json};

use crate::kit::Place;
use crate::world::{LIMIT, World};

const ANN: &str = "ann@recipient.test";
const SETTINGS: &str = "reputation.min_volume = 4\nreputation.max_hard_bounces = \"50%\"\n";

fn is_paused(directory: &Directory) -> bool {
    let acme = directory.workspace_named("acme").unwrap().id;
    directory.pause_of_workspace(acme).is_some()
}

/// What the destination of the whole workspace is told, while the clock goes on: the server looks at
/// the log each second.
async fn told(world: &World, kind: &str) -> Value {
    let wanted = |post: &Post| post.header("x-postbell-event") == kind;
    for _ in 0..300 {
        let post = world.webhook.wait_for_post(LIMIT / 300, wanted).await;
        if let Ok(post) = post {
            return post.json().unwrap();
        }
        world.clock.turn(std::time::Duration::from_secs(1));
    }
    panic!("{kind} was not told");
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
    world.submit(ANN, "").await;
    world.told("hook", ANN, &["Delivery"]).await;
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
    bounce(&world, "4").await;
    for _ in 0..3 {
        world.clock.turn(std::time::Duration::from_mins(1));
    }
    bounce(&world, "5").await;
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
    let acme = world.server().store().directory();
    let acme = acme.workspace_named("acme").unwrap().id;
    let store = world.server().store();
    let since = postbell_model::Timestamp::default();
    // It was counted, and so judged a moment later.
    for round in 0.. {
        let all = store.reputations(since).await.unwrap();
        if all
            .iter()
            .any(|(of, figures)| *of == acme && figures.outcomes == 4)
        {
            break;
        }
        assert!(round < 1_000, "it was not counted: {all:?}");
        world.clock.turn(std::time::Duration::from_mins(1));
        let _ = tokio::time::timeout(LIMIT / 300, store.directory_changed().changed()).await;
    }
    world.submit(ANN, "").await;
    world.told("hook", ANN, &["Delivery"]).await;
    assert!(!is_paused(&store.directory()));
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
