//! What is refused, and in which words.

use futures_util::FutureExt;
use postbell_model::ReversePath;

use super::fakes::{World, address, offer, offer_of};
use crate::Offer;

async fn check(offer: Offer, reply: &str) {
    let world = World::new();
    let refusal = world.gate.submit(offer).await.unwrap_err();
    assert_eq!(refusal.reply().to_string(), reply);
    assert!(world.stored().is_empty(), "{reply}");
}

#[tokio::test]
async fn a_message_must_be_from_a_domain_of_the_workspace() {
    const HOW: &str = "does not belong to this workspace; \
         add it with `postbell domain add`, or send from a domain that does";
    for (message, field, domain) in [
        (
            "From: a@foreign.example\r\n\r\n",
            "the From field",
            "foreign.example",
        ),
        (
            "From: a@theirs.example\r\n\r\n",
            "the From field",
            "theirs.example",
        ),
        (
            "From: a@sub.example.com\r\n\r\n",
            "the From field",
            "sub.example.com",
        ),
        (
            "From: a@example.com\r\nSender: b@foreign.example\r\n\r\n",
            "the Sender field",
            "foreign.example",
        ),
    ] {
        let reply = format!("550 5.7.1 The domain {domain} in {field} {HOW}");
        check(offer_of(message), &reply).await;
    }
    let foreign = Offer {
        envelope_from: ReversePath::Mailbox(address("a@foreign.example")),
        ..offer()
    };
    let reply = format!("550 5.7.1 The domain foreign.example in MAIL FROM {HOW}");
    check(foreign, &reply).await;
}

#[tokio::test]
async fn a_message_has_one_author_that_can_be_read() {
    for (message, reply) in [
        (
            "Subject: x\r\n\r\n",
            "550 5.6.0 The message has no From field; add one with your address",
        ),
        (
            "From: Ann\r\n\r\n",
            "550 5.6.0 The message is malformed in the From field: the address has no @",
        ),
        (
            "From: \r\n\r\n",
            "550 5.6.0 The message is malformed in the From field: it names no address",
        ),
        (
            "From: Us:a@example.com;\r\n\r\n",
            "550 5.6.0 The message is malformed in the From field: \
             it has a colon outside quotes, which makes it a group of addresses",
        ),
        (
            "From: ceo@bank.example <a@example.com>\r\n\r\n",
            "550 5.6.0 The message is malformed in the From field: \
             its display name has an @, so it must stand in double quotes",
        ),
        (
            "From: a@example.com, b@example.com\r\n\r\n",
            "550 5.7.1 There is more than one address in the From field; send from one",
        ),
        (
            "From: a@example.com\r\nFrom: b@example.com\r\n\r\n",
            "550 5.6.0 The message has more than one From field; RFC 5322 allows one",
        ),
        (
            "From: a@example.com\r\nSender: b@example.com, c@example.com\r\n\r\n",
            "550 5.7.1 There is more than one address in the Sender field; send from one",
        ),
        (
            "From: a@example.com\r\nSender: nobody\r\n\r\n",
            "550 5.6.0 The message is malformed in the Sender field: the address has no @",
        ),
    ] {
        check(offer_of(message), reply).await;
    }
}

#[tokio::test]
async fn a_message_must_have_one_reading() {
    for (message, reply) in [
        (
            "From: a@example.com\r\nHello\r\n\r\n",
            "550 5.6.0 Line 2 of the header is not a header field; \
             a field has a name and a colon, and an empty line ends the header",
        ),
        (
            "From: a@example.com\r\n\r\nx\n.\r\n",
            "550 5.6.0 The message has a CR without LF or an LF without CR; \
             end each line with CRLF",
        ),
        (
            "From: a@example.com\r\nSubject: x\r\nsubject: y\r\n\r\n",
            "550 5.6.0 The message has more than one Subject field; RFC 5322 allows one",
        ),
    ] {
        check(offer_of(message), reply).await;
    }
}

#[tokio::test]
async fn a_message_has_limits() {
    let signed = |len| {
        offer_of(&format!(
            "From: a@example.com\r\nContent-Type: multipart/signed; boundary=x\r\n\r\n\
             --x\r\n\r\n{}\r\n--x--\r\n",
            "x".repeat(len)
        ))
    };
    let reply = "550 5.6.0 A line of the message has 2049 octets and at most 2048 are taken where \
                 it can't be encoded on the way; encode the content as quoted-printable or base64";
    check(signed(2_049), reply).await;
    assert!(World::new().gate.submit(signed(2_048)).await.is_ok());
    let field = format!("From: a@example.com\r\nX-Id: {}\r\n\r\n", "x".repeat(998));
    let reply = "550 5.6.0 The field X-Id has a word of more than 998 octets, which fits no line";
    check(offer_of(&field), reply).await;
    let header = format!("From: a@example.com\r\n{}\r\n", "X: y\r\n".repeat(50_000));
    let reply = "550 5.6.0 The message can't be read: the header is longer than 262144 octets";
    check(offer_of(&header), reply).await;
    let id = format!(
        "From: a@example.com\r\nMessage-ID: <{}>\r\n\r\n",
        "x".repeat(997)
    );
    check(
        offer_of(&id),
        "550 5.6.0 The Message-ID is longer than 998 octets",
    )
    .await;
}

#[tokio::test]
async fn long_lines_that_can_be_folded_or_encoded_are_taken() {
    for message in [
        format!("From: a@example.com\r\n\r\n{}\r\n", "x".repeat(100_000)),
        format!(
            "From: a@example.com\r\nTo: {}\r\n\r\n",
            "b@example.org, ".repeat(500)
        ),
        format!(
            "From: a@example.com\r\nX-Postbell-Tags: {}\r\n\r\n",
            vec!["x".repeat(120); 20].join(",")
        ),
    ] {
        assert!(World::new().gate.submit(offer_of(&message)).await.is_ok());
    }
}

// RFC 5321 §6.3
#[tokio::test]
async fn a_message_that_goes_in_circles_is_refused() {
    let hops = |count| {
        let received = "Received: from a by b; date\r\n".repeat(count);
        offer_of(&format!("{received}From: a@example.com\r\n\r\n"))
    };
    let reply = "554 5.4.6 Routing loop: the message has 50 Received fields already";
    check(hops(50), reply).await;
    assert!(World::new().gate.submit(hops(49)).await.is_ok());
}

#[tokio::test]
async fn the_envelope_is_checked_again() {
    let nobody = Offer {
        recipients: Vec::new(),
        ..offer()
    };
    check(nobody, "554 5.5.1 There is no recipient; name at least one").await;
    let literal = Offer {
        recipients: vec![address("a@[192.0.2.1]").into()],
        ..offer()
    };
    let reply = "550 5.1.2 Mail is not delivered to address literals such as [192.0.2.1]; \
                 use a domain name";
    check(literal, reply).await;
}

#[tokio::test]
async fn an_international_address_needs_smtputf8() {
    let reply = |domain: &str| {
        format!(
            "553 5.6.7 An address at {domain} is not ASCII before its @; \
             send the message with the SMTPUTF8 parameter of MAIL FROM"
        )
    };
    let to = Offer {
        recipients: vec![address("josé@example.org").into()],
        ..offer()
    };
    check(to.clone(), &reply("example.org")).await;
    let from = offer_of("From: josé@example.com\r\n\r\n");
    check(from.clone(), &reply("example.com")).await;
    for offer in [to, from] {
        let declared = Offer {
            smtputf8: true,
            ..offer
        };
        assert!(World::new().gate.submit(declared).await.is_ok());
    }
}

#[tokio::test]
async fn a_null_reverse_path_is_welcome_and_stays() {
    let world = World::new();
    let null = Offer {
        envelope_from: ReversePath::Null,
        ..offer()
    };
    assert!(world.gate.submit(null).await.is_ok());
    assert_eq!(world.stored()[0].message.mail_from, ReversePath::Null);
}

#[test]
fn commands_are_checked_before_the_message() {
    let gate = World::new().gate;
    let from = |text| ReversePath::Mailbox(address(text));
    let ours = super::fakes::OURS;
    assert!(gate.check_sender(ours, &from("a@example.com")).is_ok());
    assert!(gate.check_sender(ours, &ReversePath::Null).is_ok());
    assert!(gate.check_sender(ours, &from("a@theirs.example")).is_err());
    assert!(gate.check_recipient(&address("a@example.org")).is_ok());
    assert!(gate.check_recipient(&address("a@[IPv6:::1]")).is_err());
}

#[tokio::test]
async fn a_large_message_is_read_while_others_are_served() {
    let head = "From: Ann <ann@example.com>\r\n";
    let scanned = format!("{head}\r\n{}\n", "a line\r\n".repeat(150_000));
    let read = format!("{head}\r\n{}\r\n", "long ".repeat(30_000));
    let small = format!("{head}\r\nbare\n");
    for (message, at_once) in [(scanned, false), (read, false), (small, true)] {
        let world = World::new();
        let turns = world.gate.apart().all_turns();
        let mut submitting = Box::pin(world.gate.submit(offer_of(&message)));
        let answer = (&mut submitting).now_or_never();
        assert_eq!(answer.is_some(), at_once, "{} octets", message.len());
        drop(turns);
        if !at_once {
            let _in_the_end = submitting.await;
        }
    }
}
