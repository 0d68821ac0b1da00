//! What was claimed before somebody paused it, or its recipient wanted no more.

use postbell_model::{Fact, NewMail, Pause, Sending, Timestamp};
use postbell_peers::dns::Entry;

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
