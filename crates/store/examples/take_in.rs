//! Measures how much mail a store takes in: answers of 10 KB to deliveries of its own, each with its
//! event.
//!
//! ```text
//! cargo run --release -p postbell-store --example take_in -- FOLDER [MESSAGES [AT_ONCE]]
//! ```
#![expect(clippy::print_stdout, reason = "what the program is for")]

mod setting;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use postbell_model::clock::Still;
use postbell_model::inbound::{Content, Excerpt, InboundKind, ReplyFact, Via};
use postbell_model::{
    Address, Clock, DeliveryId, Fact, InboundId, InboundMail, ReversePath, Timestamp,
};
use postbell_store::{InboundFact, NewInbound, Reception, Store};
use tokio_util::task::TaskTracker;

use setting::Outcome;

const DELIVERIES: usize = 1_000;
const BODY: usize = 10_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("take_in FOLDER [MESSAGES [AT_ONCE]]")?;
    let count: usize = words.next().map_or(Ok(50_000), |word| word.parse())?;
    let at_once: usize = words.next().map_or(Ok(256), |word| word.parse())?;
    let clock = Arc::new(Still(Timestamp::from_micros(1_790_000_000_000_000)));
    let tasks = TaskTracker::new();
    let store = setting::open(&PathBuf::from(folder), clock.clone(), &tasks, 1_000_000).await?;
    let deliveries = Arc::new(set_up(&*store, clock.now()).await?);
    let begun = tokio::time::Instant::now();
    let workers = (0..at_once).map(|first| {
        let (store, deliveries) = (Arc::clone(&store), Arc::clone(&deliveries));
        let at = clock.now();
        tasks.spawn(async move {
            for n in (first..count).step_by(at_once) {
                let answer = answer(deliveries[n % deliveries.len()], at);
                for taken in store.receive(vec![answer]).await {
                    taken.expect("it is taken");
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    for worker in workers {
        worker.await?;
    }
    let took = begun.elapsed();
    println!(
        "{count} messages in {took:?}: {:.0} a second",
        count as f64 / took.as_secs_f64()
    );
    store.close().await;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Deliveries that wait.
async fn set_up(store: &dyn Store, now: Timestamp) -> Outcome<Vec<DeliveryId>> {
    let of = setting::workspace_and_set(store, "take-in", now).await?;
    let mut deliveries = Vec::new();
    for _ in 0..DELIVERIES / 100 {
        let submission = setting::submission(of, now, 100)?;
        deliveries.extend(submission.deliveries.iter().map(|new| new.id));
        for stored in store.accept(vec![submission]).await {
            stored?;
        }
    }
    Ok(deliveries)
}

fn answer(delivery: DeliveryId, at: Timestamp) -> Reception {
    let id = InboundId::new(at);
    let recipient = Address::parse("reply+token@reply.example.org").expect("it is one");
    let text = |size| Excerpt::of("x".repeat(size), usize::MAX);
    let content = Content {
        from: "bob@example.com".to_owned(),
        subject: "Re: hello".to_owned(),
        text: text(2_000),
        html: Some(text(4_000)),
        stripped_text: text(500),
        ..Content::default()
    };
    let fact = Fact::Reply(Box::new(ReplyFact {
        inbound: id,
        via: Via::ReplyTo,
        is_from_recipient: true,
        is_forwarded: false,
        also_to: Vec::new(),
        content,
    }));
    let mail = InboundMail {
        id,
        workspace: None,
        delivery: Some(delivery),
        kind: InboundKind::Reply,
        at,
        peer: [192, 0, 2, 1].into(),
        mail_from: ReversePath::Null,
        recipient,
        from: "bob@example.com".to_owned(),
        subject: "Re: hello".to_owned(),
        header_message_id: None,
        size: BODY as u64,
    };
    Reception {
        mails: vec![NewInbound {
            mail,
            facts: vec![InboundFact::Delivery { delivery, fact }],
            forward: None,
        }],
        body: Bytes::from(vec![b'x'; BODY]),
    }
}
