//! The forwarder: sends on what came in, where a route says so.
//!
//! It follows the store's list of messages that go on, submits each through the gate as a message
//! of its own and takes it off the list. One that is still on the list after a crash is dealt with
//! again; its idempotency key, which is the message's that came in, then finds the one that was
//! submitted before. So it goes on once, wherever the process dies.
//!
//! What can't go on is submitted as well, to nowhere: its delivery fails at once, and the events of
//! that delivery tell why. Nobody but the owner of the route hears of a forward that fails: the
//! sender was told yes, and gets no report (RFC 3464). Whether it is in a circle is looked at here,
//! and not where it came in: a route without a webhook has to learn of it, too.
//!
//! Not done here: the mark, the seal (RFC 8617) and the return path, which are made when it is
//! known where the message goes.

pub(crate) mod letter;
mod metrics;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use postbell_model::{Clock, InboundId};
use postbell_store::{Bodies, ForwardDue, Forwards, StoreError};
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::refusal::Refusal;
use letter::Content;

pub use metrics::ForwardMetrics;

/// Messages that are looked at together.
const BATCH: usize = 64;
/// Octets of messages that are submitted together; the last one goes over it.
const OCTETS: u64 = 8 << 20;
/// The first and the longest wait while the store takes nothing.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Submits what goes on.
pub struct Forwarder {
    gate: Arc<Gate>,
    forwards: Arc<dyn Forwards>,
    bodies: Arc<dyn Bodies>,
    clock: Arc<dyn Clock>,
    metrics: ForwardMetrics,
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more on the list.
    More,
    /// The list is empty.
    Done,
}

/// Why something is still on the list after a step.
#[derive(Debug, thiserror::Error)]
pub enum ForwarderError {
    /// The list or a message can't be read, or the list can't be changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A message was not taken.
    #[error("a message that goes on was not taken: {0}")]
    Refused(Refusal),
}

impl Forwarder {
    /// A forwarder on these parts of a store.
    pub fn new(
        gate: Arc<Gate>,
        forwards: Arc<dyn Forwards>,
        bodies: Arc<dyn Bodies>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            gate,
            forwards,
            bodies,
            clock,
            metrics: ForwardMetrics::default(),
        }
    }

    /// What it counts.
    pub const fn metrics(&self) -> &ForwardMetrics {
        &self.metrics
    }

    /// Forwards until it is told to stop. What is under way then is finished, which takes a commit
    /// or two.
    pub async fn run(self, stop: CancellationToken) {
        let mut noted = self.forwards.forwards_noted();
        let mut pause = PAUSE.0;
        while !stop.is_cancelled() {
            noted.borrow_and_update();
            match self.step().await {
                Ok(Progress::More) => pause = PAUSE.0,
                Ok(Progress::Done) => {
                    pause = PAUSE.0;
                    // Its other end lives as long as the store.
                    let _more = stop.run_until_cancelled(noted.changed()).await;
                }
                // The store has said why.
                Err(ForwarderError::Store(StoreError::Stopped(_))) => {
                    return stop.cancelled().await;
                }
                Err(error) => {
                    tracing::warn!(%error, duration_ms = pause.as_millis(), "forwards wait");
                    let _over = stop.run_until_cancelled(self.clock.sleep(pause)).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    /// Deals with what stands first on the list.
    ///
    /// # Errors
    /// Some of it is still on the list.
    pub async fn step(&self) -> Result<Progress, ForwarderError> {
        let due = self.forwards.forwards_due(BATCH).await?;
        self.metrics.looked_at(&due, self.clock.now());
        let together = together(&due);
        let progress = if together.len() < due.len() || due.len() == BATCH {
            Progress::More
        } else {
            Progress::Done
        };
        let outcomes = join_all(together.iter().map(|one| self.send_on(one))).await;
        let mut ended = Vec::with_capacity(outcomes.len());
        let mut trouble = None;
        for outcome in outcomes {
            match outcome {
                Ok(id) => ended.push(id),
                Err(error) => trouble = Some(error),
            }
        }
        if !ended.is_empty() {
            self.forwards.end_forwards(ended).await?;
        }
        trouble.map_or(Ok(progress), Err)
    }

    async fn send_on(&self, due: &ForwardDue) -> Result<InboundId, ForwarderError> {
        let content = match self.bodies.body(due.body).await {
            Ok(body) => Content::Read(body),
            // No later look would find anything else.
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    inbound.id = %due.mail.id,
                    "a message that came in can't be read, and goes nowhere"
                );
                Content::Lost
            }
            Err(error) => return Err(error.into()),
        };
        let letter = letter::write(&self.gate, &due.mail, &due.forward, content);
        let outcome = letter.outcome();
        match self.gate.submit_forward(letter).await {
            Ok(_) => {
                self.metrics.submitted(outcome);
                Ok(due.mail.id)
            }
            Err(refusal) => Err(ForwarderError::Refused(refusal)),
        }
    }
}

/// The first of these, as many as may be in memory at once.
fn together(due: &[ForwardDue]) -> &[ForwardDue] {
    let mut octets = 0;
    let fits = due.iter().take_while(|one| {
        let fits = octets < OCTETS;
        octets += one.mail.size;
        fits
    });
    let count = fits.count();
    &due[..count]
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder").finish_non_exhaustive()
    }
}
