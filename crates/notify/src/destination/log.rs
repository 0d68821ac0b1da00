//! Calls that go into the log with the next write: every one that failed, and a few of the
//! others. Pure.

use std::collections::VecDeque;

use postbell_store::{CALLS_KEPT, Call};

// Of the calls that succeed between two writes; the log is no second record of each event.
const SAMPLES: usize = 3;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    calls: VecDeque<Call>,
    samples: usize,
}

impl CallLog {
    pub(super) fn note(&mut self, call: Call) {
        if call.answer.is_success() {
            if self.samples == SAMPLES {
                return;
            }
            self.samples += 1;
        }
        // More than are kept would be written in vain.
        if self.calls.len() >= CALLS_KEPT as usize {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn has_failures(&self) -> bool {
        self.calls.len() > self.samples
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Call> {
        self.samples = 0;
        std::mem::take(&mut self.calls).into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postbell_model::Timestamp;
    use postbell_store::{CallAnswer, Position};

    use super::*;

    fn call(position: u64, status: u16) -> Call {
        Call {
            at: Timestamp::from_micros(0),
            position: Position(position),
            document: 0,
            attempt: 1,
            took: Duration::ZERO,
            answer: CallAnswer::Status {
                status,
                body: Vec::new(),
            },
            next_at: None,
        }
    }

    #[test]
    fn failures_are_all_noted_and_successes_are_sampled() {
        let mut log = CallLog::default();
        for position in 1..=10 {
            log.note(call(position, 204));
        }
        assert!(!log.has_failures() && !log.is_empty());
        for position in 11..=20 {
            log.note(call(position, 500));
        }
        assert!(log.has_failures());
        assert_eq!(log.take().len(), SAMPLES + 10);
        assert!(log.is_empty());
        log.note(call(21, 200));
        assert_eq!(log.take().len(), 1);
    }

    #[test]
    fn no_more_wait_than_are_kept() {
        let mut log = CallLog::default();
        for position in 0..3_000 {
            log.note(call(position, 500));
        }
        let calls = log.take();
        assert_eq!((calls.len(), calls[0].position), (1_000, Position(2_000)));
    }
}
