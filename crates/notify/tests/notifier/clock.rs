//! A clock that is turned by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::clock::Sleep;
use postbell_model::{Clock, Monotonic, Timestamp};
use tokio::sync::watch;

pub(crate) const START: Timestamp = Timestamp::from_micros(1_777_811_696_123_456);

/// Stands still until it is turned. Knows who sleeps until when.
#[derive(Debug)]
pub(crate) struct HandClock {
    elapsed: watch::Sender<Duration>,
    sleepers: watch::Sender<Sleepers>,
}

#[derive(Debug, Default)]
struct Sleepers {
    last: u64,
    until: BTreeMap<u64, Monotonic>,
}

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            elapsed: watch::Sender::default(),
            sleepers: watch::Sender::default(),
        })
    }

    pub(crate) fn turn(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    /// Waits until someone sleeps. Says how far it is to when the first of them is to be woken.
    pub(crate) async fn next_wake(&self) -> Duration {
        let now = self.monotonic();
        let first = |sleepers: &Sleepers| {
            let until = sleepers.until.values().copied();
            until.filter(|until| *until > now).min()
        };
        let mut sleepers = self.sleepers.subscribe();
        let asleep = sleepers.wait_for(|sleepers| first(sleepers).is_some());
        let first = first(&asleep.await.unwrap());
        first.unwrap().since(now)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        START.after(*self.elapsed.borrow())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(*self.elapsed.borrow())
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep<'_> {
        let mut elapsed = self.elapsed.subscribe();
        let asleep = Asleep::until(&self.sleepers, at);
        Box::pin(async move {
            let woken = elapsed.wait_for(|elapsed| Monotonic(*elapsed) >= at).await;
            drop((woken.is_ok(), asleep));
        })
    }
}

struct Asleep<'a> {
    sleepers: &'a watch::Sender<Sleepers>,
    number: u64,
}

impl<'a> Asleep<'a> {
    fn until(sleepers: &'a watch::Sender<Sleepers>, at: Monotonic) -> Self {
        let mut number = 0;
        sleepers.send_modify(|sleepers| {
            sleepers.last += 1;
            number = sleepers.last;
            sleepers.until.insert(number, at);
        });
        Self { sleepers, number }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.sleepers.send_modify(|sleepers| {
            sleepers.until.remove(&self.number);
        });
    }
}
