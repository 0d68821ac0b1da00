//! Answers to mail of long ago: its domain has other hosts by now, or is gone, and so are its rows.

use std::time::Duration;

use anyhow::ensure;
use postbell_peers::answer::Answering;
use postbell_tests::{LIMIT, World};
use tokio::time::{Instant, sleep};

use super::{answer, bring, sent, told_of, written};

const ANN: &str = "ann@recipient.test";

#[tokio::test]
async fn an_answer_to_an_old_host_and_to_a_removed_domain_is_told() -> anyhow::Result<()> {
    let world = World::start().await?;
    let original = sent(&world, ANN).await?;
    let mail = answer(Answering::Reply, &original);
    assert!(mail.to[0].ends_with("@reply.sender.test"), "{:?}", mail.to);

    let update = ["domain", "update", "sender.test"];
    let change = [
        "--reply-host",
        "answers.sender.test",
        "--reply-capture",
        "off",
    ];
    world.run(&[&update[..], &change].concat()).await?;
    let id = bring(&world, &mail).await?;
    told_of(&world, "hook", "Reply", &id).await?;
    // The server sees it a moment later.
    let deadline = Instant::now() + LIMIT;
    let mut number = 0;
    while sent(&world, &format!("bob{number}@recipient.test"))
        .await?
        .field("Reply-To")
        .is_some()
    {
        ensure!(Instant::now() < deadline, "it is still stamped");
        number += 1;
    }

    world
        .run(&["domain", "remove", "sender.test", "--yes"])
        .await?;
    let id = bring(&world, &mail).await?;
    told_of(&world, "hook", "Reply", &id).await?;
    let report = answer(Answering::Report, &original);
    bring(&world, &report).await?;
    let told = world.told("Bounce", ANN).await?.document;
    assert_eq!(told["bounce"]["late"], true);
    // A forged one at the same host has no such luck.
    let forged = mail.to[0].replace("reply+", "reply+a");
    let forged = written("joe@peer.test", &forged, "", "Hi\r\n");
    assert!(!world.bring(&forged).await?.is_taken());
    world.finish().await
}

#[tokio::test]
async fn an_answer_outlives_the_rows_of_its_message() -> anyhow::Result<()> {
    let settings = [
        ("retention.messages", "1s"),
        ("retention.round_every", "200ms"),
    ];
    let world = World::with(&settings).await?;
    let original = sent(&world, ANN).await?;
    let told = world.told("Delivery", ANN).await?.document;
    // The newest event of all is always kept.
    sent(&world, "bob@recipient.test").await?;
    let list = ["events", "list", "--recipient", ANN];
    until_gone(&world, &list).await?;

    let mail = answer(Answering::Reply, &original);
    let id = bring(&world, &mail).await?;
    let reply = told_of(&world, "hook", "Reply", &id).await?;
    assert_eq!(reply["reply"]["outbox_id"], told["mail"]["deliveryId"]);
    assert_eq!(reply["reply"]["original_recipient"], ANN);
    let complaint = answer(Answering::Complaint, &original);
    let id = bring(&world, &complaint).await?;
    told_of(&world, "hook", "Complaint", &id).await?;
    let report = answer(Answering::Report, &original);
    let id = bring(&world, &report).await?;
    let bounce = told_of(&world, "hook", "Bounce", &id).await?;
    assert_eq!(bounce["bounce"]["late"], true);
    world.finish().await
}

/// Waits until a list has nothing more in it.
async fn until_gone(world: &World, list: &[&str]) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let printed = world.run(&[list, &["--json"]].concat()).await?;
        if printed.trim().is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it stays: {printed}");
        sleep(Duration::from_millis(100)).await;
    }
}
