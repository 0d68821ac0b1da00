//! The inbound door: what it says, and what it takes.

mod limits;
mod listed;
mod relay;
mod smuggling;
mod world;

use std::time::Duration;

use postbell_accept::Obstacle;

use world::{World, behind_a_proxy, options};

use crate::InboundDoorOptions;

const ENVELOPE: &str =
    "EHLO peer.test\r\nMAIL FROM:<a@peer.test>\r\nRCPT TO:<ada@inbox.example>\r\nDATA\r\n";
const MESSAGE: &str = "From: a@peer.test\r\nSubject: hi\r\n\r\nHello\r\n";

#[tokio::test]
async fn a_message_comes_in() {
    let world = World::new().await;
    let mut client = world.client().await;
    assert!(client.reply().await.starts_with("220 mx.test ESMTP"));
    for (sent, expected) in [
        ("EHLO peer.test", "250 STARTTLS"),
        ("AUTH PLAIN AGFkYQBzZWNyZXQ=", "502 5.5.1"),
        ("MAIL FROM:<a@peer.test> RET=FULL", "555 5.5.4"),
        ("MAIL FROM:<a@peer.test> SIZE=1000001", "552 5.3.4"),
        ("MAIL FROM:<a@peer.test> BODY=8BITMIME SIZE=99", "250 2.1.0"),
        ("RCPT TO:<ada@inbox.example> NOTIFY=NEVER", "555 5.5.4"),
        ("RCPT TO:<ada@inbox.example>", "250 2.1.5"),
        ("DATA", "354"),
    ] {
        client.say(sent).await;
        let reply = client.reply().await;
        assert!(reply.starts_with(expected), "{sent}: {reply}");
    }
    client.send(format!("{MESSAGE}.\r\n").as_bytes()).await;
    let reply = client.reply().await;
    let stored = world.stored();
    let mail = &stored[0].mails[0].mail;
    assert_eq!(reply, format!("250 2.0.0 Accepted as {}", mail.id));
    assert!(mail.id.to_string().starts_with("in_"));
    assert!(mail.peer.is_loopback());
    assert!(stored[0].body.ends_with(MESSAGE.as_bytes()));
    client.say("QUIT").await;
    client.expect(&["221 2.0.0"]).await;
    assert!(client.ended().await);
}

#[tokio::test]
async fn a_message_comes_in_under_tls() {
    let world = World::new().await;
    let mut client = world.client().await.start_tls().await;
    client
        .send(format!("{ENVELOPE}{MESSAGE}.\r\nQUIT\r\n").as_bytes())
        .await;
    client
        .expect(&["250", "250", "250", "354", "250 2.0.0", "221"])
        .await;
    let body = world.stored()[0].body.clone();
    let header = String::from_utf8_lossy(&body);
    assert!(header.contains("with ESMTPS"), "{header}");
}

#[tokio::test]
async fn what_stands_behind_starttls_is_not_answered() {
    let world = World::new().await;
    let mut client = world.client().await;
    client
        .send(b"EHLO peer.test\r\nSTARTTLS\r\nMAIL FROM:<a@peer.test>\r\n")
        .await;
    client.expect(&["220", "250", "421 4.7.0"]).await;
    assert!(client.ended().await);
}

#[tokio::test]
async fn recipients_before_starttls_are_forgotten_behind_it() {
    let world = World::new().await;
    let mut client = world.greeted().await;
    client
        .send(b"MAIL FROM:<a@peer.test>\r\nRCPT TO:<ada@inbox.example>\r\nSTARTTLS\r\n")
        .await;
    client.expect(&["250", "250", "220"]).await;
    let mut client = client.secure().await;
    client.say("DATA").await;
    client.expect(&["503 5.5.1"]).await;
}

#[tokio::test]
async fn nobody_is_a_sender_too_and_to_several() {
    let world = World::new().await;
    let mut client = world.greeted().await;
    client.say("MAIL FROM:<>").await;
    client.expect(&["250 2.1.0"]).await;
    client.say("RCPT TO:<ada@inbox.example>").await;
    client.expect(&["250 2.1.5"]).await;
    client.say("RCPT TO:<bob@inbox.example>").await;
    client.expect(&["250 2.1.5"]).await;
    client
        .send(format!("DATA\r\n{MESSAGE}.\r\n").as_bytes())
        .await;
    client.expect(&["354", "250 2.0.0 Accepted as in_"]).await;
    assert_eq!(world.stored()[0].mails.len(), 2);
}

#[tokio::test]
async fn a_bounce_comes_to_its_address() {
    let world = World::new().await;
    let mut client = world.greeted().await;
    let to = world.bounce_address();
    client
        .send(format!("MAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n{MESSAGE}.\r\n").as_bytes())
        .await;
    client.expect(&["250", "250", "354", "250 2.0.0"]).await;
    // A guess at one is an address that nobody has.
    let forged = to.replacen("bounce+", "bounce+a", 1);
    client
        .send(format!("MAIL FROM:<>\r\nRCPT TO:<{forged}>\r\n").as_bytes())
        .await;
    client.expect(&["250", "550 5.1.1"]).await;
}

#[tokio::test]
async fn the_postmaster_needs_no_domain() {
    let world = World::new().await;
    let mut client = world.greeted().await;
    for to in ["Postmaster", "postmaster@mx.test", "abuse@inbox.example"] {
        client
            .send(format!("MAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n{MESSAGE}.\r\n").as_bytes())
            .await;
        client.expect(&["250", "250", "354", "250 2.0.0"]).await;
    }
}

#[tokio::test]
async fn everything_at_once_is_answered_in_order() {
    let world = World::new().await;
    let mut client = world.client().await;
    let session = format!(
        "EHLO peer.test\r\nMAIL FROM:<a@peer.test>\r\nRCPT TO:<x@elsewhere.example>\r\n\
         RCPT TO:<ada@inbox.example>\r\nRCPT TO:<ada@strict.example>\r\n\
         RCPT TO:<ada@theirs.example>\r\nRCPT TO:<nobody@mx.test>\r\nDATA\r\n{MESSAGE}.\r\n\
         MAIL FROM:<a@peer.test>\r\nRCPT TO:<ada@theirs.example>\r\nDATA\r\n{MESSAGE}.\r\nQUIT\r\n"
    );
    client.send(session.as_bytes()).await;
    client
        .expect(&[
            "220",
            "250",
            "250",
            "550 5.7.1 Relaying denied",
            "250",
            "452 4.5.3",
            "452 4.5.3",
            "550 5.1.1",
            "354",
            "250",
            "250",
            "250",
            "354",
            "250",
            "221",
        ])
        .await;
    let stored = world.stored();
    let to = |at: usize| stored[at].mails[0].mail.recipient.to_string();
    assert_eq!((stored.len(), stored[0].mails.len()), (2, 1));
    assert_eq!(
        (to(0).as_str(), to(1).as_str()),
        ("ada@inbox.example", "ada@theirs.example")
    );
}

#[tokio::test]
async fn who_it_is_from_is_found_out() {
    let world = World::with(InboundDoorOptions {
        verify: true,
        ..behind_a_proxy()
    })
    .await;
    let table = world.dns.table();
    let policy = postbell_peers::dns::Entry::txt(["v=spf1 ip4:192.0.2.1 -all"]);
    table.set("peer.test", policy);
    for (ip, verdict) in [("192.0.2.1", "pass"), ("192.0.2.2", "fail")] {
        let mut client = world.client_from(ip).await;
        client
            .send(format!("{ENVELOPE}{MESSAGE}.\r\n").as_bytes())
            .await;
        client
            .expect(&["220", "250", "250", "250", "354", "250 2.0.0"])
            .await;
        let body = world.stored().pop().unwrap().body;
        let header = String::from_utf8_lossy(&body).into_owned();
        assert!(header.contains(&format!("spf={verdict}")), "{header}");
    }
}

#[tokio::test]
async fn what_stands_against_new_mail_is_told() {
    let world = World::new().await;
    let mut open = world.greeted().await;
    for (obstacle, greeting, mail) in [
        (Obstacle::StoreStopped, "421 4.3.0 ", "451 4.3.0 "),
        (Obstacle::DiskLow, "421 4.3.1 ", "452 4.3.1 "),
        (Obstacle::MemoryHigh, "421 4.3.2 ", "451 4.3.2 "),
    ] {
        world.admission.set(obstacle);
        open.say("MAIL FROM:<a@peer.test>").await;
        let reply = open.reply().await;
        assert_eq!(reply, format!("{mail}{}", obstacle.sentence()));
        let mut new = world.client().await;
        let reply = new.reply().await;
        assert_eq!(reply, format!("{greeting}{}", obstacle.sentence()));
        assert!(new.ended().await);
        world.admission.clear(obstacle);
    }
    open.say("MAIL FROM:<a@peer.test>").await;
    open.expect(&["250"]).await;
}

#[tokio::test]
async fn a_proxy_says_who_the_client_is() {
    let world = World::with(behind_a_proxy()).await;
    let mut client = world.client_from("2001:db8::7").await;
    client
        .send(format!("{ENVELOPE}{MESSAGE}.\r\n").as_bytes())
        .await;
    client
        .expect(&["220", "250", "250", "250", "354", "250 2.0.0"])
        .await;
    let peer = world.stored()[0].mails[0].mail.peer;
    assert_eq!(peer.to_string(), "2001:db8::7");
    let mut without = world.client().await;
    without.say("EHLO peer.test").await;
    assert!(without.was_dropped().await);
}

#[tokio::test]
async fn slow_clients_are_sent_away() {
    let mut hurried = options();
    hurried.timeouts.command = Duration::from_millis(20);
    let world = World::with(hurried).await;
    let mut client = world.client().await;
    client.expect(&["220", "421 4.4.2"]).await;
    assert!(client.ended().await);

    let mut paced = options();
    paced.limits.min_data_rate = 1_000;
    paced.timeouts.data_grace = Duration::ZERO;
    let world = World::with(paced).await;
    let mut client = world.client().await;
    client.send(ENVELOPE.as_bytes()).await;
    client
        .expect(&["220", "250", "250", "250", "354", "421 4.4.2"])
        .await;

    let mut short = options();
    short.timeouts.session = Duration::from_millis(20);
    let world = World::with(short).await;
    let mut client = world.client().await;
    client.expect(&["220", "421 4.4.2"]).await;
    assert_eq!(world.stored().len(), 0);
}

#[tokio::test]
async fn stopping_ends_the_idle_and_lets_a_message_finish() {
    let world = World::new().await;
    let mut idle = world.greeted().await;
    let mut sending = world.client().await;
    sending.send(ENVELOPE.as_bytes()).await;
    sending.expect(&["220", "250", "250", "250", "354"]).await;
    world.stop.cancel();
    idle.expect(&["421 4.3.2"]).await;
    assert!(idle.ended().await);
    sending.send(format!("{MESSAGE}.\r\n").as_bytes()).await;
    sending.expect(&["250 2.0.0", "421 4.3.2"]).await;
    assert_eq!(world.stored().len(), 1);
    drop((idle, sending));
    world.finished().await;
}

#[tokio::test]
async fn new_options_hold_for_new_sessions() {
    let world = World::new().await;
    let mut open = world.greeted().await;
    let mut other = options();
    other.limits.max_message_size = 10;
    world.door.change(other);
    open.say("MAIL FROM:<a@peer.test> SIZE=11").await;
    open.expect(&["250"]).await;
    let mut new = world.greeted().await;
    new.say("MAIL FROM:<a@peer.test> SIZE=11").await;
    new.expect(&["552 5.3.4"]).await;
}
