//! When a failed call is made again.
//!
//! The destination's own Retry-After (RFC 9110 §10.2.3) may put a call off, never forward, and
//! not for longer than a day.

use std::time::Duration;

use postbell_model::retry::Jitter;
use postbell_model::{EventId, Timestamp};

const INTERVALS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// The longest Retry-After that is believed.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// When to call again after `attempts` calls failed, the last one at `now`; `None`: never.
pub(crate) fn next_call(
    attempts: u32,
    now: Timestamp,
    retry_after: Option<Duration>,
    jitter: Jitter,
) -> Option<Timestamp> {
    let done = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let interval = jitter.apply(*INTERVALS.get(done)?);
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Some(now.after(interval.max(asked)))
}

/// Spreads the retries of many events that failed together. The last 32 bits of a `UUIDv7` are
/// random (RFC 9562 §5.7); the number of the attempt makes each interval differ.
pub(crate) fn jitter(event: EventId, attempts: u32) -> Jitter {
    let [.., a, b, c, d] = *event.as_bytes();
    let bits = u32::from_be_bytes([a, b, c, d]);
    Jitter::from_bits(bits.rotate_left(attempts.wrapping_mul(5)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn wait(attempts: u32, retry_after: Option<u64>) -> Option<u64> {
        let retry_after = retry_after.map(Duration::from_secs);
        let next = next_call(attempts, NOW, retry_after, Jitter::NONE)?;
        Some(next.since(NOW).as_secs())
    }

    #[test]
    fn nine_retries_and_then_none() {
        let waits: Vec<_> = (1..=11).map_while(|n| wait(n, None)).collect();
        assert_eq!(
            waits,
            [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
        );
        assert_eq!(wait(u32::MAX, None), None);
    }

    #[test]
    fn a_destination_can_ask_for_more_time_but_not_for_less_or_for_ever() {
        assert_eq!(wait(1, Some(60)), Some(60));
        assert_eq!(wait(3, Some(60)), Some(1_800));
        assert_eq!(wait(1, Some(u64::MAX)), Some(86_400));
        assert_eq!(wait(10, Some(60)), None);
    }

    #[test]
    fn retries_are_spread_by_a_tenth() {
        let spread: Vec<_> = (0..100)
            .map(|_| jitter(EventId::new(NOW), 1).apply(Duration::from_secs(100)))
            .collect();
        assert!(spread.iter().all(|d| (90..=110).contains(&d.as_secs())));
        assert!(spread.iter().any(|d| *d != spread[0]));
    }
}
