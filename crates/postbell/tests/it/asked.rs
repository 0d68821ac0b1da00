//! What senders ask for in `X-Postbell-` headers, from the door to the webhook.

use std::time::Duration;

use postbell_model::Timestamp;
use postbell_peers::mx::{Script, Stage};

use crate::world::World;
use postbell_peers::clock::START;

const HOUR: u64 = 3_600;

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

fn turn(world: &World, seconds: u64) {
    world.clock.turn(Duration::from_secs(seconds));
}

/// Mail that goes out at once, so that whatever was to be done before has been.
async fn wait_for_others(world: &World, to: &str) {
    world.submit(to, "").await;
    world.told("hook", to, &["Delivery"]).await;
}

#[tokio::test]
async fn scheduled_mail_is_sent_at_its_time_also_after_a_restart() {
    let mut world = World::start().await;
    let ann = "ann@recipient.test";
    let fields = format!("X-Postbell-Send-At: {}\r\n", at(2 * HOUR));
    world.submit(ann, &fields).await;
    let told = world.told("hook", ann, &["Scheduled"]).await;
    assert_eq!(told["sequence"], 1);

    turn(&world, 2 * HOUR - 60);
    wait_for_others(&world, "bob@recipient.test").await;
    assert_eq!(world.kinds("hook", ann), ["Scheduled"]);
    assert_eq!(world.mx.counts().messages, 1);

    world.stop_server().await;
    world.start_server().await;
    wait_for_others(&world, "cid@recipient.test").await;
    assert_eq!(world.kinds("hook", ann), ["Scheduled"]);

    turn(&world, 60);
    let told = world.told_in_time("hook", ann, &["Delivery"]).await;
    assert_eq!(told["sequence"], 3);
    assert_eq!(world.kinds("hook", ann), ["Scheduled", "Send", "Delivery"]);
    let received = world.delivered(ann).await;
    let text = String::from_utf8_lossy(&received.body).into_owned();
    assert!(!text.contains("X-Postbell-Send-At"), "{text}");
    // What was accepted then and not now.
    assert!(
        text.contains("Date: Sun, 03 May 2026 12:34:57 +0000"),
        "{text}"
    );
    world.end().await;
}

#[tokio::test]
async fn mail_whose_time_came_while_the_server_was_down_is_sent_when_it_is_back() {
    let mut world = World::start().await;
    let ann = "ann@recipient.test";
    let fields = format!("X-Postbell-Send-At: {}\r\n", at(HOUR));
    world.submit(ann, &fields).await;
    world.told("hook", ann, &["Scheduled"]).await;
    world.stop_server().await;
    turn(&world, 2 * HOUR);
    world.start_server().await;
    world.told("hook", ann, &["Delivery"]).await;
    world.end().await;
}

#[tokio::test]
async fn scheduled_mail_is_tried_for_its_time_from_its_release_on() {
    let world = World::start().await;
    let ann = "ann@recipient.test";
    let closed = Script::new().reply(Stage::Rcpt, "451 4.3.2 Closed for now");
    world.mx.script_address(ann, closed);
    let fields = format!(
        "X-Postbell-Send-At: {}\r\nX-Postbell-Expire-After: 1m\r\n",
        at(HOUR)
    );
    world.submit(ann, &fields).await;
    turn(&world, HOUR);
    // Long after the minute had passed, had it been counted from acceptance.
    world.told_in_time("hook", ann, &["DeliveryDelay"]).await;
    world
        .told_in_time("hook", ann, &["Delivery", "Bounce"])
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_second_message_with_a_known_key_is_answered_with_the_first_ones_id() {
    let world = World::start().await;
    let key = "X-Postbell-Idempotency-Key: order 42\r\n";
    let mut replies = Vec::new();
    for to in ["ann@recipient.test", "bob@recipient.test"] {
        let outcome = world.offer(to, key).await;
        assert!(outcome.is_taken(), "{}", outcome.deciding());
        replies.push(outcome.message.unwrap().to_string());
    }
    assert_eq!(replies[0], replies[1]);
    world
        .told("hook", "ann@recipient.test", &["Delivery"])
        .await;
    turn(&world, 24 * HOUR + 1);
    world.submit("cid@recipient.test", key).await;
    world
        .told("hook", "cid@recipient.test", &["Delivery"])
        .await;
    assert!(world.kinds("hook", "bob@recipient.test").is_empty());
    assert_eq!(world.mx.counts().messages, 2);
    world.end().await;
}

#[tokio::test]
async fn the_set_that_is_named_decides_who_hears_and_events_carry_what_was_given() {
    let world = World::start().await;
    let ann = "ann@recipient.test";
    let fields = "X-Postbell-Configuration-Set: other\r\nX-Postbell-Stream: news\r\n\
        X-Postbell-Tags: a, =?utf-8?q?=C3=A9?=\r\nX-Postbell-Metadata: {\"order\": 42}\r\n\
        X-Postbell-Delivery: from before\r\n";
    world.submit(ann, fields).await;
    let told = world.told("other", ann, &["Delivery"]).await;
    assert_eq!(told["mail"]["tags"], serde_json::json!(["a", "\u{e9}"]));
    assert_eq!(told["mail"]["metadata"], serde_json::json!({"order": "42"}));
    wait_for_others(&world, "bob@recipient.test").await;
    assert!(world.kinds("hook", ann).is_empty());
    let received = world.delivered(ann).await;
    let text = String::from_utf8_lossy(&received.body).into_owned();
    assert_eq!(text.matches("X-Postbell-").count(), 1, "{text}");
    assert!(!text.contains("from before"), "{text}");
    world.end().await;
}

#[tokio::test]
async fn what_is_misspelt_is_refused_and_named() {
    let world = World::start().await;
    for (fields, named) in [
        (
            "X-Postbell-Sent-At: 2027-01-01T00:00:00Z\r\n",
            "X-Postbell-Sent-At",
        ),
        ("X-Postbell-Send-At: soon\r\n", "X-Postbell-Send-At"),
        ("X-Postbell-Configuration-Set: nobody\r\n", "\"nobody\""),
    ] {
        let outcome = world.offer("ann@recipient.test", fields).await;
        let reply = outcome.deciding().to_string();
        assert!(
            reply.starts_with("550 5.6.0 ") && reply.contains(named),
            "{reply}"
        );
    }
    world.end().await;
}
