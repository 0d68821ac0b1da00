//! When a destination counts as down, and when it is asked whether it is back. Pure.

use std::time::Duration;

use postbell_model::Monotonic;

use crate::NotifyOptions;

/// How a breaker behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BreakerOptions {
    /// Failures in a row that open it.
    pub(crate) down_after: u32,
    /// From its opening to the first probe; doubles.
    pub(crate) pause: Duration,
    /// No pause is longer, but for what the destination itself asks for.
    pub(crate) longest_pause: Duration,
}

impl BreakerOptions {
    pub(crate) const fn of(options: &NotifyOptions) -> Self {
        Self {
            down_after: options.down_after,
            pause: options.pause,
            longest_pause: options.longest_pause,
        }
    }
}

/// Closed while calls succeed; open while the destination is down.
#[derive(Debug)]
pub(crate) struct Breaker {
    options: BreakerOptions,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        since: Monotonic,
        pause: Duration,
        probe_at: Monotonic,
    },
}

/// What a failure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that matters outside.
    None,
    /// The destination counts as down from now on.
    Opened,
}

impl Breaker {
    pub(crate) const fn new(options: BreakerOptions) -> Self {
        Self {
            options,
            state: State::Closed { failures: 0 },
        }
    }

    /// Counts by other options from now on; an outage that is under way stays one.
    pub(crate) const fn follow(&mut self, options: BreakerOptions) {
        self.options = options;
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether the last call failed and it is not yet known if the destination is down.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        matches!(self.state, State::Closed { failures: 1.. })
    }

    /// When the next probe may be made; `None` while the breaker is closed.
    pub(crate) const fn probe_at(&self) -> Option<Monotonic> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { probe_at, .. } => Some(probe_at),
        }
    }

    /// How long the destination has been down.
    pub(crate) fn open_for(&self, now: Monotonic) -> Duration {
        match self.state {
            State::Closed { .. } => Duration::ZERO,
            State::Open { since, .. } => now.since(since),
        }
    }

    /// A call succeeded. Returns whether that closed the breaker.
    pub(crate) const fn succeeded(&mut self) -> bool {
        let closed = self.is_open();
        self.state = State::Closed { failures: 0 };
        closed
    }

    /// A call failed that is no probe. Calls that were under way when the breaker opened change
    /// nothing more.
    pub(crate) fn failed(&mut self, now: Monotonic, retry_after: Option<Duration>) -> Change {
        let State::Closed { failures } = self.state else {
            return Change::None;
        };
        let failures = failures + 1;
        if failures < self.options.down_after {
            self.state = State::Closed { failures };
            return Change::None;
        }
        self.open(now, now, self.options.pause, retry_after);
        Change::Opened
    }

    /// A probe failed: the next one is put off.
    pub(crate) fn probe_failed(&mut self, now: Monotonic, retry_after: Option<Duration>) {
        if let State::Open { since, pause, .. } = self.state {
            let pause = pause.saturating_mul(2).min(self.options.longest_pause);
            self.open(since, now, pause, retry_after);
        }
    }

    fn open(
        &mut self,
        since: Monotonic,
        now: Monotonic,
        pause: Duration,
        retry_after: Option<Duration>,
    ) {
        self.state = State::Open {
            since,
            pause,
            probe_at: now.after(pause.max(retry_after.unwrap_or_default())),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    const fn breaker() -> Breaker {
        Breaker::new(BreakerOptions {
            down_after: 3,
            pause: Duration::from_secs(5),
            longest_pause: Duration::from_mins(5),
        })
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = breaker();
        for _ in 0..10 {
            assert_eq!(breaker.failed(at(0), None), Change::None);
            assert_eq!(breaker.failed(at(0), None), Change::None);
            assert!(!breaker.succeeded());
        }
        assert!(!breaker.is_in_doubt());
        assert_eq!(breaker.failed(at(1), None), Change::None);
        assert!(breaker.is_in_doubt());
        assert_eq!(breaker.failed(at(1), None), Change::None);
        assert_eq!(breaker.failed(at(1), None), Change::Opened);
        assert!(!breaker.is_in_doubt());
        assert_eq!(breaker.probe_at(), Some(at(6)));
        assert_eq!(breaker.failed(at(3), None), Change::None);
        assert_eq!(breaker.probe_at(), Some(at(6)));
    }

    #[test]
    fn the_pause_doubles_up_to_its_longest() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0), None);
        }
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let next = breaker.probe_at().expect("open");
            pauses.push(next.since(now).as_secs());
            now = next;
            breaker.probe_failed(now, None);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(breaker.open_for(now), now.since(at(0)));
    }

    #[test]
    fn one_success_closes_it_and_the_count_begins_anew() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0), None);
        }
        assert!(breaker.is_open());
        assert!(breaker.succeeded());
        assert!(!breaker.is_open());
        assert_eq!(breaker.open_for(at(9)), Duration::ZERO);
        assert_eq!(breaker.failed(at(9), None), Change::None);
    }

    #[test]
    fn the_destination_may_ask_for_a_longer_pause() {
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0), Some(Duration::from_hours(1)));
        }
        assert_eq!(breaker.probe_at(), Some(at(3_600)));
        breaker.probe_failed(at(3_600), Some(Duration::from_secs(1)));
        assert_eq!(breaker.probe_at(), Some(at(3_610)));
    }
}
