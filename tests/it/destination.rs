//! What an operator does to destinations beside a running server: look, change, rotate, test,
//! replay, remove.

use std::time::Duration;

use anyhow::{Context, ensure};
use postbell_peers::webhook::{Answer, Post};
use postbell_tests::{LIMIT, World};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// What a command prints as JSON.
pub(crate) async fn json(world: &World, words: &[&str]) -> anyhow::Result<Value> {
    let printed = world.run(&[words, &["--json"]].concat()).await?;
    serde_json::from_str(&printed).with_context(|| printed)
}

/// Runs a command until what it prints is so.
pub(crate) async fn until(
    world: &World,
    words: &[&str],
    so: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let printed = json(world, words).await?;
        if so(&printed) {
            return Ok(printed);
        }
        ensure!(Instant::now() < deadline, "not so: {printed}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_changed_holds_for_the_calls_that_follow() -> anyhow::Result<()> {
    let world = World::start().await?;
    let words = [
        "destination",
        "update",
        "hook",
        "--header",
        "X-Team: mail",
        "--header",
        "Authorization: Bearer 123",
        "--delays",
        "each",
        "--in-flight",
        "2",
    ];
    let changed = json(&world, &words).await?;
    assert_eq!(changed["headers"]["authorization"], "[redacted]");
    assert_eq!(changed["delays"], "each");
    let shown = world.run(&["destination", "show", "hook"]).await?;
    assert!(
        !shown.contains("Bearer") && shown.contains("in flight      2"),
        "{shown}"
    );

    // A server that runs sees it within a second or two.
    for n in 0.. {
        let to = format!("u{n}@recipient.test");
        world.submit(&[&to]).await?;
        let told = world.told("Delivery", &to).await?;
        if told.post.header("authorization") == "Bearer 123" {
            assert_eq!(told.post.header("x-team"), "mail");
            break;
        }
        ensure!(n < 1_000, "the headers are not sent");
    }
    world
        .run(&["destination", "update", "hook", "--header", "X-Team:"])
        .await?;
    let shown = json(&world, &["destination", "show", "hook"]).await?;
    assert_eq!(shown["headers"], json!({"authorization": "[redacted]"}));
    for wrong in ["webhook-id: x", "X-A: b\r\nHost: c", "Content-Length: 1"] {
        let refused = world
            .run(&["destination", "update", "hook", "--header", wrong])
            .await;
        assert!(refused.is_err(), "{wrong}");
    }
    world.finish().await
}

#[tokio::test]
async fn what_failed_is_shown_and_sent_again() -> anyhow::Result<()> {
    let world = World::start().await?;
    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(410)));
    world.submit(&["ann@recipient.test"]).await?;
    let refused = world.refused_at("hook").await?;
    let failed = ["destination", "log", "hook", "--failed"];
    let log = until(&world, &failed, |log| log[0]["status"] == 410).await?;
    assert_eq!(log[0]["event"], refused.id());
    assert_eq!(log[0]["attempt"], 1);
    until(&world, &["destination", "show", "hook"], |hook| {
        hook["state"] == "disabled"
    })
    .await?;

    world.webhook.answer_path("/hook", None);
    world
        .run(&["destination", "update", "hook", "--state", "active"])
        .await?;
    let told = world.told("Send", "ann@recipient.test").await?;
    assert_eq!(told.post.id(), refused.id());

    let id = told.post.id().to_owned();
    let replay = ["destination", "replay", "hook", "--event", &id];
    // Its place in the log is written down a moment after the answer.
    until(&world, &replay, |counted| counted["events"] == 1).await?;
    let before = world.webhook.posts().len();
    let done = json(&world, &[&replay[..], &["--yes"]].concat()).await?;
    assert_eq!(done, json!({"done": true, "events": 1}));
    let again = |post: &Post| post.id() == id && (200..300).contains(&post.status);
    let deadline = Instant::now() + LIMIT;
    while world
        .webhook
        .posts()
        .iter()
        .filter(|post| again(post))
        .count()
        < 2
    {
        ensure!(Instant::now() < deadline, "{before} posts and no more");
        sleep(Duration::from_millis(20)).await;
    }
    let dead = world.run(&["destination", "dead", "hook"]).await?;
    assert_eq!(dead, "");
    world.finish().await
}

#[tokio::test]
async fn a_workspace_hears_that_one_of_its_destinations_was_disabled() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    world.add_destination("all", &["--whole-workspace"]).await?;
    world.start_program().await?;
    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(410)));
    world.submit(&["ann@recipient.test"]).await?;
    world
        .told_at("all", "Delivery", "ann@recipient.test")
        .await?;
    let disabled = |post: &Post| {
        post.path == "/all" && post.header("x-postbell-event") == "DestinationDisabled"
    };
    let post = world.webhook.wait_for_post(LIMIT, disabled).await;
    let document = post.context("nothing was told")?.json()?;
    assert_eq!(document["destinationDisabled"]["name"], "hook");
    assert_eq!(document["destinationDisabled"]["cause"], "gone");

    let listed = ["events", "list", "--kind", "DestinationDisabled"];
    assert_eq!(json(&world, &listed).await?, document);
    let line = world.run(&listed).await?;
    assert!(line.contains("hook: It answered 410 Gone"), "{line}");
    world.finish().await
}

#[tokio::test]
async fn a_destination_is_tested_and_its_secret_rotated() -> anyhow::Result<()> {
    let world = World::start().await?;
    let tested = json(&world, &["destination", "test", "hook"]).await?;
    assert_eq!(tested["delivered"], true);
    let posts = world.webhook.posts();
    let test = posts
        .iter()
        .find(|post| post.header("x-postbell-event") == "Test");
    let test = test.context("no test was posted")?;
    assert_eq!(test.id(), tested["event"].as_str().unwrap_or_default());
    assert!(test.signature.is_fine());

    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(500)));
    let failed = world.run(&["destination", "test", "hook"]).await;
    let said = failed.err().context("it failed")?.to_string();
    assert!(said.contains("hook answered 500"), "{said}");
    world.webhook.answer_path("/hook", None);

    let rotated = json(&world, &["destination", "rotate-secret", "hook"]).await?;
    assert!(
        rotated["secret"]
            .as_str()
            .is_some_and(|s| s.starts_with("whsec_"))
    );
    // The receiver knows the old secret: during the overlap it takes what is signed with both.
    let test = json(&world, &["destination", "test", "hook"]).await?;
    assert_eq!(test["delivered"], true);
    world.submit(&["ann@recipient.test"]).await?;
    world.told("Delivery", "ann@recipient.test").await?;
    let at_once = ["destination", "rotate-secret", "hook", "--overlap", "0s"];
    world.run(&at_once).await?;
    let test = world.run(&["destination", "test", "hook"]).await;
    assert!(test.is_err(), "a signature with the new secret alone");
    world.finish().await
}

#[tokio::test]
async fn names_that_several_have_are_told_apart_and_removed() -> anyhow::Result<()> {
    let world = World::start().await?;
    world
        .add_destination("hook", &["--whole-workspace"])
        .await?;
    let ambiguous = world.run(&["destination", "show", "hook"]).await;
    let said = ambiguous.err().context("two are named so")?.to_string();
    assert!(said.contains("2 destinations are named \"hook\""), "{said}");
    let whole = ["destination", "show", "hook", "--whole-workspace"];
    let shown = json(&world, &whole).await?;
    assert_eq!(shown["configurationSet"], Value::Null);
    let set = ["destination", "show", "hook", "--config-set", "default"];
    assert_eq!(json(&world, &set).await?["configurationSet"], "default");

    let id = shown["id"].as_str().context("an id")?;
    let counted = json(&world, &["destination", "remove", id]).await?;
    assert_eq!(counted["done"], false);
    world.run(&["destination", "remove", id, "--yes"]).await?;
    assert_eq!(
        json(&world, &["destination", "show", "hook"]).await?["name"],
        "hook"
    );
    world.finish().await
}

#[tokio::test]
async fn an_event_is_previewed_in_another_format() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["ann@recipient.test"]).await?;
    let told = world.told("Delivery", "ann@recipient.test").await?;
    let id = told.post.id();
    let preview = ["destination", "preview", "--event", id, "--format"];
    let ours = json(&world, &[&preview[..], &["postbell"]].concat()).await?;
    assert_eq!(ours, told.document);
    let theirs = json(&world, &[&preview[..], &["splashify"]].concat()).await?;
    assert_eq!(theirs["eventType"], "Delivery");
    assert!(theirs.get("id").is_none());
    world.finish().await
}

#[tokio::test]
async fn a_killed_server_tells_again_what_it_had_not_written_down() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    let to: Vec<_> = (0..40).map(|n| format!("u{n}@recipient.test")).collect();
    for address in &to {
        world.submit(&[address]).await?;
    }
    world.told("Send", &to[20]).await?;
    world.kill_program().await?;
    world.start_program().await?;
    for address in &to {
        world.told("Send", address).await?;
    }
    let posts = world.webhook.posts();
    let mut told = std::collections::HashMap::new();
    for post in posts
        .iter()
        .filter(|post| post.header("x-postbell-event") == "Send")
    {
        *told.entry(post.id().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(told.len(), to.len());
    // Once, and at most once more after the kill.
    assert!(told.values().all(|times| *times <= 2), "{told:?}");
    world.finish().await
}
