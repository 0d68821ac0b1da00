//! The real clock: the one place that asks the machine for the time.

use std::time::{Duration, Instant, SystemTime};

use postbell_model::clock::Sleep;
use postbell_model::{Clock, Monotonic, Timestamp};

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[expect(clippy::disallowed_methods, reason = "the Clock that all others ask")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the Clock that all others ask")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.start.elapsed())
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep<'_> {
        match self.start.checked_add(at.0) {
            Some(at) => Box::pin(tokio::time::sleep_until(at.into())),
            None => Box::pin(std::future::pending()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn goes_forward() {
        let clock = SystemClock::new();
        let (wall, before) = (clock.now(), clock.monotonic());
        clock.sleep(Duration::from_millis(2)).await;
        assert!(clock.monotonic().since(before) >= Duration::from_millis(2));
        assert!(clock.now() >= wall);
        // A build from before this was written has a clock that is wrong.
        assert!(wall.as_seconds() > 1_700_000_000);
    }
}
