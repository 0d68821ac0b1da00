//! The door under TLS, with a client that verifies the certificate.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_message_comes_in_after_starttls() {
    let world = World::new().await;
    let mut client = world.client().await.start_tls().await;
    client
        .send(format!("{ENVELOPE}{MESSAGE}.\r\nQUIT\r\n").as_bytes())
        .await;
    client
        .expect(&["250", "250", "250", "354", "250 2.0.0", "221"])
        .await;
    assert!(client.ended().await);
    let stored = world.stored();
    assert_eq!(stored[0].message.received.with, "ESMTPS");
    assert_eq!(stored[0].body, MESSAGE);
}

#[tokio::test]
async fn a_message_comes_in_under_tls_from_the_first_octet() {
    let world = World::new().await;
    let mut client = world.client_under_tls().await;
    client.expect(&["220"]).await;
    let large = format!("{MESSAGE}{}", "0123456789abcdef\r\n".repeat(50_000));
    let envelope = ENVELOPE.replace("org>\r\nDATA", "org>\r\nSTARTTLS\r\nDATA");
    client
        .send(format!("{envelope}{large}.\r\n").as_bytes())
        .await;
    client
        .expect(&["250", "250", "250", "503", "354", "250 2.0.0"])
        .await;
    let stored = world.stored();
    assert_eq!(stored[0].message.received.with, "ESMTPS");
    assert_eq!(stored[0].body, large);
}

#[tokio::test]
async fn what_stands_behind_starttls_is_not_answered() {
    let world = World::new().await;
    let mut client = world.client().await;
    client
        .send(b"EHLO app.test\r\nSTARTTLS\r\nEHLO injected\r\nMAIL FROM:<a@example.com>\r\n")
        .await;
    client.expect(&["220", "250", "421 4.7.0"]).await;
    assert!(client.ended().await);

    // Cut so that 220 was said before: then the rest is no handshake.
    let mut client = world.client().await;
    client.send(b"EHLO app.test\r\nSTARTTLS\r\n").await;
    client.expect(&["220", "250", "220 2.0.0"]).await;
    client
        .send(b"EHLO injected\r\nMAIL FROM:<a@example.com>\r\n")
        .await;
    assert!(!client.reply().await.starts_with("250"));
    world.stop.cancel();
    drop(client);
    world.finished().await;
}

#[tokio::test]
async fn who_does_not_shake_hands_is_sent_away() {
    let mut options = options();
    options.timeouts.handshake = Duration::from_millis(20);
    let world = World::with(options).await;
    let mut client = world.client().await;
    client.send(b"EHLO app.test\r\nSTARTTLS\r\n").await;
    client.expect(&["220", "250", "220 2.0.0"]).await;
    assert!(client.ended().await);
    let mut client = world.raw_client_of_implicit().await;
    assert!(client.ended().await);
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_handshake() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.send(b"EHLO app.test\r\nSTARTTLS\r\n").await;
    client.expect(&["220", "250", "220 2.0.0"]).await;
    let mut idle = world.client().await.start_tls().await;
    idle.say("NOOP").await;
    idle.expect(&["250"]).await;
    world.stop.cancel();
    idle.expect(&["421 4.3.2"]).await;
    assert!(client.ended().await && idle.ended().await);
    world.finished().await;
}
