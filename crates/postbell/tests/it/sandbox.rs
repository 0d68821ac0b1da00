//! Sandboxes: what an operator types, and what a client at the door meets.

use std::time::Duration;

use postbell_model::{Domain, Sender};
use postbell_peers::client::Outcome;
use postbell_store::Directory;
use serde_json::{Value, json};

use crate::kit::Place;
use crate::world::{SENDER, World, mail};

const ANN: &str = "ann@recipient.test";
const BOB: &str = "bob@recipient.test";

fn boxed(directory: &Directory) -> bool {
    let acme = directory.workspace_named("acme").unwrap().id;
    directory
        .sending(&Sender::Workspace(acme))
        .sandbox()
        .is_some()
}

fn told(outcome: &Outcome) -> String {
    outcome.deciding().to_string()
}

/// A message to several recipients.
async fn offer_to(world: &World, to: &[&str]) -> Outcome {
    let text = format!("From: a@{SENDER}\r\nSubject: x\r\n\r\nHello\r\n");
    let mut client = world.client().await;
    let outcome = client.send(&mail(to, text.into())).await.unwrap();
    client.quit().await.unwrap();
    outcome
}

#[tokio::test]
async fn a_sandbox_sends_to_verified_addresses_and_so_many_a_day() {
    let mut world = World::start().await;
    world.command(&["verified-address", "add", "Ann@Recipient.test"]);
    let sandbox = ["workspace", "sandbox", "acme", "--daily-limit", "2"];
    let said = world.run(&sandbox);
    assert!(
        said.starts_with(
            "workspace acme is in a sandbox: mail goes to verified addresses alone, \
             2 recipients a day; other mail is refused"
        ),
        "{said}"
    );
    world.seen(boxed).await;

    let stranger = "550 5.7.1 The workspace acme is in a sandbox and bob@recipient.test is none of \
                    its verified addresses; add it with `postbell verified-address add`, or have \
                    the sandbox ended";
    assert_eq!(told(&world.offer(BOB, "").await), stranger);
    assert_eq!(told(&offer_to(&world, &[ANN, BOB]).await), stranger);
    world.submit(ANN, "").await;
    world.told("hook", ANN, &["Delivery"]).await;
    world.submit(ANN, "").await;
    let full = "452 4.5.3 The workspace acme is in a sandbox and sends to 2 recipients a day at \
                most; there are new ones at 00:00 UTC";
    assert_eq!(told(&world.offer(ANN, "").await), full);
    assert_eq!(world.mx.counts().messages, 2);

    // It was written down.
    world.stop_server().await;
    world.start_server().await;
    assert_eq!(told(&world.offer(ANN, "").await), full);
    world.clock.turn(Duration::from_hours(24));
    world.submit(ANN, "").await;
    world.run(&["workspace", "resume", "acme"]);
    world.seen(|directory| !boxed(directory)).await;
    world.submit(BOB, "").await;
    world.told("hook", BOB, &["Delivery"]).await;
    world.end().await;
}

#[tokio::test]
async fn a_domain_has_a_sandbox_of_its_own() {
    let world = World::start().await;
    world.command(&["domain", "add", "other.test"]);
    world.run(&["domain", "sandbox", "other.test"]);
    let other = Sender::Domain(Domain::parse("other.test").unwrap());
    world
        .seen(|directory| directory.sending(&other).sandbox().is_some())
        .await;
    world.submit(BOB, "").await;
    let text = "From: a@other.test\r\nSubject: x\r\n\r\nHello\r\n";
    let mut client = world.client().await;
    let outcome = client.send(&mail(&[BOB], text.into())).await.unwrap();
    let refused = told(&outcome);
    assert!(
        refused.starts_with("550 5.7.1 The domain other.test is in a sandbox"),
        "{refused}"
    );
    client.quit().await.unwrap();
    world.told("hook", BOB, &["Delivery"]).await;
    world.end().await;
}

#[tokio::test]
async fn what_is_rejected_is_told_and_goes_nowhere() {
    let world = World::start().await;
    world.command(&["verified-address", "add", ANN]);
    let sandbox = ["workspace", "sandbox", "acme", "--new-mail", "reject"];
    world.run(&[&sandbox[..], &["--daily-limit", "1"]].concat());
    world.seen(boxed).await;
    assert!(offer_to(&world, &[ANN, BOB]).await.is_taken());
    let rejected = world.told("hook", BOB, &["Reject"]).await;
    assert_eq!(
        rejected["reject"]["reason"],
        "sandbox: address not verified"
    );
    assert_eq!(rejected["sequence"], 1);
    world.told("hook", ANN, &["Delivery"]).await;
    assert_eq!(world.kinds("hook", BOB), ["Reject"]);

    let message = world.offer(ANN, "").await;
    assert!(message.is_taken(), "{}", message.deciding());
    let full = world.told("hook", ANN, &["Reject"]).await;
    assert_eq!(full["reject"]["reason"], "sandbox limit reached");

    let pause = ["workspace", "pause", "acme", "--new-mail", "reject"];
    world.run(&pause);
    world.seen(|directory| !boxed(directory)).await;
    world.submit("eve@recipient.test", "").await;
    let paused = world.told("hook", "eve@recipient.test", &["Reject"]).await;
    assert_eq!(paused["reject"]["reason"], "sending paused");
    assert_eq!(world.mx.counts().messages, 1);
    world.run(&["verify"]);
    world.end().await;
}

#[test]
fn a_sandbox_is_entered_told_and_left() {
    let place = Place::with_domain();
    let entered = place.json(&["workspace", "sandbox", "acme", "--new-mail", "reject"]);
    assert_eq!(entered["sending"]["state"], "sandbox");
    assert_eq!(entered["sending"]["newMail"], "reject");
    assert_eq!(entered["sending"]["dailyLimit"], Value::Null);
    let again = place.ok(&["workspace", "sandbox", "acme", "--daily-limit", "9"]);
    assert!(again.contains("its terms are new"), "{again}");
    let shown = place.ok(&["workspace", "show", "acme"]);
    assert!(shown.contains("in a sandbox since"), "{shown}");
    assert!(shown.contains("sent today     0 recipients"), "{shown}");
    let shown = place.json(&["workspace", "show", "acme"]);
    assert_eq!(shown["sending"]["usedToday"], 0);
    let paused = place.ok(&["workspace", "pause", "acme"]);
    assert!(paused.contains("in no sandbox any more"), "{paused}");
    let entered = place.ok(&["workspace", "sandbox", "acme"]);
    assert!(entered.contains("no longer paused"), "{entered}");
    let left = place.ok(&["workspace", "resume", "acme"]);
    assert!(
        left.starts_with("workspace acme has left its sandbox"),
        "{left}"
    );

    place.ok(&["domain", "sandbox", "acme.example", "--daily-limit", "5"]);
    let shown = place.ok(&["domain", "show", "acme.example"]);
    assert!(
        shown.contains("; acme.example: in a sandbox since"),
        "{shown}"
    );
    assert!(
        shown.contains("; acme.example: sent to 0 recipients today"),
        "{shown}"
    );
    // A sandbox can't hold, and sends to somebody at least.
    for wrong in [["--new-mail", "hold"], ["--daily-limit", "0"]] {
        let words = [&["workspace", "sandbox", "acme"][..], &wrong].concat();
        assert_eq!(place.run(&words).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn verified_addresses_are_added_listed_and_removed() {
    let place = Place::new();
    place.ok(&["workspace", "add", "acme"]);
    let word = |verb: &'static str, address: &'static str| {
        ["verified-address", verb, address, "--workspace", "acme"]
    };
    let added = place.json(&word("add", "Ann@Acme.example"));
    assert_eq!(
        added,
        json!({"workspace": "acme", "address": "Ann@acme.example", "added": true})
    );
    assert!(
        place
            .ok(&word("add", "ann@acme.example"))
            .contains("already")
    );
    place.ok(&word("add", "bob@acme.example"));
    let listed = place.json(&["verified-address", "list", "--workspace", "acme"]);
    assert_eq!(
        listed[0],
        json!({"workspace": "acme", "address": "ann@acme.example"})
    );
    assert_eq!(listed.as_array().unwrap().len(), 2);
    place.ok(&word("remove", "ANN@acme.example"));
    let unknown = place.fails(&word("remove", "ann@acme.example"));
    assert!(unknown.contains("verified-address list"), "{unknown}");
    assert_eq!(place.run(&word("add", "nobody")).code, Some(2));
}
