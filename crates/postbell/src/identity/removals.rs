//! The server's end of a removed domain: what waits of it is rejected.

use std::sync::Arc;
use std::time::Duration;

use postbell_deliver::Live;
use postbell_model::Clock;
use postbell_store::Store;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How soon what was left alone is looked at again.
const AGAIN: Duration = Duration::from_secs(2);

/// Looks after the mail of domains that were removed.
#[derive(Debug)]
pub(crate) struct Sweeper {
    store: Arc<dyn Store>,
    live: Live,
    clock: Arc<dyn Clock>,
}

impl Sweeper {
    pub(crate) fn new(store: Arc<dyn Store>, live: Live, clock: Arc<dyn Clock>) -> Self {
        Self { store, live, clock }
    }

    /// Looks at the start, whenever what is set up has changed, and again until all has ended;
    /// until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut changed = self.store.directory_changed();
        loop {
            let now = self.clock.now();
            let swept = self.store.reject_removed_beside(now, &self.live);
            let Some(open) = stop.run_until_cancelled(swept).await else {
                return;
            };
            let open = open.unwrap_or_else(|error| {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "mail of removed domains can't be rejected now"
                );
                1
            });
            tokio::select! {
                seen = changed.changed() => if seen.is_err() { return },
                () = self.clock.sleep(AGAIN), if open > 0 => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
