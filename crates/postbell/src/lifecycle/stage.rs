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
        let guard = self.ended.clone().drop_guard();
        let main_loop = async move {
            // Dropped also where the loop panics: a stage without its loop is noticed.
            let _guard = guard;
            main_loop.await;
        };
        match &self.runtime {
            Some(runtime) => self.tasks.spawn_on(main_loop, runtime),
            None => self.tasks.spawn(main_loop),
        };
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
