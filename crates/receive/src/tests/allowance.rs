//! Rates and quotas at the door.

use ipnet::IpNet;
use postbell_model::{CredentialId, SendingLimits, WorkspaceId};
use postbell_store::Account;

use super::client::Client;
use super::*;

const MAIL: &str = "MAIL FROM:<a@example.com>";
const RCPT: &str = "RCPT TO:<x@example.org>";
const NONE: SendingLimits = SendingLimits {
    rate: None,
    quota: None,
};

/// A client that has logged in, with limits of its credential and its workspace.
async fn client_with(limits: SendingLimits, of_workspace: SendingLimits) -> (World, Client) {
    let elsewhere: IpNet = "192.0.2.0/24".parse().unwrap();
    let world = World::with(SubmissionOptions {
        trusted: vec![(elsewhere, WorkspaceId(2))],
        ..options()
    })
    .await;
    world.set_limits(&["ada"], limits, of_workspace);
    let client = another(&world).await;
    (world, client)
}

async fn another(world: &World) -> Client {
    let mut client = world.client_under_tls().await;
    client
        .send(b"EHLO app.test\r\nAUTH PLAIN AGFkYQBzZWNyZXQ=\r\n")
        .await;
    client.expect(&["220", "250", "235"]).await;
    client
}

/// Says each line; the replies begin as expected.
async fn say(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        client.say(line).await;
        let reply = client.reply().await;
        assert!(reply.starts_with(expected), "{line}: {reply}");
    }
}

fn quota(quota: u32) -> SendingLimits {
    SendingLimits {
        rate: None,
        quota: Some(quota),
    }
}

fn rate(rate: u32) -> SendingLimits {
    SendingLimits {
        rate: Some(rate),
        quota: None,
    }
}

#[tokio::test]
async fn without_limits_nothing_is_counted() {
    let (world, mut client) = client_with(NONE, NONE).await;
    say(&mut client, &[(MAIL, "250"), (RCPT, "250")]).await;
    assert_eq!(world.taken(), []);
}

#[tokio::test]
async fn messages_beyond_the_rate_are_put_off() {
    let (world, mut client) = client_with(rate(2), NONE).await;
    let refused = "450 4.7.1 credential \"ada\" may hand in 2 messages a minute; try again in 30 s";
    let lines = [
        (MAIL, "250"),
        ("RSET", "250"),
        (MAIL, "250"),
        ("RSET", "250"),
    ];
    say(&mut client, &lines).await;
    say(&mut client, &[(MAIL, refused), (RCPT, "503")]).await;
    let mut second = another(&world).await;
    say(&mut second, &[(MAIL, refused)]).await;
    world.advance(Duration::from_secs(30));
    say(
        &mut client,
        &[(MAIL, "250"), ("RSET", "250"), (MAIL, refused)],
    )
    .await;
}

#[tokio::test]
async fn the_rate_of_a_workspace_is_that_of_all_together() {
    let (world, mut client) = client_with(NONE, rate(1)).await;
    say(&mut client, &[(MAIL, "250")]).await;
    let mut second = another(&world).await;
    let refused = "450 4.7.1 workspace \"acme\" may hand in 1 messages a minute";
    say(&mut second, &[(MAIL, refused)]).await;
}

#[tokio::test]
async fn recipients_beyond_the_quota_are_put_off_until_midnight() {
    let (world, mut client) = client_with(quota(3), NONE).await;
    let refused = "452 4.5.3 credential \"ada\" has used up its quota of 3 recipients a day; it \
        renews at 00:00 UTC, in 11 h 25 min";
    let full = [(MAIL, "250"), (RCPT, "250"), (RCPT, "250"), (RCPT, "250")];
    say(&mut client, &full).await;
    say(&mut client, &[(RCPT, refused), ("DATA", "354")]).await;
    client.send(format!("{MESSAGE}.\r\n").as_bytes()).await;
    client.expect(&["250"]).await;
    say(&mut client, &[(MAIL, refused)]).await;
    let shop = Account::Credential(CredentialId(1));
    let today = world.taken()[0].1;
    assert_eq!(
        world.taken(),
        [
            (shop, today, 0),
            (shop, today, 1),
            (shop, today, 1),
            (shop, today, 1)
        ]
    );
    world.advance(Duration::from_secs(13 * 3600));
    say(&mut client, &full).await;
    assert_eq!(world.taken()[4], (shop, today + 1, 0));
}

#[tokio::test]
async fn recipients_of_messages_that_were_not_accepted_do_not_count() {
    let (world, mut client) = client_with(quota(2), quota(100)).await;
    let full = [(MAIL, "250"), (RCPT, "250"), (RCPT, "250"), (RCPT, "452")];
    say(&mut client, &full).await;
    say(&mut client, &[("RSET", "250")]).await;
    say(&mut client, &full).await;
    // Nor those of a message that is refused, or of a session that ends.
    say(&mut client, &[("DATA", "354")]).await;
    client
        .send(b"From: a@theirs.example\r\n\r\nx\r\n.\r\n")
        .await;
    client.expect(&["550"]).await;
    say(&mut client, &full).await;
    say(&mut client, &[("QUIT", "221")]).await;
    assert!(client.ended().await);
    let mut client = another(&world).await;
    say(&mut client, &full).await;
}

#[tokio::test]
async fn the_store_is_asked_for_a_hundredth_at_a_time() {
    let (world, mut client) = client_with(NONE, quota(1000)).await;
    say(&mut client, &[(MAIL, "250")]).await;
    for _ in 0..25 {
        say(&mut client, &[(RCPT, "250")]).await;
    }
    let counts: Vec<_> = world.taken().iter().map(|taken| taken.2).collect();
    assert_eq!(counts, [0, 10, 10, 10]);
}

#[tokio::test]
async fn what_an_earlier_process_took_counts() {
    let (world, mut client) = client_with(quota(5), NONE).await;
    let allowances = world.allowances();
    let today = u32::try_from(world.today()).unwrap();
    let shop = Account::Credential(CredentialId(1));
    allowances.take(shop, today, 4).await.unwrap();
    say(
        &mut client,
        &[(MAIL, "250"), (RCPT, "250"), (RCPT, "452 4.5.3")],
    )
    .await;
}
