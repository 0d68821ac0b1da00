//! What destinations are told, and what becomes of it when they don't listen.

use std::sync::Arc;

use postbell_peers::webhook::{Answer, Post};
use postbell_tests::World;

#[tokio::test]
async fn a_post_is_signed_and_says_what_it_is() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.submit(&["ann@recipient.test"]).await?;
    let told = world.told("Delivery", "ann@recipient.test").await?;
    let post = &told.post;
    assert_eq!(post.id(), told.document["id"].as_str().unwrap());
    assert!(post.id().starts_with("evt_"), "{}", post.id());
    assert_eq!(post.header("content-type"), "application/json");
    assert_eq!(post.header("x-postbell-event"), "Delivery");
    assert!(post.header("user-agent").starts_with("postbell/"));
    assert!(post.header("webhook-signature").starts_with("v1,"));
    assert!(post.header("webhook-timestamp").parse::<u64>().is_ok());
    world.finish().await
}

#[tokio::test]
async fn a_destination_hears_only_what_it_asked_for() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    world
        .add_destination("bounces", &["--events", "email.bounced"])
        .await?;
    world
        .add_destination("all", &["--format", "splashify"])
        .await?;
    world.start_program().await?;
    let to = ["bounce@recipient.test", "ann@recipient.test"];
    world.submit(&to).await?;
    world.told_at("bounces", "Bounce", to[0]).await?;
    world.told_at("all", "Bounce", to[0]).await?;
    world.told_at("all", "Delivery", to[1]).await?;
    world.told_at("hook", "Delivery", to[1]).await?;
    assert_eq!(world.kinds("bounces", to[0]), ["Bounce"]);
    assert_eq!(world.kinds("bounces", to[1]).len(), 0);
    world.finish().await
}

#[tokio::test]
async fn an_unknown_event_name_is_refused_with_the_known_ones() -> anyhow::Result<()> {
    let world = World::start().await?;
    let refused = world
        .add_destination("wrong", &["--events", "Deliverey"])
        .await;
    let said = refused.expect_err("there is no such event").to_string();
    assert!(
        said.contains("Deliverey") && said.contains("DeliveryDelay"),
        "{said}"
    );
    world.finish().await
}

#[tokio::test]
async fn nothing_is_lost_while_a_destination_is_down() -> anyhow::Result<()> {
    let world = World::start().await?;
    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(503)));
    let to: Vec<_> = (0..5).map(|n| format!("u{n}@recipient.test")).collect();
    for address in &to {
        world.submit(&[address]).await?;
        world.delivered(address).await?;
    }
    world.refused_at("hook").await?;
    world.webhook.answer_path("/hook", None);
    for address in &to {
        world.told("Send", address).await?;
        world.told("Delivery", address).await?;
    }
    world.finish().await
}

#[tokio::test]
async fn a_retried_post_keeps_its_id() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.webhook.answer_next(1, Answer::Status(500));
    world.submit(&["ann@recipient.test"]).await?;
    let refused = world.refused_at("hook").await?;
    let told = world.told("Send", "ann@recipient.test").await?;
    assert_eq!(told.post.id(), refused.id());
    assert_eq!(told.post.body, refused.body);
    world.finish().await
}

#[tokio::test]
async fn gone_means_no_more() -> anyhow::Result<()> {
    let mut world = World::set_up(&[]).await?;
    world.add_destination("other", &[]).await?;
    world.start_program().await?;
    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(410)));
    world.submit(&["ann@recipient.test"]).await?;
    world.refused_at("hook").await?;
    world
        .told_at("other", "Delivery", "ann@recipient.test")
        .await?;
    world.submit(&["bob@recipient.test"]).await?;
    world
        .told_at("other", "Delivery", "bob@recipient.test")
        .await?;
    let posts = world.webhook.posts();
    let told = |post: &&Arc<Post>| {
        let document = post.json().unwrap();
        post.path == "/hook" && document["mail"]["destination"][0] == "bob@recipient.test"
    };
    assert_eq!(posts.iter().filter(told).count(), 0);
    let listed = world.run(&["destination", "list", "--json"]).await?;
    assert!(listed.contains("disabled"), "{listed}");
    world.finish().await
}

#[tokio::test]
async fn a_destination_made_while_the_server_runs_is_found() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.add_destination("late", &[]).await?;
    // It hears of what is accepted after the server has seen it, which takes a moment.
    for n in 0..1_000 {
        let to = format!("u{n}@recipient.test");
        world.submit(&[&to]).await?;
        world.told("Delivery", &to).await?;
        if !world.kinds("late", &to).is_empty() {
            return world.finish().await;
        }
    }
    panic!("the destination hears of nothing");
}
