//! When a delivery is tried again, and when it is given up (RFC 5321 §4.5.4.1).

use std::time::Duration;

use crate::{ConfigurationSet, Timestamp};

/// How a delivery is retried: the interval doubles from `first` to `longest`, until
/// `max_retries` or `expire_after` is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// From the first attempt to the second.
    pub first: Duration,
    /// No interval is longer.
    pub longest: Duration,
    /// Attempts after the first; `None` leaves it to `expire_after`.
    pub max_retries: Option<u32>,
    /// From acceptance (or release) until the delivery is given up.
    pub expire_after: Duration,
}

/// A number from 0 to 1 that spreads retries; drawn by the caller, since this crate draws none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// No spread: the interval as it stands in the schedule.
    pub const NONE: Self = Self(0.5);

    /// The jitter of 32 random bits.
    pub fn from_bits(bits: u32) -> Self {
        Self(f64::from(bits) / f64::from(u32::MAX))
    }

    /// `duration`, moved by up to a tenth to either side.
    pub fn apply(self, duration: Duration) -> Duration {
        duration.mul_f64(0.9 + 0.2 * self.0)
    }
}

impl RetryPolicy {
    /// These defaults with what a configuration set says in their place.
    #[must_use]
    pub fn of_set(self, set: Option<&ConfigurationSet>) -> Self {
        let Some(set) = set else { return self };
        Self {
            max_retries: set.max_retries.or(self.max_retries),
            expire_after: set.expire_after.unwrap_or(self.expire_after),
            ..self
        }
    }

    /// The interval after attempt `attempt` (1 for the first), without jitter.
    pub fn interval(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// When to try again after attempt `attempt` failed at `now`; `None`: give up.
    ///
    /// The last attempt is made at the moment of expiry where the schedule would step over it,
    /// so that a delivery gets all the time that it was promised.
    pub fn next_attempt(
        &self,
        attempt: u32,
        now: Timestamp,
        expires_at: Timestamp,
        jitter: Jitter,
    ) -> Option<Timestamp> {
        if self.max_retries.is_some_and(|max| attempt > max) || now >= expires_at {
            return None;
        }
        Some(
            now.after(jitter.apply(self.interval(attempt)))
                .min(expires_at),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        first: Duration::from_secs(300),
        longest: Duration::from_secs(10_800),
        max_retries: None,
        expire_after: Duration::from_secs(5 * 86_400),
    };
    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn the_interval_doubles_up_to_its_cap() {
        let minutes: Vec<_> = (1..9).map(|n| POLICY.interval(n).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 180, 180]);
        assert_eq!(POLICY.interval(u32::MAX).as_secs(), 10_800);
    }

    #[test]
    fn max_retries_counts_attempts_after_the_first() {
        let three = RetryPolicy {
            max_retries: Some(3),
            ..POLICY
        };
        let expires = START.after(POLICY.expire_after);
        let tried: Vec<_> = (1..6)
            .map(|n| {
                three
                    .next_attempt(n, START, expires, Jitter::NONE)
                    .is_some()
            })
            .collect();
        assert_eq!(tried, [true, true, true, false, false]);
    }

    #[test]
    fn the_last_attempt_is_at_expiry() {
        let expires = START.after(Duration::from_secs(60));
        assert_eq!(
            POLICY.next_attempt(1, START, expires, Jitter::NONE),
            Some(expires)
        );
        assert_eq!(POLICY.next_attempt(2, expires, expires, Jitter::NONE), None);
    }

    #[test]
    fn jitter_moves_by_a_tenth() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(Jitter::from_bits(0).apply(hour).as_secs(), 3_240);
        assert_eq!(Jitter::NONE.apply(hour).as_secs(), 3_600);
        assert_eq!(Jitter::from_bits(u32::MAX).apply(hour).as_secs(), 3_960);
    }
}
