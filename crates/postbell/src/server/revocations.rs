//! What waits of revoked credentials is held or cancelled as soon as it is seen that it should be.

use std::sync::Arc;
use std::time::Duration;

use postbell_deliver::Live;
use postbell_model::Clock;
use postbell_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Server;

/// When to try again what was being sent or under way, or could not be done.
const AGAIN: Duration = Duration::from_secs(5);

impl Server {
    pub(super) fn run_revocations(&self, live: Live, clock: Arc<dyn Clock>) {
        let (store, stop) = (Arc::clone(&self.store), self.deliver.stop());
        self.deliver
            .run_beside(async move { finish(store, live, clock, stop).await });
    }
}

async fn finish(store: Arc<dyn Store>, live: Live, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut changed = store.directory_changed();
    loop {
        let finishing = store.finish_revocations_beside(None, clock.now(), &live);
        let Some(finished) = stop.run_until_cancelled(finishing).await else {
            return;
        };
        let is_open = match finished {
            Ok(finished) => {
                if finished.done.changed > 0 {
                    let deliveries = finished.done.changed;
                    info!(
                        deliveries,
                        "held or cancelled what revoked credentials have left"
                    );
                }
                finished.open > 0
            }
            Err(StoreError::Stopped(_)) => return stop.cancelled().await,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "what revoked credentials have left can't be held or cancelled now"
                );
                true
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            // The store outlives its stages.
            Ok(()) = changed.changed() => {}
            () = clock.sleep(AGAIN), if is_open => {}
        }
    }
}
