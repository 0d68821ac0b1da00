//! Room in memory for what is written anew of a message: taken by what is tracked alone.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_mail::track::PLACEHOLDER;
use postbell_model::token::LINK_URL_MAX;
use postbell_model::tracking::{DomainTracking, SetTracking};
use postbell_model::{Fact, Message, Timestamp};
use postbell_store::{Claimed, Links, StoreError};
use tokio::sync::Semaphore;

use crate::world::{Setup, World, mail_from};

/// A store of links that keeps none until it is let.
#[derive(Debug)]
struct SlowLinks {
    asked: Semaphore,
    may: Semaphore,
}

#[async_trait]
impl Links for SlowLinks {
    async fn keep_links(&self, _: Vec<String>, _: Timestamp) -> Result<(), StoreError> {
        self.asked.add_permits(1);
        self.may.acquire().await.unwrap().forget();
        Ok(())
    }

    async fn link(&self, _: [u8; 16]) -> Result<Option<String>, StoreError> {
        unreachable!("delivery follows no link")
    }
}

/// A message with this page, tracked or not.
fn message(world: &World, recipient: &str, page: &str, tracked: bool) -> Claimed {
    let text = format!(
        "From: <ann@sender.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n{page}\r\n{}",
        "and so on and on\r\n".repeat(500),
    );
    let mut claimed = world.claimed(recipient, mail_from(), Bytes::from(text));
    let mut message = Message::clone(&claimed.message);
    message.instructions.track_opens = Some(tracked);
    message.instructions.track_clicks = Some(tracked);
    claimed.message = Arc::new(message);
    claimed
}

#[tokio::test]
async fn what_is_not_tracked_takes_no_room_for_a_copy() {
    let links = Arc::new(SlowLinks {
        asked: Semaphore::new(0),
        may: Semaphore::new(0),
    });
    let world = World::with(Setup {
        links: Some(links.clone()),
        change: |options| {
            options.tracking.open = true;
            options.max_body_octets = 1_024;
        },
        ..Setup::default()
    })
    .await;
    let domain = DomainTracking {
        opens: true,
        clicks: true,
    };
    world.queue.set_tracking(domain, SetTracking::default());
    let long = format!(
        "<a href=https://a.example/{}>x</a>",
        "x".repeat(LINK_URL_MAX)
    );
    let first = world.accept_this(message(&world, "bob@a.example.com", &long, true));
    links.asked.acquire().await.unwrap().forget();

    // All the room is the first one's now.
    let plain = world.accept_this(message(&world, "bob@b.example.com", &long, false));
    let fact = world.outcome(plain).await;
    assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    let copied = world.accept_this(message(&world, "bob@c.example.com", PLACEHOLDER, false));
    assert!(world.queue.facts(first).is_empty());

    links.may.add_permits(1);
    for delivery in [first, copied] {
        let fact = world.outcome(delivery).await;
        assert!(matches!(fact, Fact::Delivery { .. }), "{fact:?}");
    }
    world.end().await;
}
