//! Every limit, with its reply.

use std::time::Duration;

use super::super::client::Client;
use super::{ENVELOPE, MESSAGE, World, behind_a_proxy, options};

async fn greeting(world: &World, ip: &str) -> (String, Client) {
    let mut client = world.client_from(ip).await;
    (client.reply().await, client)
}

#[tokio::test]
async fn a_host_and_a_network_have_so_many_connections() {
    let mut options = behind_a_proxy();
    options.limits.max_connections_per_host = 1;
    options.limits.max_connections_per_network = 2;
    let world = World::with(options).await;
    let mut open = Vec::new();
    for (ip, told) in [
        ("192.0.2.1", "220"),
        (
            "192.0.2.1",
            "421 4.7.0 Too many connections from 192.0.2.1; close some and try again",
        ),
        ("192.0.2.2", "220"),
        (
            "192.0.2.3",
            "421 4.7.0 Too many connections from 192.0.2.0/24;",
        ),
        ("198.51.100.1", "220"),
        ("2001:db8:0:1::1", "220"),
        (
            "2001:db8:0:1::2",
            "421 4.7.0 Too many connections from 2001:db8:0:1::/64;",
        ),
        ("2001:db8:0:2::1", "220"),
        (
            "2001:db8:0:3::1",
            "421 4.7.0 Too many connections from 2001:db8::/48;",
        ),
    ] {
        let (reply, client) = greeting(&world, ip).await;
        assert!(reply.starts_with(told), "{ip}: {reply}");
        open.push(client);
    }
    drop(open);
    // The place is free as soon as the task of a session has ended.
    while !greeting(&world, "192.0.2.1").await.0.starts_with("220") {}
}

#[tokio::test]
async fn beyond_all_slots_clients_are_told_to_come_back() {
    let mut options = options();
    options.limits.max_connections = 1;
    let world = World::with(options).await;
    let first = world.greeted().await;
    let mut second = world.client().await;
    let reply = second.reply().await;
    assert_eq!(
        reply,
        "421 4.3.2 Too many connections; try again in a minute"
    );
    assert!(second.ended().await);
    drop(first);
    while !world.client().await.reply().await.starts_with("220") {}
}

#[tokio::test]
async fn messages_and_recipients_of_a_network_are_counted() {
    let mut options = behind_a_proxy();
    options.limits.max_messages_per_minute = 2;
    options.limits.max_recipients_per_minute = 3;
    let world = World::with(options).await;
    let (_, mut client) = greeting(&world, "192.0.2.1").await;
    let rcpt = "RCPT TO:<ada@inbox.example>\r\n";
    client
        .send(format!("EHLO c\r\nMAIL FROM:<>\r\n{rcpt}{rcpt}{rcpt}{rcpt}").as_bytes())
        .await;
    client.expect(&["250", "250", "250", "250", "250"]).await;
    let reply = client.reply().await;
    let told = "450 4.7.1 At most 3 recipients a minute are taken from 192.0.2.0/24; \
        try again in 20 s";
    assert_eq!(reply, told);
    client.send(b"RSET\r\nMAIL FROM:<>\r\nRSET\r\n").await;
    client.expect(&["250", "250", "250"]).await;
    // A neighbour counts as well, others do not.
    for (ip, told) in [
        (
            "192.0.2.9",
            "450 4.7.1 At most 2 messages a minute are taken from 192.0.2.0/24; try again in 30 s",
        ),
        ("198.51.100.1", "250 2.1.0 Sender OK"),
    ] {
        let (_, mut client) = greeting(&world, ip).await;
        client.send(b"EHLO c\r\nMAIL FROM:<>\r\n").await;
        client.expect(&["250"]).await;
        assert_eq!(client.reply().await, told);
    }
    world.advance(Duration::from_secs(30));
    client.say("MAIL FROM:<>").await;
    client.expect(&["250"]).await;
}

#[tokio::test]
async fn who_guesses_addresses_is_sent_away() {
    let mut options = options();
    options.limits.max_unknown_recipients = 2;
    let world = World::with(options).await;
    let mut client = world.greeted().await;
    client.say("MAIL FROM:<a@peer.test>").await;
    client.expect(&["250"]).await;
    for (to, told) in [
        ("a@mx.test", "550 5.1.1"),
        ("ada@inbox.example", "250"),
        ("b@elsewhere.example", "550 5.7.1"),
        (
            "c@mx.test",
            "421 4.7.0 Too many unknown recipients, goodbye",
        ),
    ] {
        client.say(&format!("RCPT TO:<{to}>")).await;
        client.expect(&[told]).await;
    }
    assert!(client.ended().await);
}

#[tokio::test]
async fn errors_and_commands_without_mail_have_an_end() {
    for (errors, commands, line, told) in [
        (2, 100, "NONSENSE", "421 4.7.0 Too many errors, goodbye"),
        (
            100,
            3,
            "NOOP",
            "421 4.7.0 Too many commands without a message, goodbye",
        ),
    ] {
        let mut options = options();
        options.limits.max_errors = errors;
        options.limits.max_commands = commands;
        let world = World::with(options).await;
        let mut client = world.greeted().await;
        for _ in 0..2 {
            client.say(line).await;
            client.reply().await;
        }
        client.say(line).await;
        assert_eq!(client.reply().await, told);
        assert!(client.ended().await);
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_session_goes_on() {
    let mut options = options();
    options.limits.max_message_size = 1_000;
    options.limits.max_receiving = 1_000;
    let world = World::with(options).await;
    let mut client = world.client().await;
    let body = "x".repeat(500_000);
    client
        .send(format!("{ENVELOPE}{body}\r\n.\r\n{}{MESSAGE}.\r\n", &ENVELOPE[16..]).as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "552 5.3.4"])
        .await;
    client.expect(&["250", "250", "354", "250 2.0.0"]).await;
}

#[tokio::test]
async fn all_messages_have_so_much_memory_together() {
    let mut options = options();
    options.limits.max_receiving = 200_000;
    let world = World::with(options).await;
    let mut holding = world.client().await;
    holding.send(ENVELOPE.as_bytes()).await;
    holding.expect(&["220", "250", "250", "250", "354"]).await;
    let most = "0123456789abcde\r\n".repeat(10_000);
    holding.send(format!("{MESSAGE}{most}").as_bytes()).await;

    // What it announces has no room; what it does not announce is cut off.
    let mut other = world.greeted().await;
    let mut told = String::new();
    while !told.starts_with("452") {
        other.send(b"MAIL FROM:<> SIZE=150000\r\nRSET\r\n").await;
        told = other.reply().await;
        other.expect(&["250"]).await;
    }
    assert_eq!(
        told,
        "452 4.3.1 Too much mail is coming in; try again in a minute"
    );
    other
        .send(format!("{}{MESSAGE}", &ENVELOPE[16..]).as_bytes())
        .await;
    other.expect(&["250", "250", "354"]).await;
    other.send(most.as_bytes()).await;
    let told = other.reply().await;
    assert_eq!(
        told,
        "421 4.3.1 Too much mail is coming in; try again in a minute"
    );

    holding.send(b".\r\n").await;
    holding.expect(&["250 2.0.0"]).await;
    let mut third = world.greeted().await;
    third.say("MAIL FROM:<> SIZE=199000").await;
    third.expect(&["250"]).await;
}

#[tokio::test]
async fn a_message_that_waits_for_the_store_lets_others_in() {
    let world = World::new().await;
    let shut = world.inbound.gate.acquire_many(1_000).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut client = world.client().await;
        client
            .send(format!("{ENVELOPE}{MESSAGE}.\r\n").as_bytes())
            .await;
        client.expect(&["220", "250", "250", "250", "354"]).await;
        waiting.push(client);
    }
    // One is looked into at a time, and all of them come as far as the store.
    let mut busy = world.greeted().await;
    busy.say("NOOP").await;
    busy.expect(&["250"]).await;
    drop(shut);
    for mut client in waiting {
        client.expect(&["250 2.0.0"]).await;
    }
    assert_eq!(world.stored().len(), 3);
}
