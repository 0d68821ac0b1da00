//! A runtime with one thread, for what is quicker when nobody else is woken for it.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

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
}

impl Drop for OneThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, since this is done among tasks.
            runtime.shutdown_background();
        }
    }
}
