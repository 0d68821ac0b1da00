//! A clock that stands still until it is turned. Its wall time can be set apart from that.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use postbell_model::clock::Sleep;
use postbell_model::{Clock, Monotonic, Timestamp};
use tokio::sync::watch;

/// When it begins.
pub const START: Timestamp = Timestamp::from_micros(1_777_811_697_000_000);

/// A clock for the stages of a server in the test's own process.
#[derive(Debug)]
pub struct HandClock {
    elapsed: watch::Sender<Duration>,
    /// Microseconds that the wall time was set ahead, or back.
    set: AtomicI64,
}

impl Default for HandClock {
    fn default() -> Self {
        Self {
            elapsed: watch::Sender::new(Duration::ZERO),
            set: AtomicI64::new(0),
        }
    }
}

impl HandClock {
    /// Time goes on by this much at once, and who sleeps until then wakes.
    pub fn turn(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    /// Sets the wall time ahead, or back, by so many seconds, as an operator or NTP does.
    pub fn set(&self, seconds: i64) {
        self.set.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let now = START.after(*self.elapsed.borrow());
        Timestamp::from_micros(now.as_micros() + self.set.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(*self.elapsed.borrow())
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep<'_> {
        let mut elapsed = self.elapsed.subscribe();
        Box::pin(async move {
            elapsed
                .wait_for(|elapsed| *elapsed >= at.0)
                .await
                .expect("the clock outlives those who sleep");
        })
    }
}
