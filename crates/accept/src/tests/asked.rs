//! What control fields make of a submission.

use std::time::Duration;

use postbell_model::Timestamp;
use postbell_store::{IdempotencyKey, Submission};

use super::fakes::{self, NOW, World, offer_of};
use crate::{Door, Offer};

fn with(fields: &str) -> Offer {
    offer_of(&format!("From: a@example.com\r\n{fields}\r\n\r\nHello\r\n"))
}

async fn stored(offer: Offer) -> Submission {
    let world = World::new();
    world.gate.submit(offer).await.unwrap();
    world.stored().remove(0)
}

async fn refused(offer: Offer) -> String {
    let world = World::new();
    let refusal = world.gate.submit(offer).await.unwrap_err();
    assert!(world.stored().is_empty());
    refusal.reply().to_string()
}

/// `NOW`, moved by so many seconds, as a field would say it.
fn at(seconds: u64) -> (Timestamp, String) {
    let at = NOW.after(Duration::from_secs(seconds));
    (at, format!("X-Postbell-Send-At: {at}"))
}

#[tokio::test]
async fn the_set_that_is_named_decides() {
    let given = stored(with("X-Postbell-Configuration-Set: plain")).await;
    assert_eq!(given.message.configuration_set, fakes::PLAIN);
    let days = Duration::from_secs(5 * 86_400);
    assert_eq!(given.deliveries[0].expires_at, NOW.after(days));
    assert!(!given.message.reports, "the set says that nobody is told");
    for unknown in ["other", "of-theirs"] {
        let said = refused(with(&format!("X-Postbell-Configuration-Set: {unknown}"))).await;
        let wanted = format!(
            "550 5.6.0 The header X-Postbell-Configuration-Set can't be followed: \
             this workspace has no configuration set \"{unknown}\""
        );
        assert_eq!(said, wanted);
    }
}

#[tokio::test]
async fn retry_and_expiry_of_scheduled_mail_count_from_its_release() {
    let (at, field) = at(7_200);
    let given = stored(with(&field)).await;
    assert_eq!(given.send_at, Some(at));
    assert_eq!(given.message.accepted_at, NOW);
    let delivery = &given.deliveries[0];
    assert_eq!(delivery.expires_at, at.after(Duration::from_secs(3_600)));
    let wait = delivery.retry_at.since(at).as_secs();
    assert!((270..=330).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn what_was_to_be_sent_before_is_sent_at_once() {
    for time in [
        "2026-05-03T12:34:57.456123Z",
        "Sat, 2 May 2026 12:00:00 +0000",
    ] {
        let given = stored(with(&format!("X-Postbell-Send-At: {time}"))).await;
        assert_eq!(given.send_at, None, "{time}");
        let hour = Duration::from_secs(3_600);
        assert_eq!(given.deliveries[0].expires_at, NOW.after(hour));
    }
}

#[tokio::test]
async fn mail_is_scheduled_so_far_ahead_and_no_further() {
    let longest = 366 * 86_400;
    let (last, field) = at(longest);
    assert_eq!(stored(with(&field)).await.send_at, Some(last));
    assert_eq!(
        refused(with(&at(longest + 1).1)).await,
        "550 5.6.0 The header X-Postbell-Send-At can't be followed: it is more than 366d ahead"
    );
}

#[tokio::test]
async fn mail_can_be_given_up_sooner_but_not_later() {
    for (asked, seconds) in [("600", 600), ("10m", 600), ("30d", 3_600)] {
        let given = stored(with(&format!("X-Postbell-Expire-After: {asked}"))).await;
        let expires_at = NOW.after(Duration::from_secs(seconds));
        assert_eq!(given.deliveries[0].expires_at, expires_at, "{asked}");
        assert!(given.deliveries[0].retry_at <= expires_at);
    }
}

#[tokio::test]
async fn a_clients_key_is_none_of_ours() {
    let given = stored(with("X-Postbell-Idempotency-Key: order 42")).await;
    let key = IdempotencyKey {
        key: "c:order 42".to_owned(),
        until: NOW.after(Duration::from_secs(86_400)),
    };
    assert_eq!(given.idempotency, Some(key));
}

#[tokio::test]
async fn what_is_asked_for_is_kept_beside_the_envelopes_parameters() {
    let given = Offer {
        envid: Some("QQ314159".to_owned()),
        ..with("X-Postbell-Stream: news\r\nX-Postbell-Tags: a, b")
    };
    let instructions = stored(given).await.message.instructions.clone();
    assert_eq!(instructions.envid.as_deref(), Some("QQ314159"));
    assert_eq!(instructions.stream.as_deref(), Some("news"));
    assert_eq!(instructions.tags, ["a", "b"]);
}

#[tokio::test]
async fn mail_of_our_own_is_not_told_what_to_do_by_its_header() {
    let own = Offer {
        door: Door::Own,
        ..with("X-Postbell-Configuration-Set: other\r\nX-Postbell-Nonsense: 1")
    };
    let given = stored(own).await;
    assert_eq!(given.message.configuration_set, fakes::HASTY);
    assert!(given.message.instructions.is_empty());
}

#[tokio::test]
async fn the_client_can_be_hidden() {
    let world = World::hiding();
    world.gate.submit(with("X-Other: y")).await.unwrap();
    let received = world.stored()[0].message.received.clone();
    assert_eq!((received.helo.as_str(), received.peer), ("", None));
    assert_eq!(received.with, "ESMTP");
}
