//! The threads that sign: those that the runtime has for work that blocks, as many at a time as
//! there are processors.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Lets so many messages be signed at a time; the others wait in their order.
#[derive(Debug)]
pub(super) struct Pool {
    turns: Arc<Semaphore>,
}

impl Pool {
    /// For this many threads, or one for each processor.
    pub(super) fn new(threads: Option<usize>) -> Self {
        let processors = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = threads.unwrap_or_else(processors);
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Signs a message, as `work` does it; `None` where a fault of the program kept a thread from
    /// it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let signing = spawn_blocking(move || {
            // Held to the end, also where nobody waits for it any more.
            let _turn = turn;
            work()
        });
        let signed = signing.await;
        if signed.is_err() {
            tracing::error!("a fault of the program kept a message from being signed");
        }
        signed.ok()
    }
}
