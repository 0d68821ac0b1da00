//! Mail that is paused, and what a revoked credential has left, beside a server that runs.

use std::sync::Arc;

use postbell_model::{Domain, Sender};
use postbell_peers::client::{Mail, Outcome};
use postbell_peers::webhook::Post;
use postbell_store::Directory;
use serde_json::{Value, json};

use crate::world::{LIMIT, SENDER, World, mail};

/// Another domain of the workspace.
const OTHER: &str = "other.test";
const ANN: &str = "ann@recipient.test";
const BOB: &str = "bob@recipient.test";

fn json(world: &World, words: &[&str]) -> Value {
    let printed = world.run(&[words, &["--json"]].concat());
    serde_json::from_str(&printed).unwrap()
}

fn is_paused(directory: &Directory, domain: &str) -> bool {
    let sender = Sender::Domain(Domain::parse(domain).unwrap());
    directory.sending(&sender).pause().is_some()
}

fn acme_is_paused(directory: &Directory) -> bool {
    let acme = directory.workspace_named("acme").unwrap().id;
    directory.pause_of_workspace(acme).is_some()
}

/// What the destination of the whole workspace was told of it.
async fn told(world: &World, kind: &str) -> Value {
    let wanted = |post: &Post| post.header("x-postbell-event") == kind;
    let post: Arc<Post> = world.webhook.wait_for_post(LIMIT, wanted).await.unwrap();
    post.json().unwrap()
}

fn add_whole(world: &World) {
    let url = world.webhook.url("all");
    let words = ["destination", "add", "all", "--whole-workspace"];
    world.command(&[&words[..], &["--url", &url]].concat());
}

/// A mail from the other domain.
async fn offer_from_other(world: &World, to: &str) -> Outcome {
    let text = format!("From: a@{OTHER}\r\nSubject: x\r\n\r\nHello\r\n");
    offer_as(world, format!("a@{OTHER}"), mail(&[to], text.into())).await
}

/// A mail with another MAIL FROM.
async fn offer_as(world: &World, from: String, text: Mail) -> Outcome {
    let mut client = world.client().await;
    let given = Mail { from, ..text };
    let outcome = client.send(&given).await.unwrap();
    client.quit().await.unwrap();
    outcome
}

#[tokio::test]
async fn mail_of_a_paused_domain_waits_and_other_mail_does_not() {
    let world = World::start().await;
    add_whole(&world);
    world.command(&["domain", "add", OTHER]);
    let pause = ["domain", "pause", SENDER, "--reason", "too many bounces"];
    let paused = json(&world, &pause);
    assert_eq!(paused["sending"]["state"], "paused");
    world
        .seen(|directory| is_paused(directory, SENDER) && directory.destinations().len() == 3)
        .await;

    world.submit(ANN, "").await;
    world.told("hook", ANN, &["Send"]).await;
    assert!(offer_from_other(&world, BOB).await.is_taken());
    // It goes to the same domain and was accepted later.
    world.told("hook", BOB, &["Delivery"]).await;
    assert_eq!(world.kinds("hook", ANN), ["Send"]);
    assert_eq!(world.mx.counts().messages, 1);
    let waiting = json(&world, &["queue", "show"]);
    assert_eq!(
        (&waiting[0]["recipient"], &waiting[0]["attempt"]),
        (&json!(ANN), &json!(1))
    );
    assert_eq!(waiting[0]["paused"]["domain"], SENDER);
    assert_eq!(waiting[0]["paused"]["reason"], "too many bounces");
    assert!(world.run(&["queue", "show"]).contains("when resumed"));

    world.run(&["domain", "resume", SENDER]);
    world.seen(|directory| !is_paused(directory, SENDER)).await;
    let delivery = world.told("hook", ANN, &["Delivery"]).await;
    assert_eq!(delivery["sequence"], 2, "it was the first attempt");
    let paused = told(&world, "SendingPaused").await;
    assert_eq!(
        paused["sendingPaused"],
        json!({"domain": SENDER, "reason": "too many bounces", "newMail": "hold"})
    );
    let resumed = told(&world, "SendingResumed").await;
    assert_eq!(resumed["sendingResumed"]["pausedAt"], paused["timestamp"]);
    world.end().await;
}

#[tokio::test]
async fn a_pause_of_a_workspace_outlives_a_restart() {
    let mut world = World::start().await;
    world.run(&["workspace", "pause", "acme"]);
    world.seen(acme_is_paused).await;
    world.submit(ANN, "").await;
    world.stop_server().await;
    world.start_server().await;
    world.submit(BOB, "").await;
    world.told("hook", BOB, &["Send"]).await;
    let lanes = json(&world, &["queue"]);
    assert_eq!(
        (&lanes[0]["count"], &lanes[0]["paused"]["workspace"]),
        (&json!(2), &json!("acme"))
    );
    let shown = json(&world, &["workspace", "show", "acme"]);
    assert_eq!(
        (&shown["waiting"], &shown["sending"]["newMail"]),
        (&json!(2), &json!("hold"))
    );
    assert_eq!(world.mx.counts().messages, 0);

    world.run(&["workspace", "resume", "acme"]);
    world.seen(|directory| !acme_is_paused(directory)).await;
    for to in [ANN, BOB] {
        world.told("hook", to, &["Delivery"]).await;
        assert_eq!(world.kinds("hook", to), ["Send", "Delivery"]);
    }
    world.end().await;
}

#[tokio::test]
async fn new_mail_is_refused_where_that_was_asked_for() {
    let world = World::start().await;
    world.command(&["domain", "add", OTHER]);
    let refuse = ["--new-mail", "refuse", "--reason", "fraud"];
    world.run(&[&["domain", "pause", SENDER][..], &refuse].concat());
    world.seen(|directory| is_paused(directory, SENDER)).await;
    // The envelope does not tell whose mail it is.
    for from in [format!("a@{SENDER}"), String::new(), format!("a@{OTHER}")] {
        let text = format!("From: a@{SENDER}\r\n\r\nHello\r\n");
        let refused = offer_as(&world, from, mail(&[ANN], text.into())).await;
        assert!(refused.mail.is_positive(), "{}", refused.mail);
        assert_eq!(
            refused.message.unwrap().to_string(),
            "550 5.7.1 Sending is paused for domain sender.test: fraud"
        );
    }
    let text = format!("From: a@{OTHER}\r\n\r\nHello\r\n");
    let bounces = format!("bounces@{SENDER}");
    let taken = offer_as(&world, bounces, mail(&[BOB], text.into())).await;
    assert!(taken.is_taken(), "{}", taken.deciding());
    assert!(offer_from_other(&world, BOB).await.is_taken());

    world.run(&[&["workspace", "pause", "acme"][..], &refuse].concat());
    world.seen(acme_is_paused).await;
    let refused = offer_from_other(&world, BOB).await;
    assert_eq!(
        refused.mail.to_string(),
        "550 5.7.1 Sending is paused for workspace acme: fraud"
    );
    world.end().await;
}

#[tokio::test]
async fn what_a_revoked_credential_has_left_is_cancelled_by_the_server() {
    let world = World::start().await;
    world.command(&["credential", "add", "shop", "--password", "s3cret"]);
    world
        .seen(|directory| directory.credential("shop").is_some())
        .await;
    let later = "X-Postbell-Send-At: 2026-05-04T12:00:00Z\r\n";
    let text = format!("From: a@{SENDER}\r\nSubject: x\r\n{later}\r\nHello\r\n");
    let mut client = world.client().await;
    // NUL shop NUL s3cret
    let login = client.command("AUTH PLAIN AHNob3AAczNjcmV0").await.unwrap();
    assert_eq!(login.code, 235, "{login}");
    let given = mail(&[ANN], text.into());
    assert!(client.send(&given).await.unwrap().is_taken());
    world.submit(BOB, later).await;

    let counted = world.run(&["credential", "revoke", "shop", "--queue", "cancel"]);
    assert!(
        counted.contains("1 delivery of it would be cancelled"),
        "{counted}"
    );
    let waiting = json(&world, &["queue", "show", "--credential", "shop"]);
    assert_eq!(waiting[0]["recipient"], ANN);
    let revoke = ["credential", "revoke", "shop", "--queue", "cancel", "--yes"];
    let revoked = json(&world, &revoke);
    assert_eq!(
        (&revoked["queue"], &revoked["deliveries"]),
        (&json!("cancel"), &json!(1))
    );
    world
        .seen(|directory| directory.credential("shop").unwrap().revoked_at.is_some())
        .await;
    world.told("hook", ANN, &["Cancelled"]).await;
    let again = format!("MAIL FROM:<a@{SENDER}>");
    let refused = client.command(&again).await.unwrap();
    assert_eq!(refused.code, 421, "{refused}");
    assert_eq!(world.kinds("hook", BOB), ["Scheduled"]);
    let shown = json(&world, &["credential", "show", "shop"]);
    assert_eq!(shown["waiting"], 0);
    world.end().await;
}
