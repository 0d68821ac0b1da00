//! Work on large messages, away from the thread that serves sockets: where little goes on, that is the one
//! thread for all mail, and nobody is served meanwhile.
//!
//! To have something done elsewhere takes some tens of microseconds, so what is quick is done at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::{block_in_place, spawn_blocking};

/// Octets of a message that takes more than a millisecond to be read.
const LARGE: usize = 256 * 1024;

/// How large a message is, by what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// One quick pass: a fifth of a millisecond for a mebibyte.
    Scan,
    /// Its parts are read: two milliseconds and a half for a mebibyte.
    Read,
}

impl Work {
    /// Octets from which on it is done elsewhere.
    const fn large(self) -> usize {
        match self {
            Self::Scan => 1024 * 1024,
            Self::Read => 128 * 1024,
        }
    }
}

/// Lets as many messages be worked on at a time as there are processors; the others wait in their order.
#[derive(Debug)]
pub(crate) struct Apart {
    turns: Arc<Semaphore>,
}

impl Default for Apart {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            turns: Arc::new(Semaphore::new(processors)),
        }
    }
}

impl Apart {
    /// Does what takes so long for so many octets; `None` where a fault of the program kept a thread
    /// from it. Who waits no longer has lost nothing but the outcome.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        (work, octets): (Work, usize),
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if octets < work.large() {
            return Some(run());
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let working = spawn_blocking(move || {
            // Held to the end, also where nobody waits for it any more.
            let _turn = turn;
            run()
        });
        let done = working.await;
        if done.is_err() {
            tracing::error!("a fault of the program ended the reading of a message");
        }
        done.ok()
    }

    /// All turns, so that nobody gets one.
    #[cfg(test)]
    pub(crate) fn all_turns(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.turns.available_permits()).expect("there are few");
        let turns = Arc::clone(&self.turns).try_acquire_many_owned(all);
        turns.expect("nobody has any")
    }
}

/// Does what takes milliseconds for a large message, and holds what it works on: on a thread that serves
/// nobody else meanwhile. How many of them there are at a time is the door's affair.
pub(crate) fn in_place<T>(octets: usize, work: impl FnOnce() -> T) -> T {
    // A runtime of one thread has no other to go on with.
    let has_others = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if octets >= LARGE && has_others() {
        block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_large_is_done_by_another_thread() {
        let apart = Apart::default();
        let here = thread::current().id();
        for (work, octets, is_here) in [
            (Work::Scan, 1024 * 1024 - 1, true),
            (Work::Scan, 1024 * 1024, false),
            (Work::Read, 128 * 1024 - 1, true),
            (Work::Read, 128 * 1024, false),
        ] {
            let thread = apart.run((work, octets), || thread::current().id()).await;
            assert_eq!(thread == Some(here), is_here, "{work:?} {octets}");
        }
    }

    #[tokio::test]
    async fn who_waits_no_longer_leaves_the_turn_to_the_next() {
        let apart = Apart {
            turns: Arc::new(Semaphore::new(1)),
        };
        let large = (Work::Scan, usize::MAX);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let working = apart.run(large, move || gone.recv().is_ok());
        let cut = tokio::time::timeout(Duration::ZERO, working).await;
        assert!(cut.is_err());
        drop(go);
        assert_eq!(apart.run(large, || 7).await, Some(7));
        assert_eq!(apart.run(large, || panic!("on purpose")).await, None::<()>);
        assert_eq!(apart.run(large, || 8).await, Some(8));
    }
}
