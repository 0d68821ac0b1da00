//! Working for strangers without taking the processors from others.
//!
//! Handshakes, signatures and MIME are work, and strangers say how much of it there is. It is done
//! for few of them at a time; one that waits for the client, the DNS or the disk lets others go on
//! meanwhile. While nobody submits there is nobody to take them from, and strangers may have all.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::ready;
use std::time::Duration;

use postbell_model::{Clock, Monotonic};
use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// For so long after something was submitted more is expected.
const EXPECTED: Duration = Duration::from_secs(1);

/// Whether clients of ours are submitting. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// The microsecond after the last sign of it; 0: there was none.
    last: Arc<AtomicU64>,
}

impl Activity {
    /// A client does something.
    pub(crate) fn note(&self, now: Monotonic) {
        self.last.store(micros(now) + 1, Ordering::Relaxed);
    }

    fn is_recent(&self, now: Monotonic) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && Duration::from_micros(micros(now).saturating_sub(last)) < EXPECTED
    }
}

fn micros(at: Monotonic) -> u64 {
    u64::try_from(at.0.as_micros()).unwrap_or(u64::MAX - 1)
}

/// How many strangers may occupy a processor at a time.
#[derive(Debug)]
pub(crate) struct Turns {
    turns: Arc<Semaphore>,
    /// Those of them that strangers have only while nobody submits.
    spare: usize,
    /// How many of the spare ones are out of the way.
    held_back: AtomicUsize,
    submission: Activity,
    clock: Arc<dyn Clock>,
}

impl Turns {
    /// So many `always`, and `spare` ones while there is no activity.
    pub(crate) fn new(
        (always, spare): (usize, usize),
        submission: Activity,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(always + spare)),
            spare,
            held_back: AtomicUsize::new(0),
            submission,
            clock,
        }
    }

    /// Whether a turn that came is to be held back. Who has got one asks, so that nobody has to
    /// watch the submission for it.
    fn holds_back(&self) -> bool {
        if self.spare == 0 {
            return false;
        }
        if self.submission.is_recent(self.clock.monotonic()) {
            let more = |held| (held < self.spare).then_some(held + 1);
            let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
            return self.held_back.fetch_update(set, fetch, more).is_ok();
        }
        let held = self.held_back.swap(0, Ordering::Relaxed);
        if held > 0 {
            self.turns.add_permits(held);
        }
        false
    }
}

/// Does `work`, which runs only while it has one of the turns.
pub(crate) async fn in_turn<F: Future>(turns: &Turns, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut waiting = PollSemaphore::new(Arc::clone(&turns.turns));
    poll_fn(|context| {
        loop {
            let turn = ready!(waiting.poll_acquire(context));
            if !turns.holds_back() {
                let done = work.as_mut().poll(context);
                drop(turn);
                return done;
            }
            if let Some(turn) = turn {
                turn.forget();
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use postbell_peers::clock::HandClock;
    use tokio::sync::Barrier;

    use super::*;

    struct World {
        turns: Turns,
        submission: Activity,
        clock: Arc<HandClock>,
    }

    fn world(always: usize, spare: usize) -> World {
        let (submission, clock) = (Activity::default(), Arc::new(HandClock::default()));
        let turns = Turns::new((always, spare), submission.clone(), clock.clone());
        World {
            turns,
            submission,
            clock,
        }
    }

    #[tokio::test]
    async fn who_waits_holds_nobody_up() {
        let turns = world(1, 0).turns;
        let (both, busy) = (Barrier::new(2), AtomicUsize::new(0));
        let work = async || {
            assert_eq!(busy.fetch_add(1, Ordering::Relaxed), 0);
            busy.fetch_sub(1, Ordering::Relaxed);
            both.wait().await;
        };
        tokio::join!(in_turn(&turns, work()), in_turn(&turns, work()));
        assert_eq!(turns.turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn without_a_turn_nothing_is_done() {
        let turns = world(1, 0).turns;
        let turn = turns.turns.acquire().await.unwrap();
        let mut work = pin!(in_turn(&turns, async {}));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        drop(turn);
        work.await;
    }

    #[tokio::test]
    async fn the_spare_ones_are_there_while_nobody_submits() {
        let World {
            turns,
            submission,
            clock,
        } = world(2, 3);
        in_turn(&turns, async {}).await;
        assert_eq!(turns.turns.available_permits(), 5);

        submission.note(clock.monotonic());
        in_turn(&turns, async {}).await;
        assert_eq!(turns.turns.available_permits(), 2);
        clock.turn(EXPECTED / 2);
        submission.note(clock.monotonic());
        clock.turn(EXPECTED / 2);
        in_turn(&turns, async {}).await;
        assert_eq!(turns.turns.available_permits(), 2);

        clock.turn(EXPECTED);
        in_turn(&turns, async {}).await;
        assert_eq!(turns.turns.available_permits(), 5);
    }
}
