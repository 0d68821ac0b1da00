//! The teller: makes events of hits once it can be said what they were.
//!
//! A hit is held for some seconds from the oldest one of its delivery that waits, so that a program that
//! walks all links of a mail is seen as one. Mail goes first: a batch at a time is told, with rests in
//! between that keep to a rate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, Timestamp};
use postbell_store::{Engagements, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::TrackingTerms;
use super::judgement::{Measures, judge};
use super::metrics::{Tally, TrackingMetrics};

/// Hits that are told together.
const BATCH: usize = 512;
/// How often there is a look whether some are due, while some wait.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The first and the longest wait while the store does not take what is told.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Tells of opens and clicks.
pub struct Teller {
    terms: TrackingTerms,
    engagements: Arc<dyn Engagements>,
    metrics: TrackingMetrics,
    clock: Arc<dyn Clock>,
}

impl Teller {
    pub(super) fn new(
        terms: TrackingTerms,
        engagements: Arc<dyn Engagements>,
        metrics: TrackingMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            terms,
            engagements,
            metrics,
            clock,
        }
    }

    /// Tells until it is told to stop; what is not told by then is told after the next start.
    pub async fn run(self, stop: CancellationToken) {
        let mut noted = self.engagements.hits_noted();
        let mut pause = PAUSE.0;
        while !stop.is_cancelled() {
            noted.borrow_and_update();
            let rest = match self.step().await {
                Ok(0) if self.engagements.hits_waiting() == 0 => {
                    // Its other end lives as long as the store.
                    let _more = stop.run_until_cancelled(noted.changed()).await;
                    LOOK_EVERY
                }
                Ok(told) => {
                    pause = PAUSE.0;
                    self.rest_after(told)
                }
                // The store has said why.
                Err(StoreError::Stopped(_)) => return stop.cancelled().await,
                Err(error) => {
                    warn!(%error, duration_ms = pause.as_millis(), "opens and clicks wait");
                    let rest = pause;
                    pause = (pause * 2).min(PAUSE.1);
                    rest
                }
            };
            let _over = stop.run_until_cancelled(self.clock.sleep(rest)).await;
        }
    }

    fn rest_after(&self, told: usize) -> Duration {
        let rate = self.terms.load().options.max_told_per_second.max(1);
        let told_in = Duration::from_secs_f64(told as f64 / f64::from(rate));
        if told < BATCH {
            told_in.max(LOOK_EVERY)
        } else {
            told_in
        }
    }

    /// Tells of what has been held for long enough, a batch of it. How many hits it was.
    ///
    /// # Errors
    /// They are still to be told.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let terms = self.terms.load();
        let measures = Measures {
            hold: terms.options.hold,
            early: terms.options.early,
        };
        let before = self.clock.now().before(measures.hold);
        self.tell(before, measures).await
    }

    async fn tell(&self, before: Timestamp, measures: Measures) -> Result<usize, StoreError> {
        let due = self.engagements.hits_due(before, BATCH).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let told: Vec<_> = due.iter().map(|visited| judge(visited, measures)).collect();
        let facts = told.iter().flat_map(|one| &one.facts);
        let tallied: Vec<_> = facts.filter_map(|(_, fact)| Tally::of(fact)).collect();
        let hits = tallied.len();
        self.engagements.tell_hits(told).await?;
        tallied
            .into_iter()
            .for_each(|tally| self.metrics.told(tally));
        debug!(hits, deliveries = due.len(), "opens and clicks are told");
        Ok(hits)
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}
