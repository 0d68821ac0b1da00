//! What people write to the address of a delivery, however much it looks like a program's mail.

use postbell_model::{Fact, InboundKind};

use super::world::{World, fact, untokened};

/// A message is a reply of Ann's, and nothing else is said of the delivery.
async fn check(world: &World, message: &str) {
    for to in [world.reply(), world.bounce()] {
        let new = world.receive_one(&to, message).await;
        assert_eq!(new.mail.kind, InboundKind::Reply, "{message}");
        let Fact::Reply(reply) = fact(&new) else {
            panic!("{:?}", new.facts);
        };
        assert_eq!(reply.content.auto_reply, None, "{message}");
    }
}

#[tokio::test]
async fn a_report_that_they_pass_on_is_a_reply() {
    let world = World::new();
    let report = untokened("dsn-failed").replace("ann@customer.example", "nobody@other.example");
    for subject in ["Re: Your order", "Fwd: Undelivered Mail", "Please call me"] {
        let message = format!(
            "From: Ann <ann@customer.example>\nSubject: {subject}\n\
             In-Reply-To: <4711@sender.example>\n\
             Content-Type: multipart/mixed; boundary=m\n\n--m\n\nPlease call me.\n\n\
             --m\nContent-Type: message/rfc822\n\n{report}\n--m--\n"
        );
        check(&world, &message).await;
    }
}

#[tokio::test]
async fn what_a_provider_told_them_is_a_reply() {
    let world = World::new();
    let fact = r#"{"notificationType":"Complaint","complaint":{"complainedRecipients":
        [{"emailAddress":"nobody@other.example"}]},"mail":{"messageId":"1"}}"#;
    let message = format!(
        "From: Ann <ann@customer.example>\nSubject: Re: Your order\n\
         In-Reply-To: <4711@sender.example>\n\n{fact}\n\nWhat does that mean?\n"
    );
    check(&world, &message).await;
}

#[tokio::test]
async fn their_address_makes_them_no_program() {
    let world = World::new();
    let returned = "From: orders@sender.example\nMessage-ID: <4711@sender.example>\n\nHello\n";
    for (from, subject) in [
        ("postmaster", "Re : Your order"),
        ("postmaster", "Your order"),
        ("feedback", "Re: about your feedback loop"),
        ("feedback", "Fwd: abuse report"),
    ] {
        let message = format!(
            "From: Ann <{from}@customer.example>\nSubject: {subject}\n\
             In-Reply-To: <4711@sender.example>\n\
             Content-Type: multipart/mixed; boundary=m\n\n--m\n\n\
             My mail to nobody@other.example could not be delivered.\n\n\
             --m\nContent-Type: message/rfc822\n\n{returned}\n--m--\n"
        );
        check(&world, &message).await;
    }
}

#[tokio::test]
async fn that_they_are_away_makes_them_no_program() {
    let world = World::new();
    for head in [
        "Subject: Urlaub",
        "Subject: Holiday: booking in May",
        "Subject: I am on vacation, can you ship later?",
        "Subject: Re: Your order\nX-MS-Exchange-Inbox-Rules-Loop: ann@customer.example",
    ] {
        let message = format!(
            "From: Ann <ann@customer.example>\n{head}\nIn-Reply-To: <4711@sender.example>\n\n\
             We are on holiday next week.\n"
        );
        check(&world, &message).await;
    }
}
