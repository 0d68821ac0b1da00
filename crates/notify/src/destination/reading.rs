//! Reading the event log and writing the cursor, with patience.
//!
//! The store may be busy or its disk full for a while: both wait and try again, so that nothing
//! is posted twice because of it. Only a store that has stopped ends a destination's task.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Audience, DestinationId};
use postbell_store::{Page, Position, Progress, StoreError};

use crate::stage::Stage;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Reads what comes after `after`. A record that can't be read is skipped and reported.
pub(super) async fn read_page(
    stage: Arc<Stage>,
    audience: Audience,
    mut after: Position,
    mut limit: usize,
) -> Result<Page, StoreError> {
    let mut patience = Patience::new(&stage);
    loop {
        match stage.log.events_after(audience, after, limit).await {
            Ok(page) => return Ok(page),
            // Somewhere in the stretch: look at its events one by one.
            Err(StoreError::Corrupt(_)) if limit > 1 => limit = 1,
            Err(StoreError::Corrupt(why)) => {
                tracing::error!(
                    event.position = after.0 + 1,
                    "An event can't be read and is skipped: {why}"
                );
                after = Position(after.0 + 1);
            }
            Err(error) => patience.wait(error, "The event log can't be read").await?,
        }
    }
}

/// Writes the cursor, what failed before it and the log of calls.
pub(super) async fn write_cursor(
    stage: Arc<Stage>,
    destination: DestinationId,
    progress: Progress,
) -> Result<(), StoreError> {
    let mut patience = Patience::new(&stage);
    loop {
        let progress = progress.clone();
        match stage.destinations.advance(destination, progress).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                let what = "A destination's cursor can't be written";
                patience.wait(error, what).await?;
            }
        }
    }
}

/// Longer and longer pauses.
struct Patience<'a> {
    stage: &'a Stage,
    pause: Duration,
}

impl<'a> Patience<'a> {
    const fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            pause: FIRST_PAUSE,
        }
    }

    async fn wait(&mut self, error: StoreError, what: &'static str) -> Result<(), StoreError> {
        if matches!(error, StoreError::Stopped(_)) {
            return Err(error);
        }
        tracing::warn!(%error, "{what}");
        self.stage.clock.sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
