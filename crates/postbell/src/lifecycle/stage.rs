//! One stage of the program: its tasks, and the token that tells them to stop.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// A stage that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    name: &'static str,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Cancelled when the stage's main loop ends, asked to or not.
    ended: CancellationToken,
    /// Where its main loops run; `None`: in the runtime that they are begun from.
    runtime: Option<Handle>,
}

impl Stage {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
            runtime: None,
        }
    }

    /// With its main loops, and what they spawn, in this runtime.
    pub(crate) fn on(self, runtime: &Handle) -> Self {
        Self {
            runtime: Some(runtime.clone()),
            ..self
        }
    }

    /// Where the stage spawns its tasks.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// What tells the stage's tasks to stop.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Spawns a main loop of the stage; it must run until the stage is told to stop.
    pub(crate) fn run(&self, main_loop: impl Future<Output = ()> + Send + 'static) {
        let main_loop = self.guarded(main_loop);
        match &self.runtime {
            Some(runtime) => self.tasks.spawn_on(main_loop, runtime),
            None => self.tasks.spawn(main_loop),
        };
    }

    /// Spawns a main loop that needs none of the stage's threads: in the runtime that it is begun
    /// from.
    pub(crate) fn run_beside(&self, main_loop: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.guarded(main_loop));
    }

    fn guarded<F: Future<Output = ()>>(&self, main_loop: F) -> impl Future<Output = ()> + use<F> {
        let guard = self.ended.clone().drop_guard();
        async move {
            // Dropped also where the loop panics: a stage without its loop is noticed.
            let _guard = guard;
            main_loop.await;
        }
    }

    /// Waits until a main loop ends without having been told to: it panicked.
    pub(crate) async fn broken(&self) -> &'static str {
        self.ended.cancelled().await;
        if self.stop.is_cancelled() {
            return std::future::pending().await;
        }
        self.name
    }

    /// Tells the stage to stop and waits for its tasks, at most this long.
    pub(crate) async fn finish(&self, within: Duration) {
        self.stop.cancel();
        self.tasks.close();
        match tokio::time::timeout(within, self.tasks.wait()).await {
            Ok(()) => info!(stage = self.name, "the stage has stopped"),
            Err(_) => warn!(
                stage = self.name,
                tasks = self.tasks.len(),
                "the stage is late: {} of its tasks are abandoned, as in a crash",
                self.tasks.len()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_loop_that_ends_by_itself_is_noticed() {
        let stage = Stage::new("doors");
        stage.run(async { panic!("a fault of the program") });
        let name = tokio::time::timeout(SOON, stage.broken()).await.unwrap();
        assert_eq!(name, "doors");
    }

    #[tokio::test]
    async fn a_loop_beside_the_stage_stays_off_its_threads() {
        let here = std::thread::current().id();
        let mail = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let stage = Stage::new("deliver").on(mail.handle());
        let (within, mut threads) = tokio::sync::mpsc::unbounded_channel();
        let beside = within.clone();
        stage.run(async move { within.send(std::thread::current().id()).unwrap() });
        let thread = tokio::time::timeout(SOON, threads.recv()).await.unwrap();
        assert_ne!(thread, Some(here));

        stage.run_beside(async move { beside.send(std::thread::current().id()).unwrap() });
        let thread = tokio::time::timeout(SOON, threads.recv()).await.unwrap();
        assert_eq!(thread, Some(here));
        mail.shutdown_background();
    }

    #[tokio::test]
    async fn a_loop_beside_the_stage_that_ends_by_itself_is_noticed() {
        let stage = Stage::new("deliver");
        stage.run_beside(async { panic!("a fault of the program") });
        let name = tokio::time::timeout(SOON, stage.broken()).await.unwrap();
        assert_eq!(name, "deliver");
    }

    #[tokio::test]
    async fn finish_waits_for_the_tasks_but_not_for_ever() {
        let stage = Stage::new("doors");
        let stop = stage.stop();
        stage.run(async move { stop.cancelled().await });
        tokio::time::timeout(SOON, stage.finish(SOON))
            .await
            .unwrap();

        let stuck = Stage::new("stuck");
        stuck.run(std::future::pending());
        stuck.finish(Duration::from_millis(1)).await;
        assert_eq!(stuck.tasks().len(), 1);
    }
}
