//! What a service manager is told: `sd_notify(3)`. Where there is none, nothing is said.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::Clock;
use postbell_store::{Queue, StoreError};
use sd_notify::NotifyState;
use tracing::{error, warn};

use crate::server::Server;

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
    /// commit for that, and so does the thread that has mail. Once one of them does not, nothing is
    /// said, and the manager does what its unit says.
    pub(crate) async fn keep_watchdog(self, server: &Server, clock: Arc<dyn Clock>) {
        let Some(within) = sd_notify::watchdog_enabled() else {
            return std::future::pending().await;
        };
        let limit = within / OFTEN;
        loop {
            let (commits, turns) = tokio::join!(
                commits(server.store().as_ref(), clock.as_ref(), limit),
                turns(server, limit)
            );
            if commits && turns {
                // A manager that does not listen must not hold up anything else.
                let told = tokio::task::spawn_blocking(|| tell(&[NotifyState::Watchdog]));
                let _told = told.await;
            }
            clock.sleep(limit).await;
        }
    }
}

async fn commits(queue: &dyn Queue, clock: &dyn Clock, limit: Duration) -> bool {
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

async fn turns(server: &Server, limit: Duration) -> bool {
    let turns = server.mail_turns(limit).await;
    if !turns {
        error!(
            duration_ms = limit.as_millis(),
            "the thread for mail is stuck; the service manager is not told that all is well"
        );
    }
    turns
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager could not be told");
    }
}
