//! What was over long enough ago is removed, little by little, so that live mail hardly notices.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, Monotonic, Timestamp};
use postbell_store::{KeptSince, PurgeRound, Purged, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Server;
use crate::config::RetentionSection;

/// The shortest rest between two stretches.
const REST: Duration = Duration::from_millis(100);
/// A rest is so many times as long as the stretch before it: a slow disk is left alone for longer.
const REST_PARTS: u32 = 4;
/// No rest is longer.
const LONGEST_REST: Duration = Duration::from_secs(10);

impl Server {
    /// Begins a round at once, and then one now and then; nothing where all is kept.
    pub(super) fn run_retention(&self, options: RetentionSection, clock: Arc<dyn Clock>) {
        if options.messages.is_none() && options.inbound.is_none() {
            return;
        }
        let purger = Purger {
            store: Arc::clone(&self.store),
            clock,
            options,
        };
        let stop = self.deliver.stop();
        self.deliver
            .run_beside(async move { purger.run(stop).await });
    }
}

struct Purger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: RetentionSection,
}

impl Purger {
    async fn run(self, stop: CancellationToken) {
        loop {
            match stop.run_until_cancelled(self.round()).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(StoreError::Stopped(_))) => return stop.cancelled().await,
                Some(Err(error)) => warn!(
                    error = &error as &dyn std::error::Error,
                    "what is over can't be removed now"
                ),
            }
            tokio::select! {
                () = self.clock.sleep(self.options.round_every) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Goes through all that is old enough. May be cancelled at any time: what is under way is all
    /// done or not at all, and the next round begins anew.
    async fn round(&self) -> Result<(), StoreError> {
        let begun = self.clock.monotonic();
        let mut purged = Purged::default();
        let went_through = self.go_through(&mut purged).await;
        if !purged.is_nothing() {
            self.tell(purged, begun);
        }
        went_through
    }

    async fn go_through(&self, purged: &mut Purged) -> Result<(), StoreError> {
        let mut round = PurgeRound::default();
        while !round.is_over() {
            let begun = self.clock.monotonic();
            let now = self.clock.now();
            let since = self.kept_since(now);
            *purged += self.store.purge_some(since, now, &mut round).await?;
            self.rest(begun).await;
        }
        Ok(())
    }

    fn kept_since(&self, now: Timestamp) -> KeptSince {
        let RetentionSection {
            messages,
            slim,
            inbound,
            ..
        } = self.options;
        KeptSince {
            messages: messages.map(|keep| now.before(keep)),
            slim: slim.map(|keep| now.before(keep)),
            inbound: inbound.map(|keep| now.before(keep)),
        }
    }

    async fn rest(&self, begun: Monotonic) {
        let took = self.clock.monotonic().since(begun);
        let rest = took.saturating_mul(REST_PARTS).clamp(REST, LONGEST_REST);
        self.clock.sleep(rest).await;
    }

    fn tell(&self, purged: Purged, begun: Monotonic) {
        info!(
            messages = purged.messages,
            deliveries = purged.deliveries,
            events = purged.events,
            calls = purged.calls,
            keys = purged.keys,
            slim = purged.slim,
            files = purged.files,
            inbound = purged.inbound,
            links = purged.links,
            suppressions = purged.suppressions,
            duration_ms = self.clock.monotonic().since(begun).as_millis(),
            "removed what is kept no longer"
        );
    }
}
