//! What was claimed before somebody paused it, or its recipient wanted no more.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{DeliveryId, Fact, NewMail, Pause, Sending, Timestamp};
use postbell_peers::dns::Entry;
use postbell_peers::mx::{Judge, MxOptions};

use crate::queue::MemoryQueue;
use crate::world::{World, mail_from};

fn paused() -> Sending {
    Sending::Paused(Pause {
        since: Timestamp::default(),
        reason: None,
        new_mail: NewMail::Hold,
    })
}

#[tokio::test]
async fn what_was_claimed_before_a_pause_is_given_back_without_an_attempt() {
    let world = World::new().await;
    world.dns.table().set("nowhere.example", Entry::no_data());
    world.queue.set_sending(paused());
    // Offered, as it would have been a moment before.
    let deliveries = ["bob@example.com", "bob@nowhere.example"].map(|to| world.accept(to));
    world.queue.wait_until(|queue| queue.in_flight() == 0).await;
    for delivery in deliveries {
        assert_eq!(world.queue.facts(delivery), []);
    }
    assert_eq!(world.mx.counts().messages, 0);

    world.queue.set_sending(Sending::Active);
    let Fact::Delivery { attempt } = world.outcome(deliveries[0]).await else {
        panic!("it was not delivered");
    };
    assert_eq!(attempt.number, 1);
    world.end().await;
}

#[tokio::test]
async fn who_wants_no_more_gets_nothing_that_is_on_its_way() {
    let world = World::new().await;
    let claimed = world.claimed("bob@example.com", mail_from(), "Subject: x\r\n\r\n".into());
    let delivery = claimed.delivery.id;
    world.queue.suppress(delivery);
    // Offered, as it would have been a moment before.
    world.accept_this(claimed);
    let outcome = world.outcome(delivery).await;
    assert!(matches!(outcome, Fact::Suppressed(_)), "{outcome:?}");
    assert_eq!(world.mx.counts().messages, 0);
    world.end().await;
}

/// A host that is about to go, while the recipient has had enough.
struct Going(Arc<MemoryQueue>, DeliveryId);

impl Judge for Going {
    fn refuse_recipient(&self, _: &str) -> Option<String> {
        self.0.suppress(self.1);
        Some("421 4.3.2 Closing".to_owned())
    }

    fn refuse_message(&self, _: &[String], _: &Bytes) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn who_wants_no_more_gets_nothing_from_the_next_host_either() {
    let world = World::new().await;
    let claimed = world.claimed("bob@example.com", mail_from(), "Subject: x\r\n\r\n".into());
    let delivery = claimed.delivery.id;
    let [going, other] = [2, 3].map(|host| Ipv4Addr::new(127, 0, 0, host));
    let options = MxOptions {
        judge: Some(Arc::new(Going(Arc::clone(&world.queue), delivery))),
        ..MxOptions::default()
    };
    let _going = world.start_mx(going, options).await;
    let other = (other, world.start_mx_at(other).await);
    world.route("example.com", &[going, other.0]);
    world.accept_this(claimed);
    let outcome = world.outcome(delivery).await;
    assert!(matches!(outcome, Fact::DeliveryDelay { .. }), "{outcome:?}");
    assert_eq!(outcome.attempt().unwrap().tries.len(), 1);
    world.clock.turn(Duration::from_secs(400));
    let facts = world.queue.wait_for_facts(delivery, 2).await;
    assert!(matches!(facts[1], Fact::Suppressed(_)), "{facts:?}");
    assert_eq!(other.1.counts().messages, 0);
    world.end().await;
}
