//! Where answers go: to us, with a token that names the delivery, unless the message says otherwise.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::token::Purpose;
use postbell_model::{Address, DeliveryId, Message, ReversePath, Secret, TokenKeys};
use postbell_store::Claimed;

use crate::queue::{KEY, WORKSPACE};
use crate::world::{Setup, World, mail_from};

const LIMIT: Duration = Duration::from_secs(10);
const HEADER: &str = "From: \"Ann's Shop\" <ann@sender.example>\r\nSubject: hello\r\n";

/// A message with these fields as well, as its MX got it.
async fn delivered(
    world: &World,
    more: &str,
    envelope: impl Fn(&mut Message),
) -> (DeliveryId, String) {
    let body = Bytes::from(format!("{HEADER}{more}\r\nHello.\r\n"));
    let mut claimed: Claimed = world.claimed("bob@example.com", mail_from(), body);
    let mut message = Message::clone(&claimed.message);
    envelope(&mut message);
    claimed.message = Arc::new(message);
    let delivery = world.accept_this(claimed);
    world.outcome(delivery).await;
    let id = TokenKeys::new([(0, &Secret::new(KEY))]).unwrap();
    let received = world.mx.wait_for_message(LIMIT, |received| {
        let text = str::from_utf8(&received.body).unwrap();
        let token = text.split_once("X-Postbell-Delivery: ").unwrap().1;
        let claim = id.verify(Purpose::Header, token.lines().next().unwrap());
        claim.unwrap().delivery == delivery
    });
    let body = received.await.unwrap().body.to_vec();
    (delivery, String::from_utf8(body).unwrap())
}

fn reply_to(text: &str) -> Vec<&str> {
    let header = text.split_once("\r\n\r\n").unwrap().0;
    let is_reply_to = |field: &&str| field.to_ascii_lowercase().starts_with("reply-to:");
    header.split("\r\n").filter(is_reply_to).collect()
}

#[tokio::test]
async fn answers_are_caught_with_a_token_of_the_delivery() {
    let world = World::new().await;
    for more in ["", "Reply-To: \r\n"] {
        let (delivery, text) = delivered(&world, more, |_| {}).await;
        assert_eq!(reply_to(&text), ["Reply-To: \"Ann's Shop\""], "{text}");
        let (_, field) = text.split_once("Reply-To: ").unwrap();
        let address = field.split_once("\r\n <reply+").unwrap().1;
        let (token, host) = address.split_once('@').unwrap();
        assert!(host.starts_with("reply.sender.example>\r\n"), "{host}");
        let keys = TokenKeys::new([(0, &Secret::new(KEY))]).unwrap();
        let claim = keys.verify(Purpose::Reply, token).unwrap();
        assert_eq!((claim.workspace, claim.delivery), (WORKSPACE, delivery));
    }
    world.end().await;
}

#[tokio::test]
async fn what_gets_no_answer_by_us_is_left_alone() {
    let world = World::new().await;
    let own = "Reply-To: Desk <desk@sender.example>\r\n";
    let (_, text) = delivered(&world, own, |_| {}).await;
    assert_eq!(reply_to(&text), [own.trim_end()]);
    let (_, text) = delivered(&world, "", |m| m.mail_from = ReversePath::Null).await;
    assert_eq!(reply_to(&text), [""; 0]);
    let (_, text) = delivered(&world, "", |message| {
        message.source = "ann@removed.example".to_owned();
        let removed = Address::parse(&message.source).unwrap();
        message.mail_from = ReversePath::Mailbox(removed);
    })
    .await;
    assert_eq!(reply_to(&text), [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn nothing_is_caught_while_nothing_can_come_in() {
    let world = World::with(Setup {
        change: |options| options.inbound_open = false,
        ..Setup::default()
    })
    .await;
    let (_, text) = delivered(&world, "", |_| {}).await;
    assert_eq!(reply_to(&text), [""; 0]);
    world.end().await;
}
