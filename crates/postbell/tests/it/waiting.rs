//! Mail that waits in the server's memory for a slow site, while what it was sent by goes.

use postbell_peers::mx::{Action, Script, Stage};

use crate::world::{SENDER, World, mail};

const TO: [&str; 3] = [
    "ann@recipient.test",
    "bob@recipient.test",
    "cas@recipient.test",
];

/// A world whose MX says nothing, so that what is claimed waits.
async fn world() -> World {
    let world = World::start().await;
    let stall = Script::new().then(Stage::Greeting, Action::Stall);
    world.mx.script_always(stall);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_of_a_removed_domain_is_rejected() {
    let world = world().await;
    for to in TO {
        world.submit(to, "").await;
        world.told("hook", to, &["Send"]).await;
    }
    let remove = ["domain", "remove", SENDER, "--yes"];
    let beside = tokio::task::block_in_place(|| world.run(&remove));
    assert!(beside.contains("sender.test is removed"), "{beside}");
    for to in TO {
        world.told_in_time("hook", to, &["Reject"]).await;
        assert_eq!(world.kinds("hook", to), ["Send", "Reject"]);
    }
    assert_eq!(world.mx.messages().len(), 0);
    world.end().await;
}

#[tokio::test]
async fn mail_of_a_revoked_credential_is_cancelled_and_other_mail_is_not() {
    let world = world().await;
    world.command(&["credential", "add", "shop", "--password", "s3cret"]);
    world
        .seen(|directory| directory.credential("shop").is_some())
        .await;
    let mut client = world.client().await;
    // NUL shop NUL s3cret
    let login = client.command("AUTH PLAIN AHNob3AAczNjcmV0").await.unwrap();
    assert_eq!(login.code, 235, "{login}");
    let text = format!("From: a@{SENDER}\r\nSubject: x\r\n\r\nHello\r\n");
    let given = mail(&TO[..2], text.into());
    assert!(client.send(&given).await.unwrap().is_taken());
    world.submit(TO[2], "").await;
    for to in TO {
        world.told("hook", to, &["Send"]).await;
    }
    world.run(&["credential", "revoke", "shop", "--queue", "cancel", "--yes"]);
    for to in &TO[..2] {
        world.told_in_time("hook", to, &["Cancelled"]).await;
    }
    assert_eq!(world.kinds("hook", TO[2]), ["Send"]);
    world.end().await;
}
