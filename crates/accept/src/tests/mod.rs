//! The gate before a store of paper: offers and what becomes of them.

mod asked;
pub(crate) mod fakes;
mod forwards;
mod offers;
mod sending;

use std::time::Duration;

use postbell_model::{DeliveryId, Reply, RetryPolicy, Timestamp};
use postbell_store::StoreError;
use proptest::prelude::*;

use crate::{Accepted, Offer, Refusal};
use fakes::{NOW, World, address, offer, offer_of};

#[tokio::test]
async fn what_is_accepted_is_stored_as_decided() {
    let world = World::new();
    let given = Offer {
        recipients: vec![
            address("x@example.org").into(),
            address("y@example.org").into(),
        ],
        ..offer_of("From: Ann <ann@example.com>\r\nSubject: =?utf-8?q?J=C3=B6?=\r\n\r\nHi\r\n")
    };
    let body = given.body.clone();
    let accepted = world.gate.submit(given).await.unwrap();
    let stored = world.stored();
    let [submission] = stored.as_slice() else {
        panic!("{} submissions", stored.len());
    };
    let message = &submission.message;
    assert_eq!(message.id, accepted.message);
    assert_eq!(message.workspace, fakes::OURS);
    assert_eq!(message.configuration_set, fakes::HASTY);
    assert_eq!(message.source, "ann@example.com");
    assert_eq!(message.subject, "Jö");
    assert_eq!(
        message.header_message_id,
        format!("<{}@example.com>", message.id)
    );
    assert_eq!(message.accepted_at, NOW);
    assert_eq!(message.size, body.len() as u64);
    assert!(!message.eight_bit && !message.smtputf8);
    assert_eq!(message.received, fakes::received());
    assert_eq!(
        submission.body.as_ptr(),
        body.as_ptr(),
        "the body is not copied"
    );
    let ids: Vec<DeliveryId> = submission.deliveries.iter().map(|new| new.id).collect();
    assert_eq!(ids, accepted.deliveries);
}

#[tokio::test]
async fn a_message_id_that_is_there_is_kept() {
    let world = World::new();
    let given = offer_of("From: a@example.com\r\nMessage-ID:\r\n <1@x.example>\r\n\r\n");
    world.gate.submit(given).await.unwrap();
    assert_eq!(world.stored()[0].message.header_message_id, "<1@x.example>");
}

#[tokio::test]
async fn a_recipient_gets_a_message_once() {
    let world = World::new();
    let given = Offer {
        recipients: [
            "b@example.org",
            "a@example.org",
            "b@EXAMPLE.org",
            "B@example.org",
        ]
        .map(|to| address(to).into())
        .to_vec(),
        ..offer()
    };
    let Accepted { deliveries, .. } = world.gate.submit(given).await.unwrap();
    let recipients: Vec<_> = world.stored()[0]
        .deliveries
        .iter()
        .map(|new| new.recipient.to_string())
        .collect();
    // RFC 5321 §2.4: whether local parts differ by case is for their own host to say.
    assert_eq!(
        recipients,
        ["b@example.org", "a@example.org", "B@example.org"]
    );
    assert_eq!(deliveries.len(), 3);
}

#[tokio::test]
async fn retry_and_expiry_follow_the_configuration_set() {
    let defaults = World::RETRY;
    for (from, expire_after) in [
        ("a@example.com", Duration::from_secs(3_600)),
        ("a@plain.example", defaults.expire_after),
    ] {
        let world = World::new();
        let given = offer_of(&format!("From: {from}\r\n\r\n"));
        world.gate.submit(given).await.unwrap();
        let new = &world.stored()[0].deliveries[0];
        assert_eq!(new.expires_at, NOW.after(expire_after));
        let wait = new.retry_at.since(NOW).as_secs();
        assert!((270..=330).contains(&wait), "{wait} s");
    }
}

#[tokio::test]
async fn retries_are_spread() {
    let world = World::new();
    let recipients = (0..20)
        .map(|n| address(&format!("r{n}@example.org")).into())
        .collect();
    world
        .gate
        .submit(Offer {
            recipients,
            ..offer()
        })
        .await
        .unwrap();
    let stored = world.stored();
    let first = stored[0].deliveries[0].retry_at;
    assert!(stored[0].deliveries.iter().any(|new| new.retry_at != first));
}

#[tokio::test]
async fn a_policy_without_retries_still_says_when_to_try_again() {
    let world = World::with_retry(RetryPolicy {
        max_retries: Some(0),
        expire_after: Duration::from_secs(60),
        ..World::RETRY
    });
    world
        .gate
        .submit(offer_of("From: a@plain.example\r\n\r\n"))
        .await
        .unwrap();
    let new = &world.stored()[0].deliveries[0];
    assert_eq!(new.retry_at, NOW.after(Duration::from_secs(60)));
}

#[tokio::test]
async fn hosts_must_offer_what_the_octets_need() {
    for (message, eight_bit, smtputf8) in [
        ("From: a@example.com\r\n\r\nHi\r\n", false, false),
        ("From: a@example.com\r\n\r\nHé\r\n", true, false),
        ("From: a@example.com\r\nSubject: é\r\n\r\n", true, true),
    ] {
        for declared in [true, false] {
            let world = World::new();
            let given = Offer {
                smtputf8: declared,
                ..offer_of(message)
            };
            world.gate.submit(given).await.unwrap();
            let stored = world.stored();
            let message = &stored[0].message;
            assert_eq!(message.eight_bit, eight_bit);
            assert_eq!(message.smtputf8, declared && smtputf8);
        }
    }
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_told_without_its_inside() {
    for (error, reply) in [
        (
            StoreError::Busy,
            Reply::new(
                451,
                3,
                2,
                "Too much mail is waiting to be stored; try again in a minute",
            ),
        ),
        (
            StoreError::Full,
            Reply::new(
                452,
                3,
                1,
                "There is no space to store the message; try again later",
            ),
        ),
        (
            StoreError::Stopped("fdatasync: EIO".into()),
            Reply::new(
                451,
                3,
                0,
                "The message could not be stored; try again later",
            ),
        ),
        (
            StoreError::Refused("duplicate id".into()),
            Reply::new(
                451,
                3,
                0,
                "The message could not be stored; try again later",
            ),
        ),
    ] {
        let world = World::failing(error);
        let refusal = world.gate.submit(offer()).await.unwrap_err();
        assert_eq!(refusal.reply(), reply);
    }
    let world = World::mute();
    let refusal = world.gate.submit(offer()).await.unwrap_err();
    assert_eq!(refusal, Refusal::NotStored);
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("From: a@example.com\r\n".to_owned()),
        Just("From: a@foreign.example\r\n".to_owned()),
        Just("Sender: b@example.com\r\n".to_owned()),
        Just("\r\n".to_owned()),
        "(From|Sender|Subject|Date|X): [ -~é]{0,30}\r\n",
        "[ -~]{0,20}(\r|\n|\r\n)",
    ]
}

proptest! {
    #[test]
    fn whatever_is_offered_is_stored_once_or_refused(
        lines in prop::collection::vec(line(), 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut octets = lines.concat().into_bytes();
        octets.extend(tail);
        let world = World::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let given = Offer { body: octets.into(), ..offer() };
        let outcome = runtime.block_on(world.gate.submit(given));
        let stored = world.stored();
        match outcome {
            Ok(accepted) => {
                prop_assert_eq!(stored.len(), 1);
                prop_assert_eq!(stored[0].message.id, accepted.message);
                prop_assert!(stored[0].message.accepted_at >= Timestamp::default());
                prop_assert!(stored[0].message.source.ends_with("@example.com"));
            }
            Err(refusal) => {
                prop_assert_eq!(stored.len(), 0);
                let reply = refusal.reply();
                prop_assert!((400..600).contains(&reply.code));
                prop_assert!(reply.text.is_ascii() && reply.text.len() < 450);
            }
        }
    }
}
