//! The threads for work on messages that takes long: those that the runtime has for work that blocks, as
//! many at a time as there are processors.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Lets so many messages be worked on at a time; the others wait in their order. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    turns: Arc<Semaphore>,
}

impl Pool {
    /// For this many threads, or one for each processor.
    pub(crate) fn new(threads: Option<usize>) -> Self {
        let processors = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = threads.unwrap_or_else(processors);
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Does the work; `None` where a fault of the program kept a thread from it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let working = spawn_blocking(move || {
            // Held to the end, also where nobody waits for it any more.
            let _turn = turn;
            work()
        });
        let done = working.await;
        if done.is_err() {
            tracing::error!("a fault of the program ended the work on a message");
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
