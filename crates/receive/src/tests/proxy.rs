//! The door behind a load balancer.

use std::net::IpAddr;

use super::*;
use crate::Encryption;
use crate::door::proxy::tests::{header, header_for};

const STRANGER: &str = "192.0.2.7";

async fn behind_a_proxy() -> World {
    World::with(SubmissionOptions {
        proxy_from: vec!["127.0.0.0/8".parse().unwrap()],
        ..options()
    })
    .await
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_client_is_who_the_header_names() {
    let world = behind_a_proxy().await;
    let mut client = world.connect(Encryption::StartTls).await;
    assert!(client.is_silent().await);
    client.send(&header_for(ip("127.1.2.3"))).await;
    client
        .send(format!("{ENVELOPE}{MESSAGE}.\r\n").as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "250 2.0.0"])
        .await;
    let received = &world.stored()[0].message.received;
    assert_eq!(received.peer, Some(ip("127.1.2.3")));
}

#[tokio::test]
async fn a_stranger_behind_a_trusted_proxy_is_a_stranger() {
    let world = behind_a_proxy().await;
    world.set_credentials(&["ada"]);
    let mut client = world.connect(Encryption::StartTls).await;
    client.send(&header_for(ip(STRANGER))).await;
    client.expect(&["220"]).await;
    // No login in the clear: the wire to the proxy is not ours.
    client.say("EHLO app.test").await;
    assert_eq!(client.reply().await, "250 STARTTLS");
    client.say("AUTH PLAIN AGFkYQBzZWNyZXQ=").await;
    client.expect(&["538 5.7.11"]).await;
    client.say("MAIL FROM:<a@example.com>").await;
    client.expect(&["530 5.7.0"]).await;
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let world = behind_a_proxy().await;
    let mut client = world.connect(Encryption::Implicit).await;
    client.send(&header_for(ip("2001:db8::1"))).await;
    let mut client = client.secure().await;
    client.expect(&["220"]).await;
    client.say("EHLO app.test").await;
    assert_eq!(client.reply().await, "250 AUTH SCRAM-SHA-256 PLAIN LOGIN");
    client.say("MAIL FROM:<a@example.com>").await;
    client.expect(&["530 5.7.0"]).await;
}

#[tokio::test]
async fn a_proxy_may_speak_for_itself() {
    let world = behind_a_proxy().await;
    let mut client = world.connect(Encryption::StartTls).await;
    client.send(&header(0x20, 0, b"")).await;
    client.send(ENVELOPE.as_bytes()).await;
    client.expect(&["220", "250", "250", "250", "354"]).await;
}

#[tokio::test]
async fn the_cuts_in_the_header_do_not_matter() {
    let world = behind_a_proxy().await;
    let octets = header_for(ip(STRANGER));
    for at in 0..octets.len() {
        let mut client = world.connect(Encryption::StartTls).await;
        let (head, tail) = octets.split_at(at);
        client.send(head).await;
        assert!(client.is_silent().await);
        client.send(tail).await;
        client.send(b"QUIT\r\n").await;
        client.expect(&["220", "221"]).await;
        assert!(client.ended().await);
    }
}

#[tokio::test]
async fn a_proxy_without_a_header_is_told_nothing() {
    let mut options = options();
    options.proxy_from = vec!["127.0.0.0/8".parse().unwrap()];
    options.timeouts.proxy = Duration::from_millis(20);
    let world = World::with(options).await;
    for octets in [
        b"EHLO app.test\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n".to_vec(),
        header(0x21, 0x00, b""),
        header(0x22, 0x11, &[0; 12]),
        header(0x21, 0x11, &[0; 4]),
        // Never whole.
        header_for(ip(STRANGER))[..20].to_vec(),
        Vec::new(),
    ] {
        let mut client = world.connect(Encryption::StartTls).await;
        client.send(&octets).await;
        assert!(client.was_dropped().await, "{octets:?}");
    }
}

#[tokio::test]
async fn nobody_else_can_say_who_they_are() {
    let world = World::with(SubmissionOptions {
        proxy_from: vec!["10.0.0.0/8".parse().unwrap()],
        ..options()
    })
    .await;
    let mut client = world.connect(Encryption::StartTls).await;
    client.expect(&["220"]).await;
    client.send(&header_for(ip(STRANGER))).await;
    client.expect(&["500", "500"]).await;
}

#[tokio::test]
async fn places_are_counted_by_client() {
    let mut options = options();
    options.proxy_from = vec!["127.0.0.0/8".parse().unwrap()];
    options.limits.max_connections_per_ip = 1;
    let world = World::with(options).await;
    let mut clients = Vec::new();
    for (from, expected) in [
        (STRANGER, "220"),
        ("192.0.2.8", "220"),
        (STRANGER, "421 4.7.0"),
    ] {
        let mut client = world.connect(Encryption::StartTls).await;
        client.send(&header_for(ip(from))).await;
        client.expect(&[expected]).await;
        clients.push(client);
    }
}
