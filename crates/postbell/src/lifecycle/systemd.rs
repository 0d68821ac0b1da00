//! What a service manager is told: `sd_notify(3)`. Where there is none, nothing is said.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::Clock;
use postbell_store::{Queue, StoreError};
use sd_notify::NotifyState;
use tracing::{error, warn};

/// Of the time in which the manager wants to hear something, the part in which it does.
const OFTEN: u32 = 3;

/// The service manager, if this is a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manager;

impl Manager {
    /// The store is open and the doors listen; also after [`Manager::reloading`].
    pub(crate) fn ready(self) {
        tell(&[NotifyState::Ready]);
    }

    /// The configuration is being read again, until [`Manager::ready`].
    pub(crate) fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => warn!(%error, "the service manager is not told of the reload"),
        }
    }

    /// The end has begun.
    pub(crate) fn stopping(self) {
        tell(&[NotifyState::Stopping]);
    }

    /// Tells a manager that watches us that there is progress: the store answers, which has to
    /// commit for that. Once it does not, nothing is said, and the manager does what its unit says.
    pub(crate) async fn keep_watchdog(self, queue: Arc<dyn Queue>, clock: Arc<dyn Clock>) {
        let Some(within) = sd_notify::watchdog_enabled() else {
            return std::future::pending().await;
        };
        loop {
            if makes_progress(queue.as_ref(), clock.as_ref(), within / OFTEN).await {
                // A manager that does not listen must not hold up anything else.
                let told = tokio::task::spawn_blocking(|| tell(&[NotifyState::Watchdog]));
                let _told = told.await;
            }
            clock.sleep(within / OFTEN).await;
        }
    }
}

async fn makes_progress(queue: &dyn Queue, clock: &dyn Clock, limit: Duration) -> bool {
    // Nothing is given back; the committer answers all the same.
    let answer = queue.release(Vec::new(), clock.now());
    match tokio::time::timeout(limit, answer).await {
        // The store has said why, and the server ends.
        Ok(Err(StoreError::Stopped(_))) => false,
        // Busy or without room it answers as well, and goes on.
        Ok(_) => true,
        Err(_) => {
            error!(
                duration_ms = limit.as_millis(),
                "the store does not answer; the service manager is not told that all is well"
            );
            false
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager could not be told");
    }
}
