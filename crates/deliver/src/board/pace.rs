//! How fast a site gets mail: messages go at even intervals, and what was not used for a second
//! can be caught up.

use std::time::Duration;

use postbell_model::Monotonic;

use crate::rules::Rate;

/// How far a site may be ahead of its even intervals.
const SLACK: Duration = Duration::from_secs(1);

/// The pace of one site.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When the next message would be due if they went evenly.
    even: Monotonic,
}

impl Pace {
    pub(super) fn of(rate: Rate) -> Self {
        Self {
            interval: rate.interval(),
            even: Monotonic::default(),
        }
    }

    /// How long the next message has to wait; `None`: it may go.
    pub(super) fn wait(&self, now: Monotonic) -> Option<Duration> {
        let ahead = self.even.since(now);
        // Where the interval is longer than the slack, nothing goes early.
        let slack = SLACK.saturating_sub(self.interval);
        let wait = ahead.saturating_sub(slack);
        (!wait.is_zero()).then_some(wait)
    }

    /// A message goes.
    pub(super) fn take(&mut self, now: Monotonic) {
        self.even = self.even.max(now).after(self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_in(rate: &str, seconds: u64) -> u32 {
        let mut pace = Pace::of(Rate::parse(rate).unwrap());
        let mut now = Monotonic(Duration::from_secs(100));
        let end = now.after(Duration::from_secs(seconds));
        let mut sent = 0;
        while now < end {
            match pace.wait(now) {
                Some(wait) => now = now.after(wait),
                None => {
                    pace.take(now);
                    sent += 1;
                }
            }
        }
        sent
    }

    #[test]
    fn messages_go_evenly() {
        assert_eq!(sent_in("1/m", 300), 5);
        assert_eq!(sent_in("60/m", 10), 10);
        let quick = sent_in("50/s", 10);
        assert!((500..=550).contains(&quick), "{quick}");
    }

    #[test]
    fn what_was_not_used_for_long_is_not_caught_up() {
        let mut pace = Pace::of(Rate::parse("10/s").unwrap());
        pace.take(Monotonic::default());
        let late = Monotonic(Duration::from_secs(3_600));
        let mut burst = 0;
        while pace.wait(late).is_none() {
            pace.take(late);
            burst += 1;
        }
        assert_eq!(burst, 10);
    }
}
