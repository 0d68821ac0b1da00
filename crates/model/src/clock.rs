//! The clock that every stage is handed.
//!
//! Retry times, expiry and back-off follow this clock, so that a test can turn it by hand.
//! Deadlines on a peer's socket follow the runtime's timer instead: a peer lives in real time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::Timestamp;

/// A moment on a clock that never goes back: the time since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub Duration);

impl Monotonic {
    /// This moment moved forward.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// The time from `earlier` to this moment, zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a sleep on a [`Clock`] returns.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Time, as a stage sees it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Wall-clock time; may jump when the operator or NTP sets it.
    fn now(&self) -> Timestamp;

    /// Time that never goes back; for measuring and waiting.
    fn monotonic(&self) -> Monotonic;

    /// Waits until [`Clock::monotonic`] has reached `at`.
    fn sleep_until(&self, at: Monotonic) -> Sleep<'_>;

    /// Waits for this long.
    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        self.sleep_until(self.monotonic().after(duration))
    }
}

/// A clock that stands still at one moment: whoever sleeps by it is never woken. For what looks once,
/// and for tests of what does not wait.
#[derive(Debug, Clone, Copy)]
pub struct Still(pub Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::default()
    }

    fn sleep_until(&self, _: Monotonic) -> Sleep<'_> {
        Box::pin(std::future::pending())
    }
}
