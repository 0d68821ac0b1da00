use std::time::Duration;

use postbell_model::retry::Jitter;
use postbell_model::{RetryPolicy, Timestamp};

use crate::input::Input;

/// Attempts that are looked at.
const ATTEMPTS: u32 = 200;

/// Intervals never shrink and stay within their limit; every attempt comes after the one before
/// and none after expiry; and whatever is configured, there is an end.
pub fn retry(data: &[u8]) {
    let mut input = Input::new(data);
    let mut micros = || Duration::from_micros(u64::from_le_bytes(input.octets()));
    let policy = RetryPolicy {
        first: micros().max(Duration::from_micros(1)),
        longest: micros(),
        max_retries: None,
        expire_after: micros(),
    };
    let max = input.octet();
    let policy = RetryPolicy {
        max_retries: (max < 200).then_some(u32::from(max)),
        ..policy
    };
    check_intervals(&policy);
    let accepted = Timestamp::from_micros(i64::from_le_bytes(input.octets()));
    check_schedule(&policy, accepted, input);
}

fn check_intervals(policy: &RetryPolicy) {
    let mut before = Duration::ZERO;
    for attempt in (0..ATTEMPTS).chain([u32::MAX]) {
        let interval = policy.interval(attempt);
        assert!(interval >= before && interval <= policy.longest);
        before = interval;
    }
}

fn check_schedule(policy: &RetryPolicy, accepted: Timestamp, mut input: Input<'_>) {
    let expires_at = accepted.after(policy.expire_after);
    let mut now = accepted;
    for attempt in 1..ATTEMPTS {
        let jitter = Jitter::from_bits(u32::from_le_bytes(input.octets()));
        let Some(next) = policy.next_attempt(attempt, now, expires_at, jitter) else {
            let used_up = policy.max_retries.is_some_and(|max| attempt > max);
            assert!(used_up || now >= expires_at);
            return;
        };
        assert!(now <= next && next <= expires_at);
        let (wait, interval) = (next.since(now), policy.interval(attempt));
        assert!(wait <= interval + interval / 8);
        assert!(next == expires_at || wait + Duration::from_micros(1) >= interval / 100 * 89);
        // A moment is never tried for ever.
        now = next.after(Duration::from_micros(u64::from(input.octet())));
    }
    assert!(policy.max_retries.is_none_or(|max| max + 1 >= ATTEMPTS));
}
