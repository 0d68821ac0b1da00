//! What the submission door takes, and what it says to what it doesn't take.

use bytes::Bytes;
use postbell_peers::client::Mail;
use postbell_tests::{World, mail};

#[tokio::test]
async fn a_mail_is_answered_with_its_id() -> anyhow::Result<()> {
    let world = World::start().await?;
    let outcome = world.offer(mail(&["ann@recipient.test"])).await?;
    let reply = outcome.message.expect("DATA went through").to_string();
    let told = world.told("Send", "ann@recipient.test").await?;
    let id = told.document["mail"]["messageId"].as_str().unwrap();
    assert!(reply.starts_with("250 2."), "{reply}");
    assert!(reply.contains(id), "{reply} does not name {id}");
    world.finish().await
}

#[tokio::test]
async fn a_sender_of_another_domain_is_refused_and_named() -> anyhow::Result<()> {
    let world = World::start().await?;
    let mut foreign = mail(&["ann@recipient.test"]);
    foreign.from = "orders@foreign.test".to_owned();
    let outcome = world.offer(foreign).await?;
    let reply = outcome.mail.to_string();
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    assert!(reply.contains("foreign.test"), "{reply}");
    assert!(!outcome.is_taken());
    world.finish().await
}

#[tokio::test]
async fn an_author_of_another_domain_is_refused() -> anyhow::Result<()> {
    let world = World::start().await?;
    for author in ["ceo@foreign.test", "orders@sender.test, ceo@sender.test"] {
        let reply = refused(&world, &format!("From: {author}\r\n\r\nHello.\r\n")).await?;
        assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    }
    world.finish().await
}

#[tokio::test]
async fn a_message_without_an_author_is_refused() -> anyhow::Result<()> {
    let world = World::start().await?;
    let reply = refused(&world, "Subject: No author\r\n\r\nHello.\r\n").await?;
    assert!(reply.starts_with("550 5.6.0 "), "{reply}");
    assert!(reply.contains("From"), "{reply}");
    world.finish().await
}

#[tokio::test]
async fn commands_that_are_wrong_get_exact_answers() -> anyhow::Result<()> {
    let world = World::start().await?;
    let mut client = world.client().await?;
    for (command, answer) in [
        ("RCPT TO:<ann@recipient.test>", "503 5.5.1 "),
        ("DATA", "503 5.5.1 "),
        ("MAIL FROM:<orders@sender.test> COLOUR=RED", "555 5.5.4 "),
        (
            "MAIL FROM:<orders@sender.test> SIZE=999999999",
            "552 5.3.4 ",
        ),
        ("MAIL FROM:orders@sender.test", "501 5."),
        ("MAIL FROM:<orders@sender.test>", "250 2.1.0 "),
        ("RCPT TO:<ann recipient.test>", "501 5."),
        ("RCPT TO:<ann@[192.0.2.1]>", "550 5.1.2 "),
        ("RCPT TO:<ann@recipient.test>", "250 2.1.5 "),
        ("JUMP", "500 5.5."),
        ("RSET", "250 2."),
        ("QUIT", "221 2.0.0 "),
    ] {
        let reply = client.command(command).await?.to_string();
        assert!(reply.starts_with(answer), "{command}: {reply}");
    }
    world.finish().await
}

#[tokio::test]
async fn a_recipient_too_many_is_told_to_come_again() -> anyhow::Result<()> {
    let world = World::with(&[("submission.limits.max_recipients", "100")]).await?;
    let many: Vec<_> = (0..101).map(|n| format!("u{n}@recipient.test")).collect();
    let to: Vec<_> = many.iter().map(String::as_str).collect();
    let outcome = world.offer(mail(&to)).await?;
    let last = outcome.rcpt[100].to_string();
    assert!(outcome.rcpt[99].is_positive());
    assert!(last.starts_with("452 4.5.3 "), "{last}");
    world.finish().await
}

#[tokio::test]
async fn what_was_refused_is_neither_delivered_nor_told() -> anyhow::Result<()> {
    let world = World::start().await?;
    refused(&world, "Subject: No author\r\n\r\nHello.\r\n").await?;
    world.submit(&["bob@recipient.test"]).await?;
    world.told("Delivery", "bob@recipient.test").await?;
    assert_eq!(world.kinds("hook", "ann@recipient.test").len(), 0);
    assert_eq!(world.mx.counts().messages, 1);
    world.finish().await
}

/// The reply to the final dot of a message that must not be taken.
async fn refused(world: &World, text: &str) -> anyhow::Result<String> {
    let mail = Mail {
        body: Bytes::copy_from_slice(text.as_bytes()),
        ..mail(&["ann@recipient.test"])
    };
    let outcome = world.offer(mail).await?;
    let reply = outcome.message.expect("DATA went through");
    assert!(!reply.is_positive(), "{reply}");
    Ok(reply.to_string())
}
