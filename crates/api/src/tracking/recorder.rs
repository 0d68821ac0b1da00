//! The recorder: what the door has seen, on its way to the disk.
//!
//! The door hands a hit over and answers; a task commits as many as have come while it committed
//! those before. So an answer waits for no disk, and a crash loses what came since the last commit,
//! some milliseconds. Where the store takes nothing for a while the hits wait here, and when as many
//! wait as may, the door takes no more and says so: nothing is lost without a word.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::Clock;
use postbell_model::engagement::Hit;
use postbell_store::{Engagements, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::metrics::TrackingMetrics;

/// Hits in one commit.
const BATCH: usize = 2_048;
/// The first and the longest wait while the store takes none.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Tries of a batch once the program ends.
const LAST_TRIES: u32 = 5;

/// Where hits are handed over.
#[derive(Debug, Clone)]
pub(super) struct Notes(mpsc::Sender<Hit>);

/// There is no room for another hit, or nobody writes them down any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Notes {
    /// Hands a hit over, without waiting.
    pub(super) fn note(&self, hit: Hit) -> Result<(), NoRoom> {
        self.0.try_send(hit).map_err(|_| NoRoom)
    }
}

/// Commits hits.
pub struct Recorder {
    hits: mpsc::Receiver<Hit>,
    engagements: Arc<dyn Engagements>,
    metrics: TrackingMetrics,
    clock: Arc<dyn Clock>,
}

/// A recorder for as many hits at a time, and where they are handed over.
pub(super) fn recorder(
    max_unrecorded: usize,
    engagements: Arc<dyn Engagements>,
    metrics: TrackingMetrics,
    clock: Arc<dyn Clock>,
) -> (Notes, Recorder) {
    let (sender, hits) = mpsc::channel(max_unrecorded.max(1));
    let recorder = Recorder {
        hits,
        engagements,
        metrics,
        clock,
    };
    (Notes(sender), recorder)
}

impl Recorder {
    /// Commits hits until it is told to stop; those that were handed over by then are committed yet.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let more = self.hits.recv_many(&mut batch, BATCH);
            match stop.run_until_cancelled(more).await {
                Some(0) => return stop.cancelled().await,
                Some(_) => self.keep(&batch, &stop).await,
                None => break,
            }
            batch.clear();
        }
        self.hits.close();
        while self.hits.recv_many(&mut batch, BATCH).await > 0 {
            self.keep(&batch, &stop).await;
            batch.clear();
        }
    }

    /// Commits a batch, however often it takes, unless the store has stopped for good.
    async fn keep(&self, hits: &[Hit], stop: &CancellationToken) {
        let count = hits.len();
        let (mut pause, mut last_tries) = (PAUSE.0, LAST_TRIES);
        loop {
            match self.engagements.keep_hits(hits).await {
                Ok(()) => return,
                Err(StoreError::Busy | StoreError::Full) if last_tries > 0 => {
                    if pause == PAUSE.0 {
                        warn!(
                            hits = count,
                            "opens and clicks can't be recorded now: they wait"
                        );
                    }
                    last_tries -= u32::from(stop.is_cancelled());
                    self.clock.sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
                Err(error) => {
                    self.metrics.lost(count);
                    return error!(%error, hits = count, "opens and clicks are lost");
                }
            }
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}
