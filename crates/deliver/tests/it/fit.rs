//! Hosts that take less than the message has.

use std::time::Duration;

use bytes::Bytes;
use postbell_model::{Fact, Phase};
use postbell_peers::mx::MxOptions;
use postbell_store::Claimed;

use crate::world::{Setup, World, mail_from};

const LIMIT: Duration = Duration::from_secs(10);
const HEAD: &str = "From: <ann@sender.example>\r\nMIME-Version: 1.0\r\n";

fn seven_bit_host() -> Setup {
    Setup {
        mx: MxOptions {
            extensions: vec!["PIPELINING".to_owned()],
            ..MxOptions::default()
        },
        ..Setup::default()
    }
}

fn claimed(world: &World, rest: &str) -> Claimed {
    let body = Bytes::from(format!("{HEAD}{rest}"));
    world.claimed("bob@example.com", mail_from(), body)
}

async fn received(world: &World) -> (String, String) {
    let received = world.mx.wait_for_message(LIMIT, |_| true).await.unwrap();
    let body = String::from_utf8(received.body.to_vec()).unwrap();
    (received.parameters.clone(), body)
}

#[tokio::test]
async fn a_host_without_8bitmime_gets_7bit_content() {
    let world = World::with(seven_bit_host()).await;
    let text = "Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
    let delivery = world.accept_this(claimed(&world, text));
    let outcome = world.outcome(delivery).await;
    assert!(matches!(outcome, Fact::Delivery { .. }), "{outcome:?}");
    let (parameters, body) = received(&world).await;
    assert!(!parameters.contains("8BITMIME"), "{parameters}");
    let wanted = "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n";
    assert!(body.is_ascii() && body.ends_with(wanted), "{body}");
    world.end().await;
}

#[tokio::test]
async fn a_host_with_8bitmime_gets_the_content_as_it_is() {
    let world = World::new().await;
    let text = "Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
    world.accept_this(claimed(&world, text));
    let (parameters, body) = received(&world).await;
    assert!(parameters.contains("BODY=8BITMIME"), "{parameters}");
    assert!(body.ends_with(text), "{body}");
    world.end().await;
}

#[tokio::test]
async fn what_can_not_be_made_7bit_is_told_with_its_reason() {
    let world = World::with(seven_bit_host()).await;
    let signed = "Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n\u{e9}\r\n--x--\r\n";
    let header = "Subject: \u{e9}\r\n\r\nx\r\n";
    let mut needs_smtputf8 = claimed(&world, header);
    let mut message = (*needs_smtputf8.message).clone();
    message.smtputf8 = true;
    needs_smtputf8.message = message.into();
    for (claimed, code, detail, reason) in [
        (claimed(&world, signed), 554, 3, "signed or encrypted"),
        (
            claimed(&world, header),
            554,
            3,
            "a header in it is not ASCII",
        ),
        (needs_smtputf8, 553, 7, "SMTPUTF8"),
    ] {
        let delivery = world.accept_this(claimed);
        let Fact::Bounce { attempt, .. } = world.outcome(delivery).await else {
            panic!("not bounced");
        };
        let last = attempt.last().unwrap();
        let enhanced = last.reply.enhanced.unwrap();
        assert_eq!((last.phase, last.reply.code), (Phase::Render, code));
        assert_eq!((enhanced.subject, enhanced.detail), (6, detail));
        assert!(last.reply.text.contains(reason), "{}", last.reply.text);
        assert!(!last.from_peer);
    }
    world.end().await;
}

#[tokio::test]
async fn long_lines_are_shortened_for_every_host() {
    let world = World::new().await;
    let to = "bob@example.com, ".repeat(100);
    let long = "x".repeat(5_000);
    world.accept_this(claimed(&world, &format!("To: {to}\r\n\r\n{long}\r\n")));
    let (_, body) = received(&world).await;
    assert!(body.lines().all(|line| line.len() <= 998), "{body}");
    assert!(body.contains("Content-Transfer-Encoding: quoted-printable\r\n"));
    let (_, text) = body.split_once("\r\n\r\n").unwrap();
    assert_eq!(text.replace("=\r\n", ""), format!("{long}\r\n"));
    world.end().await;
}
