//! The doors with real sockets, before a store of paper.

mod admission;
mod allowance;
mod client;
mod inbound;
mod login;
pub(crate) mod paper;
mod proxy;
mod relay;
mod scram;
mod tls;
mod world;

use std::io;
use std::time::Duration;

use postbell_model::{Notify, Ret};
use postbell_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::door::FIRST_REST;
use crate::{BareLineEnds, SubmissionOptions};
use world::{OURS, World, options};

const ENVELOPE: &str =
    "EHLO app.test\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<x@example.org>\r\nDATA\r\n";
const MESSAGE: &str = "From: a@example.com\r\nSubject: hi\r\n\r\nHello\r\n";

#[tokio::test]
async fn a_message_comes_in() {
    let world = World::new().await;
    let mut client = world.client().await;
    assert!(client.reply().await.starts_with("220 mx.test ESMTP"));
    for (sent, expected) in [
        ("EHLO app.test", "250 AUTH SCRAM-SHA-256 PLAIN LOGIN"),
        ("MAIL FROM:<a@example.com> BODY=8BITMIME", "250 2.1.0"),
        ("RCPT TO:<x@example.org>", "250 2.1.5"),
        ("RCPT TO:<y@[192.0.2.1]>", "550 5.1.2"),
        ("DATA", "354"),
    ] {
        client.say(sent).await;
        assert!(client.reply().await.starts_with(expected), "{sent}");
    }
    client
        .send(format!("{MESSAGE}..\r\n.\r\n").as_bytes())
        .await;
    let reply = client.reply().await;
    let stored = world.stored();
    let submission = &stored[0];
    assert_eq!(
        reply,
        format!("250 2.0.0 Accepted as {}", submission.message.id)
    );
    assert_eq!(submission.body, format!("{MESSAGE}.\r\n"));
    assert_eq!(submission.message.workspace, OURS);
    assert_eq!(submission.deliveries.len(), 1);
    let received = &submission.message.received;
    assert_eq!(
        (received.helo.as_str(), received.with.as_str()),
        ("app.test", "ESMTP")
    );
    assert!(received.peer.is_some_and(|ip| ip.is_loopback()));
    client.say("QUIT").await;
    assert!(client.reply().await.starts_with("221 2.0.0"));
    assert!(client.ended().await);
}

#[tokio::test]
async fn everything_at_once_is_answered_in_order() {
    let world = World::new().await;
    let mut client = world.client().await;
    let session = format!("{ENVELOPE}{MESSAGE}.\r\nMAIL FROM:<a@theirs.example>\r\nQUIT\r\n");
    client.send(session.as_bytes()).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(client.reply().await[..3].to_owned());
    }
    assert_eq!(
        codes,
        ["220", "250", "250", "250", "354", "250", "550", "221"]
    );
    assert!(client.ended().await);
    assert_eq!(world.stored().len(), 1);
}

#[tokio::test]
async fn a_large_message_comes_in_whole() {
    let world = World::new().await;
    let mut client = world.client().await;
    let body = format!("{MESSAGE}{}", "0123456789abcdef\r\n".repeat(50_000));
    client
        .send(format!("{ENVELOPE}{body}.\r\n").as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "250 2.0.0"])
        .await;
    assert_eq!(world.stored()[0].body, body);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_the_session_goes_on() {
    let mut options = options();
    options.limits.max_message_size = 1_000;
    let world = World::with(options).await;
    let mut client = world.client().await;
    let body = "x".repeat(500_000);
    client
        .send(format!("{ENVELOPE}{body}\r\n.\r\n{}{MESSAGE}.\r\n", &ENVELOPE[15..]).as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "552 5.3.4"])
        .await;
    client.expect(&["250", "250", "354", "250 2.0.0"]).await;
    assert_eq!(world.stored().len(), 1);
}

#[tokio::test]
async fn bare_line_ends_are_as_the_options_say() {
    for (rule, expected) in [
        (BareLineEnds::Refuse, "550 5.6.0"),
        (BareLineEnds::Normalise, "250 2.0.0"),
    ] {
        let world = World::with(SubmissionOptions {
            bare_line_ends: rule,
            ..options()
        })
        .await;
        let mut client = world.client().await;
        client
            .send(format!("{ENVELOPE}{}.\r\n", MESSAGE.replace("hi\r\n", "hi\n")).as_bytes())
            .await;
        client
            .expect(&["220", "250", "250", "250", "354", expected])
            .await;
    }
}

#[tokio::test]
async fn what_can_not_be_stored_is_not_promised() {
    let world = World::failing(StoreError::Full).await;
    let mut client = world.client().await;
    client
        .send(format!("{ENVELOPE}{MESSAGE}.\r\n").as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "452 4.3.1"])
        .await;
}

#[tokio::test]
async fn an_address_has_so_many_sessions() {
    let mut options = options();
    options.limits.max_connections_per_ip = 1;
    let world = World::with(options).await;
    let mut first = world.client().await;
    first.expect(&["220"]).await;
    let mut second = world.client().await;
    assert!(
        second
            .reply()
            .await
            .starts_with("421 4.7.0 Too many connections from 127.0.0.1")
    );
    assert!(second.ended().await);
    first.say("QUIT").await;
    first.expect(&["221"]).await;
    assert!(first.ended().await);
    drop((first, second));
    // The place is free as soon as the task of the first session has ended.
    while !world.client().await.reply().await.starts_with("220") {}
}

#[tokio::test]
async fn what_can_not_be_served_waits_to_be_accepted() {
    let mut options = options();
    options.limits.max_connections = 1;
    let world = World::with(options).await;
    let mut first = world.client().await;
    first.expect(&["220"]).await;
    let mut second = world.client().await;
    first.say("NOOP").await;
    first.expect(&["250"]).await;
    assert!(second.is_silent().await);
    first.say("QUIT").await;
    drop(first);
    second.expect(&["220"]).await;
}

#[tokio::test]
async fn a_silent_client_is_sent_away() {
    let mut options = options();
    options.timeouts.command = Duration::from_millis(20);
    let world = World::with(options).await;
    let mut client = world.client().await;
    client.expect(&["220", "421 4.4.2"]).await;
    assert!(client.ended().await);
}

#[tokio::test]
async fn a_client_that_dribbles_is_sent_away() {
    let mut options = options();
    options.limits.min_data_rate = 1000;
    options.timeouts.data_grace = Duration::ZERO;
    let world = World::with(options).await;
    let mut client = world.client().await;
    client.send(ENVELOPE.as_bytes()).await;
    client.expect(&["220", "250", "250", "250", "354"]).await;
    client.send(MESSAGE.as_bytes()).await;
    assert_eq!(
        client.reply().await,
        "421 4.4.2 The message comes too slowly, goodbye"
    );
    assert!(client.ended().await);
    assert_eq!(world.stored().len(), 0);
}

#[tokio::test]
async fn what_is_asked_about_reports_is_kept() {
    let world = World::new().await;
    let mut client = world.client().await;
    let envelope = "EHLO app.test\r\nMAIL FROM:<a@example.com> RET=FULL ENVID=a+20b\r\n\
        RCPT TO:<x@example.org> NOTIFY=NEVER\r\n\
        RCPT TO:<y@example.org> ORCPT=rfc822;z@example.org\r\nDATA\r\n";
    client
        .send(format!("{envelope}{MESSAGE}.\r\n").as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "250", "354", "250"])
        .await;
    let submission = &world.stored()[0];
    let instructions = &submission.message.instructions;
    assert_eq!(instructions.envid.as_deref(), Some("a b"));
    assert_eq!(instructions.ret, Some(Ret::Full));
    let report = |at: usize| &submission.deliveries[at].report;
    assert_eq!(report(0).notify, Some(Notify::NEVER));
    let orcpt = report(1).orcpt.as_ref().map(ToString::to_string);
    assert_eq!(orcpt.as_deref(), Some("rfc822;z@example.org"));
}

#[tokio::test]
async fn the_last_reply_is_not_lost_on_a_client_that_goes_on_talking() {
    let world = World::new().await;
    let mut client = world.client().await;
    client
        .send(format!("POST / HTTP/1.1\r\n{}", "x".repeat(100_000)).as_bytes())
        .await;
    client.expect(&["220", "421 4.7.0"]).await;
    assert!(client.ended().await);
}

#[tokio::test]
async fn stopping_ends_the_idle_and_lets_a_message_finish() {
    let world = World::new().await;
    let mut idle = world.client().await;
    idle.say("EHLO app.test").await;
    idle.expect(&["220", "250"]).await;
    let mut sending = world.client().await;
    sending.send(ENVELOPE.as_bytes()).await;
    sending.expect(&["220", "250", "250", "250", "354"]).await;
    world.stop.cancel();
    idle.expect(&["421 4.3.2"]).await;
    assert!(idle.ended().await);
    sending.send(format!("{MESSAGE}.\r\n").as_bytes()).await;
    sending.expect(&["250 2.0.0", "421 4.3.2"]).await;
    assert!(sending.ended().await);
    assert_eq!(world.stored().len(), 1);
    drop((idle, sending));
    world.finished().await;
}

#[tokio::test]
async fn a_client_that_vanishes_in_its_message_leaves_nothing() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.send(format!("{ENVELOPE}{MESSAGE}").as_bytes()).await;
    client.expect(&["220", "250", "250", "250", "354"]).await;
    drop(client);
    world.stop.cancel();
    world.finished().await;
    assert_eq!(world.stored().len(), 0);
}

#[tokio::test]
async fn accepting_rests_longer_and_longer_while_it_fails() {
    let (door, clock) = world::door_and_clock();
    let stop = CancellationToken::new();
    let no_descriptors = io::Error::from_raw_os_error(24);
    let mut rest = FIRST_REST;
    for _ in 0..9 {
        rest = door.inner().rest_after(&no_descriptors, rest, &stop).await;
    }
    let waited = clock.slept();
    assert_eq!(waited[..3], [10, 20, 40].map(Duration::from_millis));
    assert_eq!(waited.last(), Some(&Duration::from_secs(1)));
    // A connection that was gone before it was accepted is no reason to rest.
    let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
    assert_eq!(
        door.inner().rest_after(&gone, rest, &stop).await,
        FIRST_REST
    );
    assert_eq!(clock.slept().len(), waited.len());
}
