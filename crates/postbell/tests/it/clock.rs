//! A clock that stands still until it is turned.

use std::time::Duration;

use postbell_model::clock::Sleep;
use postbell_model::{Clock, Monotonic, Timestamp};
use tokio::sync::watch;

/// When it begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_777_811_697_000_000);

#[derive(Debug)]
pub(crate) struct HandClock(watch::Sender<Duration>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Duration::ZERO))
    }

    pub(crate) fn turn(&self, by: Duration) {
        self.0.send_modify(|elapsed| *elapsed += by);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        START.after(*self.0.borrow())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(*self.0.borrow())
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep<'_> {
        let mut elapsed = self.0.subscribe();
        Box::pin(async move {
            elapsed
                .wait_for(|elapsed| *elapsed >= at.0)
                .await
                .expect("the clock outlives those who sleep");
        })
    }
}
