//! Calls: which are made, and what follows from how they end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt;
use postbell_model::{DisableReason, Timestamp};
use postbell_store::{Logged, Retry, StoreError};

use super::retries::{Batch, run_batch};
use super::window::{Failed, Ticket};
use super::{Posted, Runner, Verdict, earlier};
use crate::Document;
use crate::breaker::{BreakerOptions, Change};
use crate::post::{Failure, FailureKind, post};
use crate::profile::Profile;
use crate::schedule::{jitter, next_call};
use crate::stage::Stage;

// A destination that is down is asked with the same event so often; then with the next one, so
// that an event that alone makes it fail does not keep it down for ever.
const PROBES_PER_EVENT: u32 = 3;
// Retries taken at a time.
const RETRY_BATCH: usize = 32;
// After the store could not be asked for retries.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

impl Runner {
    pub(super) fn begin_calls(&mut self) {
        if !self.breaker.is_open() {
            let most = self
                .profile
                .in_flight
                .unwrap_or_else(|| self.stage.options.load().in_flight);
            let most = most.max(1);
            while self.posts.len() < most && self.begin_call() {}
            return;
        }
        if self.may_probe() {
            while self.posts.is_empty() && self.begin_call() {}
            self.probing = !self.posts.is_empty();
        }
    }

    /// Takes the next event and calls, if the destination wants to hear of it. Returns whether
    /// there was one.
    fn begin_call(&mut self) -> bool {
        let Some((ticket, event)) = self.window.next_ready() else {
            return false;
        };
        let documents = self.profile.documents(event);
        if documents.is_empty() {
            self.window.delivered(ticket);
            return true;
        }
        let stage = Arc::clone(&self.stage);
        let profile = Arc::clone(&self.profile);
        self.posts
            .push(post_all(stage, profile, ticket, documents).boxed());
        true
    }

    pub(super) fn posted(&mut self, posted: Posted) -> Verdict {
        let probe = std::mem::take(&mut self.probing);
        let Some(worst) = posted.worst().cloned() else {
            self.window.delivered(posted.ticket);
            self.log(posted, |_| None);
            self.succeeded();
            return Verdict::GoOn;
        };
        match worst.kind {
            FailureKind::Gone => {
                tracing::warn!("A destination is switched off, since it answered 410 Gone.");
                self.log(posted, |_| None);
                return Verdict::SwitchOff(DisableReason::Gone);
            }
            _ if probe => return self.probe_failed(posted, &worst),
            FailureKind::Down if self.breaker.is_open() => {
                self.window.again(posted.ticket);
                self.log(posted, |_| None);
            }
            FailureKind::Down | FailureKind::Refused => {
                self.put_aside(posted, &worst);
                self.count_failure(&worst);
            }
        }
        Verdict::GoOn
    }

    /// Notes the calls about an event, and when each that failed is made again.
    fn log(&mut self, posted: Posted, next: impl Fn(&Failure) -> Option<Timestamp>) {
        let Some(position) = self.window.event(posted.ticket).map(Logged::position) else {
            return;
        };
        let attempt = 1 + self.window.probes(posted.ticket);
        for (document, made) in posted.made {
            let next_at = made.failure.as_ref().and_then(&next);
            self.calls
                .note(made.logged((position, document), attempt, next_at));
        }
    }

    fn succeeded(&mut self) {
        let down_for = self.breaker.open_for(self.stage.clock.monotonic());
        if self.breaker.succeeded() {
            tracing::info!(
                duration_ms = down_for.as_millis(),
                "A destination that was down answers again."
            );
        }
    }

    /// The event goes to the retry table, and no longer holds up the cursor.
    fn put_aside(&mut self, posted: Posted, worst: &Failure) {
        let Some(event) = self.window.event(posted.ticket) else {
            return;
        };
        let now = self.stage.clock.now();
        let jitter = jitter(event.id(), 1);
        let next = |failure: &Failure| next_call(1, now, failure.retry_after, jitter);
        let position = event.position();
        let retries = posted.made.iter().filter_map(|(document, made)| {
            let failure = made.failure.as_ref()?;
            Some(Retry {
                position,
                document: *document,
                attempts: 1,
                next_at: next(failure).unwrap_or(now),
                last_error: failure.why.clone(),
            })
        });
        let failed = Failed {
            retries: retries.collect(),
            down: worst.kind == FailureKind::Down,
        };
        tracing::debug!(
            event.kind = event.kind().name(),
            event.position = position.0,
            "A webhook call failed and will be made again."
        );
        let ticket = posted.ticket;
        self.log(posted, next);
        self.window.failed(ticket, failed);
    }

    fn count_failure(&mut self, failure: &Failure) {
        let now = self.stage.clock.monotonic();
        self.breaker
            .follow(BreakerOptions::of(&self.stage.options.load()));
        if self.breaker.failed(now, failure.retry_after) == Change::Opened {
            tracing::warn!("A destination counts as down: its events wait until it answers.");
            self.window.recall();
        }
    }

    fn probe_failed(&mut self, posted: Posted, worst: &Failure) -> Verdict {
        let now = self.stage.clock.monotonic();
        self.breaker
            .follow(BreakerOptions::of(&self.stage.options.load()));
        self.breaker.probe_failed(now, worst.retry_after);
        let probes = self.window.count_probe(posted.ticket);
        if worst.kind == FailureKind::Refused || probes >= PROBES_PER_EVENT {
            self.put_aside(posted, worst);
        } else {
            let next = self.breaker.probe_at().map(|at| {
                let now = self.stage.clock.monotonic();
                self.stage.clock.now().after(at.since(now))
            });
            self.window.again(posted.ticket);
            self.log(posted, |_| next);
        }
        self.verdict_on_outage()
    }

    fn verdict_on_outage(&self) -> Verdict {
        let down_for = self.breaker.open_for(self.stage.clock.monotonic());
        if down_for < self.stage.options.load().disable_after {
            return Verdict::GoOn;
        }
        tracing::warn!(
            duration_ms = down_for.as_millis(),
            "A destination is switched off, since it was down for too long."
        );
        Verdict::SwitchOff(DisableReason::Down)
    }

    pub(super) fn begin_retrying(&mut self) {
        let due = self
            .next_retry
            .is_some_and(|due| due <= self.stage.clock.now());
        if !due || self.retrying.is_some() {
            return;
        }
        let mut limit = RETRY_BATCH;
        if self.breaker.is_open() {
            // Only where there is nothing newer to ask the destination with.
            let newer = self.window.has_ready() || self.is_newer() || self.reading.is_some();
            if newer || !self.may_probe() {
                return;
            }
            self.probing = true;
            limit = 1;
        }
        self.next_retry = None;
        let stage = Arc::clone(&self.stage);
        let profile = Arc::clone(&self.profile);
        self.retrying = Some(run_batch(stage, profile, limit).boxed());
    }

    /// While calls succeed or fail otherwise, retries change nothing: each has its own schedule.
    pub(super) fn retried(
        &mut self,
        batch: Result<Batch, StoreError>,
    ) -> Result<Verdict, StoreError> {
        let probe = std::mem::take(&mut self.probing);
        let batch = match batch {
            Ok(batch) => batch,
            Err(StoreError::Stopped(why)) => return Err(StoreError::Stopped(why)),
            Err(error) => {
                tracing::warn!(%error, "The retries of a destination can't be read or recorded");
                let later = self.stage.clock.now().after(RETRY_PAUSE);
                self.next_retry = earlier(self.next_retry, Some(later));
                return Ok(Verdict::GoOn);
            }
        };
        self.next_retry = earlier(self.next_retry, batch.next);
        match batch.failure {
            Some(failure) if failure.kind == FailureKind::Gone => {
                return Ok(Verdict::SwitchOff(DisableReason::Gone));
            }
            Some(failure) if probe => {
                let now = self.stage.clock.monotonic();
                self.breaker.probe_failed(now, failure.retry_after);
                return Ok(self.verdict_on_outage());
            }
            None if probe && batch.delivered > 0 => self.succeeded(),
            Some(_) | None => {}
        }
        Ok(Verdict::GoOn)
    }
}

/// Posts the documents of one event, one after the other.
async fn post_all(
    stage: Arc<Stage>,
    profile: Arc<Profile>,
    ticket: Ticket,
    documents: Vec<Document>,
) -> Posted {
    let mut made = Vec::with_capacity(documents.len());
    for document in documents {
        let number = document.number;
        let call = post(stage.wire(), &profile, document).await;
        stage.metrics.called(&call);
        made.push((number, call));
    }
    Posted { ticket, made }
}
