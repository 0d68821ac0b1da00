//! Logging in at the door, with real passwords.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use postbell_model::{Secret, WorkspaceId};
use tokio::time::Instant;

use super::*;

// The passwords "secret" and "wrong" of the users "ada" and "bob", as PLAIN has them.
const ADA: &str = "AUTH PLAIN AGFkYQBzZWNyZXQ=";
const ADA_WRONG: &str = "AUTH PLAIN AGFkYQB3cm9uZw==";
const BOB: &str = "AUTH PLAIN AGJvYgBzZWNyZXQ=";

const GUESSER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99));

/// A door that trusts no network within reach, with the credential `ada`.
async fn strict() -> World {
    let elsewhere: IpNet = "192.0.2.0/24".parse().unwrap();
    let world = World::with(SubmissionOptions {
        trusted: vec![(elsewhere, WorkspaceId(2))],
        ..options()
    })
    .await;
    world.set_credentials(&["ada"]);
    world
}

#[tokio::test]
async fn who_has_logged_in_hands_in_mail_of_the_workspace() {
    let world = strict().await;
    let mut client = world.client_under_tls().await;
    client.expect(&["220"]).await;
    for (sent, expected) in [
        ("EHLO app.test", "250"),
        ("MAIL FROM:<a@example.com>", "530 5.7.0"),
        (ADA_WRONG, "535 5.7.8"),
        (BOB, "535 5.7.8"),
        (ADA, "235 2.7.0"),
        (ADA, "503 5.5.1"),
        ("MAIL FROM:<a@theirs.example>", "550"),
    ] {
        client.say(sent).await;
        assert!(client.reply().await.starts_with(expected), "{sent}");
    }
    client
        .send(format!("{}{MESSAGE}.\r\n", &ENVELOPE[15..]).as_bytes())
        .await;
    client.expect(&["250", "250", "354", "250 2.0.0"]).await;
    let message = &world.stored()[0].message;
    assert_eq!(message.workspace, OURS);
    assert_eq!(message.received.with, "ESMTPSA");
}

#[tokio::test]
async fn a_login_before_starttls_does_not_count_after_it() {
    let world = strict().await;
    let mut client = world.client().await;
    client.send(format!("EHLO c\r\n{ADA}\r\n").as_bytes()).await;
    client.expect(&["220", "250", "235"]).await;
    client.say("STARTTLS").await;
    client.expect(&["220"]).await;
    let mut client = client.secure().await;
    client.say("EHLO app.test").await;
    client.say("MAIL FROM:<a@example.com>").await;
    client.expect(&["250", "530 5.7.0"]).await;
}

#[tokio::test]
async fn guessing_is_slow_and_ends() {
    let world = strict().await;
    let mut client = world.client().await;
    client.say("EHLO c").await;
    client.expect(&["220", "250"]).await;
    for (sent, expected) in [(ADA_WRONG, "535"), (BOB, "535"), (ADA_WRONG, "421 4.7.0")] {
        client.say(sent).await;
        assert!(client.reply().await.starts_with(expected), "{sent}");
    }
    assert!(client.ended().await);
    assert_eq!(world.slept(), [1, 2, 4].map(Duration::from_millis));
    let mut next = world.client().await;
    assert!(next.reply().await.starts_with("421 4.7.0"));
    assert!(next.ended().await);
}

#[tokio::test]
async fn a_trusted_network_is_not_shut_out_by_wrong_passwords() {
    let world = World::new().await;
    world.set_credentials(&["ada"]);
    let mut client = world.client().await;
    client
        .send(format!("EHLO c\r\n{BOB}\r\n{BOB}\r\n{BOB}\r\n").as_bytes())
        .await;
    client.expect(&["220", "250", "535", "535", "421"]).await;
    let mut client = world.client().await;
    client.send(format!("EHLO c\r\n{ADA}\r\n").as_bytes()).await;
    client.expect(&["220", "250", "421"]).await;
    let mut client = world.client().await;
    client
        .send(format!("{ENVELOPE}{MESSAGE}.\r\n").as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "250 2.0.0"])
        .await;
}

#[tokio::test]
async fn a_revoked_credential_ends_its_sessions_and_is_not_remembered() {
    let world = strict().await;
    let mut client = world.client().await;
    client.send(format!("EHLO c\r\n{ADA}\r\n").as_bytes()).await;
    client.expect(&["220", "250", "235"]).await;
    world.set_credentials(&[]);
    client.say("MAIL FROM:<a@example.com>").await;
    client.expect(&["421 4.7.0"]).await;
    assert!(client.ended().await);
    let mut client = world.client().await;
    client.send(format!("EHLO c\r\n{ADA}\r\n").as_bytes()).await;
    client.expect(&["220", "250", "535"]).await;
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_what_a_wrong_password_costs() {
    let world = strict().await;
    let logins = world.logins(10_000);
    let mut took = [Vec::new(), Vec::new()];
    // Alternating, so that whatever else the machine does slows both.
    for round in 0..60 {
        let (name, times) = match round % 2 {
            0 => ("ada", &mut took[0]),
            _ => ("bob", &mut took[1]),
        };
        let began = Instant::now();
        let refused = logins.check(GUESSER, name, Secret::new("wrong")).await;
        times.push(began.elapsed());
        assert_eq!(refused.unwrap_err().code, 535);
    }
    // The quickest is what the work costs, the others what else the machine does.
    let [known, unknown] = took.map(|times| times.into_iter().min().unwrap());
    // Far apart without the hash of nobody: that is a thousand times quicker.
    assert!(
        known < unknown * 3 / 2 && unknown < known * 3 / 2,
        "{known:?} {unknown:?}"
    );
}

#[tokio::test]
async fn a_password_that_was_right_is_not_checked_again_while_remembered() {
    let world = strict().await;
    let logins = world.logins(10);
    let began = Instant::now();
    logins
        .check(GUESSER, "ada", Secret::new("secret"))
        .await
        .unwrap();
    let checked = began.elapsed();
    let began = Instant::now();
    for _ in 0..20 {
        logins
            .check(GUESSER, "ada", Secret::new("secret"))
            .await
            .unwrap();
    }
    assert!(began.elapsed() < checked, "{:?}", began.elapsed());
}
