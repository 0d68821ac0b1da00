//! A runtime with one thread, for what is quicker when nobody else is woken for it.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::TaskTracker;

/// A thread that runs tasks until it is dropped; those that are left then are abandoned.
#[derive(Debug)]
pub(crate) struct OneThread {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl OneThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread or no descriptor for it.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Where tasks are spawned that it is to run.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether it comes to a new task in time: none of its tasks keeps it from the others.
    pub(crate) async fn turns(&self, limit: Duration) -> bool {
        let mut turn = TaskTracker::new().spawn_on(async {}, &self.handle);
        let turned = tokio::time::timeout(limit, &mut turn).await;
        // One that it did not come to need not wait any longer.
        turn.abort();
        matches!(turned, Ok(Ok(())))
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, since this is done among tasks.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_thread_that_is_kept_busy_does_not_turn() {
        let thread = OneThread::start("mail").unwrap();
        assert!(thread.turns(SOON).await);

        let (release, released) = mpsc::channel::<()>();
        let stuck = async move { assert!(released.recv().is_err()) };
        TaskTracker::new().spawn_on(stuck, thread.handle());
        assert!(!thread.turns(Duration::from_millis(20)).await);

        drop(release);
        assert!(thread.turns(SOON).await);
    }
}
