//! Mail goes out, and what comes back of it becomes events: at the real door, by the whole program.

mod addresses;
mod answers;
mod crash;
mod forwards;
mod later;
mod rules;

use anyhow::{Context, ensure};
use bytes::Bytes;
use postbell_peers::answer::{Answer, Answering, Original};
use postbell_peers::client::{Mail, Outcome};
use postbell_peers::clock::START;
use postbell_peers::webhook::Post;
use postbell_tests::installation::SENDER_DOMAIN;
use postbell_tests::{LIMIT, World};
use serde_json::Value;

/// The name that the far side reports by.
const MX_HOST: &str = "mx.peer.test";

/// A world whose domain takes mail. A running server sees a change a moment later: this is done before.
async fn taking_mail(settings: &[(&str, &str)]) -> anyhow::Result<World> {
    let mut world = World::set_up(settings).await?;
    let update = ["domain", "update", SENDER_DOMAIN, "--inbound", "on"];
    world.run(&update).await?;
    world.start_program().await?;
    Ok(world)
}

/// What the far side knows of a message that it has taken for this recipient.
async fn taken(world: &World, to: &str) -> anyhow::Result<Original> {
    let received = world.delivered(to).await?;
    world.told("Delivery", to).await?;
    Original::read(&received, (to, MX_HOST), 1, START).context("nobody answers this")
}

/// The mail by which a recipient answers.
fn answer(how: Answering, original: &Original) -> Mail {
    match how.answer(original) {
        Some(Answer::Mail(mail)) => mail,
        other => panic!("no mail but {other:?}"),
    }
}

/// Submits a mail; what the far side knows of it.
async fn sent(world: &World, to: &str) -> anyhow::Result<Original> {
    world.submit(&[to]).await?;
    taken(world, to).await
}

/// Brings a mail that must be taken; the id of what came in, as the 250 tells it.
async fn bring(world: &World, mail: &Mail) -> anyhow::Result<String> {
    let outcome = world.bring(mail).await?;
    ensure!(outcome.is_taken(), "refused: {}", outcome.deciding());
    inbound_id(&outcome)
}

fn inbound_id(outcome: &Outcome) -> anyhow::Result<String> {
    let said = outcome.deciding().to_string();
    let id = said
        .split_whitespace()
        .find(|word| word.starts_with("in_"))
        .with_context(|| format!("no id in {said}"))?;
    Ok(id.trim_end_matches('.').to_owned())
}

/// A mail of a few lines from a stranger.
fn written(from: &str, to: &str, header: &str, text: &str) -> Mail {
    let from_field = if from.is_empty() {
        "mailer-daemon@mx.peer.test"
    } else {
        from
    };
    let body = format!(
        "From: <{from_field}>\r\nTo: <{to}>\r\n{header}Date: Sun, 03 May 2026 12:34:57 +0000\r\n\
         Message-ID: <{}@peer.test>\r\n\r\n{text}",
        header.len() + text.len()
    );
    Mail {
        from: from.to_owned(),
        to: vec![to.to_owned()],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}

/// The documents of one kind that a destination took so far.
fn documents(world: &World, name: &str, kind: &str) -> Vec<Value> {
    let path = format!("/{name}");
    let posts = world.webhook.posts();
    let taken = posts
        .iter()
        .filter(|post| post.path == path && (200..300).contains(&post.status));
    taken
        .filter_map(|post| post.json().ok())
        .filter(|document| document["eventType"] == kind)
        .collect()
}

/// The first document of this kind about the message that came in under this id.
async fn told_of(world: &World, name: &str, kind: &str, id: &str) -> anyhow::Result<Value> {
    let path = format!("/{name}");
    let wanted = |post: &Post| {
        post.path == path
            && (200..300).contains(&post.status)
            && post.json().is_ok_and(|document| {
                document["eventType"] == kind && document.to_string().contains(id)
            })
    };
    let post = world.webhook.wait_for_post(LIMIT, wanted).await;
    let post = post.with_context(|| format!("no {kind} of {id}"))?;
    Ok(post.json()?)
}
