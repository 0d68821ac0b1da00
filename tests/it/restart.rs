//! What survives the end of the program, orderly or not.

use std::collections::HashSet;

use postbell_peers::mx::Script;
use postbell_peers::webhook::Answer;
use postbell_tests::{World, deferring};

#[tokio::test]
async fn what_was_answered_survives_a_kill() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.mx.script_always(deferring());
    let to: Vec<_> = (0..20).map(|n| format!("u{n}@d{n}.test")).collect();
    for address in &to {
        world.submit(&[address]).await?;
    }
    world.kill_program().await?;
    world.mx.script_always(Script::new());
    world.start_program().await?;
    for address in &to {
        world.delivered(address).await?;
        world.told("Send", address).await?;
        world.told("Delivery", address).await?;
    }
    world.finish().await
}

#[tokio::test]
async fn a_graceful_end_keeps_what_is_queued() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.mx.script_always(deferring());
    world.submit(&["ann@recipient.test"]).await?;
    world.told("DeliveryDelay", "ann@recipient.test").await?;
    world.stop_program().await?;
    world.mx.script_always(Script::new());
    world.start_program().await?;
    world.told("Delivery", "ann@recipient.test").await?;
    assert_eq!(world.mx.counts().messages, 1);
    world.finish().await
}

#[tokio::test]
async fn what_a_destination_has_not_taken_is_told_after_a_kill() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world
        .webhook
        .answer_path("/hook", Some(Answer::Status(503)));
    world.submit(&["ann@recipient.test"]).await?;
    world.delivered("ann@recipient.test").await?;
    let refused = world.refused_at("hook").await?;
    world.kill_program().await?;
    world.webhook.answer_path("/hook", None);
    world.start_program().await?;
    let send = world.told("Send", "ann@recipient.test").await?;
    world.told("Delivery", "ann@recipient.test").await?;
    assert_eq!(send.post.id(), refused.id());
    world.finish().await
}

#[tokio::test]
async fn a_delivered_mail_is_not_sent_again() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    world.submit(&["ann@recipient.test"]).await?;
    world.told("Delivery", "ann@recipient.test").await?;
    world.kill_program().await?;
    world.start_program().await?;
    world.submit(&["bob@recipient.test"]).await?;
    world.told("Delivery", "bob@recipient.test").await?;
    assert_eq!(world.mx.counts().messages, 2);
    let ids: Vec<_> = world
        .webhook
        .posts()
        .iter()
        .map(|p| p.id().to_owned())
        .collect();
    let different: HashSet<_> = ids.iter().collect();
    assert!(different.len() == 4, "{ids:?}");
    world.finish().await
}

#[tokio::test]
async fn a_second_program_on_the_same_folder_is_refused() -> anyhow::Result<()> {
    let world = World::start().await?;
    let refused = world.run(&["serve"]).await;
    let said = refused.expect_err("the folder is in use").to_string();
    assert!(
        said.contains("in use") || said.contains("another"),
        "{said}"
    );
    world.finish().await
}
