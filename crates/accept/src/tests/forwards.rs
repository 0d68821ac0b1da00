//! Messages that go on, before a store of paper.

use bytes::Bytes;
use postbell_model::{
    Address, Authentication, ConfigurationSetId, Domain, ForwardTo, ForwardWay, InboundId,
    InboundKind, InboundMail, ReversePath,
};
use postbell_store::{NewForward, StoreError, Submission};

use super::fakes::{HASTY, NOW, OURS, World, address};
use crate::Refusal;
use crate::forwarder::letter::{self, Content};

const BODY: &[u8] = b"Received: from x by us.example\r\n\twith ESMTPS id 1; now\r\n\
    From: ann@far.example\r\nX-Postbell-Stream: none\r\n\r\nHello\r\n";

fn mail() -> InboundMail {
    InboundMail {
        id: InboundId::from_bytes([7; 16]),
        workspace: Some(OURS),
        delivery: None,
        kind: InboundKind::Mail,
        at: NOW,
        peer: [192, 0, 2, 1].into(),
        mail_from: ReversePath::Mailbox(address("bounces@far.example")),
        recipient: address("support@example.com"),
        from: "ann@far.example".to_owned(),
        subject: "hello".to_owned(),
        header_message_id: Some("1@far.example".to_owned()),
        size: BODY.len() as u64,
    }
}

fn to_address(text: &str) -> ForwardTo {
    ForwardTo::Address(address(text))
}

async fn submitted(mail: &InboundMail, to: ForwardTo, content: Content) -> Submission {
    let world = World::new();
    let forward = NewForward {
        to,
        authentication: Authentication::default(),
    };
    let letter = letter::write(&world.gate, mail, &forward, content);
    let accepted = world.gate.submit_forward(letter).await.unwrap();
    let stored = world.stored().remove(0);
    assert_eq!(accepted.deliveries, [stored.deliveries[0].id]);
    stored
}

async fn of_body(body: &[u8]) -> Submission {
    let content = Content::Read(Bytes::copy_from_slice(body));
    submitted(&mail(), to_address("bob@other.example"), content).await
}

fn way(submission: &Submission) -> &ForwardWay {
    &submission.message.forward.as_ref().unwrap().way
}

#[tokio::test]
async fn mail_goes_on_from_the_address_that_it_came_to() {
    let submission = of_body(BODY).await;
    let message = &submission.message;
    assert_eq!(message.workspace, OURS);
    assert_eq!(message.configuration_set, HASTY);
    assert_eq!(message.mail_from.to_string(), "support@example.com");
    assert_eq!(message.source, "ann@far.example");
    assert_eq!(message.header_message_id, "<1@far.example>");
    assert!(!message.reports && !message.eight_bit && !message.smtputf8);
    assert_eq!(message.instructions, Default::default());
    let forward = message.forward.as_ref().unwrap();
    assert_eq!(forward.of, mail().id);
    assert_eq!(forward.way, ForwardWay::Exchangers);
    assert_eq!(submission.body, BODY, "as it came");
    let [delivery] = submission.deliveries.as_slice() else {
        panic!("{} deliveries", submission.deliveries.len());
    };
    assert_eq!(delivery.recipient, address("bob@other.example"));
    let hour = std::time::Duration::from_hours(1);
    assert_eq!(delivery.expires_at, NOW.after(hour), "as the set says");
    let key = submission.idempotency.unwrap();
    assert_eq!(key.key, format!("forward:{}", mail().id));
}

// RFC 5321 §6.1
#[tokio::test]
async fn what_came_from_nobody_goes_on_from_nobody() {
    let mail = InboundMail {
        mail_from: ReversePath::Null,
        ..mail()
    };
    let content = Content::Read(Bytes::from_static(BODY));
    let submission = submitted(&mail, to_address("bob@other.example"), content).await;
    assert_eq!(submission.message.mail_from, ReversePath::Null);
}

#[tokio::test]
async fn a_host_gets_the_address_as_it_is() {
    let host = ForwardTo::Host {
        host: Domain::parse("[127.0.0.1]").unwrap(),
        port: 2525,
    };
    let content = Content::Read(Bytes::from_static(BODY));
    let submission = submitted(&mail(), host, content).await;
    assert_eq!(submission.deliveries[0].recipient, mail().recipient);
    let ForwardWay::Host { host, port } = way(&submission) else {
        panic!("{:?}", way(&submission));
    };
    assert_eq!((host.as_str(), *port), ("[127.0.0.1]", 2525));
}

async fn nowhere(to: Address, content: Content) -> String {
    let submission = submitted(&mail(), ForwardTo::Address(to), content).await;
    match way(&submission) {
        ForwardWay::Nowhere(reply) => reply.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_goes_in_circles_goes_nowhere() {
    let seen = [b"Postbell-Forwarded: SUPPORT@example.com\r\n", BODY].concat();
    let said = nowhere(
        address("bob@other.example"),
        Content::Read(Bytes::from(seen)),
    );
    assert_eq!(
        said.await,
        "554 5.4.6 Mail loop: support@example.com has forwarded this message before"
    );
    let other = [b"Postbell-Forwarded: sales@example.com\r\n", BODY].concat();
    let submission = of_body(&other).await;
    assert_eq!(way(&submission), &ForwardWay::Exchangers);
}

#[tokio::test]
async fn what_can_not_go_on_is_told_as_a_delivery_that_failed() {
    let bob = || address("bob@other.example");
    let said = nowhere(bob(), Content::Lost).await;
    assert!(said.starts_with("554 5.3.0 "), "{said}");
    let long = Bytes::from(vec![b'x'; 300 * 1024]);
    let said = nowhere(bob(), Content::Read(long)).await;
    assert!(said.starts_with("554 5.6.0 "), "{said}");
    let literal = address("bob@[192.0.2.1]");
    let said = nowhere(literal, Content::Read(Bytes::from_static(BODY))).await;
    assert!(said.starts_with("550 5.1.2 "), "{said}");
}

#[tokio::test]
async fn what_came_with_smtputf8_goes_on_with_it() {
    let header = "Received: by us.example with UTF8SMTPS id 1\r\nSubject: é\r\n\r\n";
    let submission = of_body(header.as_bytes()).await;
    assert!(submission.message.smtputf8 && submission.message.eight_bit);
    let without = "Received: by us.example with ESMTPS id 1\r\nSubject: é\r\n\r\n";
    let submission = of_body(without.as_bytes()).await;
    assert!(!submission.message.smtputf8 && submission.message.eight_bit);
}

#[tokio::test]
async fn nobody_hears_of_mail_to_a_domain_that_was_removed() {
    let mail = InboundMail {
        recipient: address("support@gone.example"),
        ..mail()
    };
    let content = Content::Read(Bytes::from_static(BODY));
    let submission = submitted(&mail, to_address("bob@other.example"), content).await;
    assert_eq!(
        submission.message.configuration_set,
        ConfigurationSetId::OWN
    );
    assert_eq!(submission.message.workspace, OURS);
}

#[tokio::test]
async fn a_store_that_takes_nothing_keeps_it_on_the_list() {
    let world = World::failing(StoreError::Busy);
    let forward = NewForward {
        to: to_address("bob@other.example"),
        authentication: Authentication::default(),
    };
    let content = Content::Read(Bytes::from_static(BODY));
    let letter = letter::write(&world.gate, &mail(), &forward, content);
    assert_eq!(world.gate.submit_forward(letter).await, Err(Refusal::Busy));
}
