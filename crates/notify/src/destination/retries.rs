//! Calls that failed before and are due again, a bounded batch at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use postbell_model::Timestamp;
use postbell_store::{Call, Logged, Retry, RetryOutcome, StoreError};

use crate::post::{Failure, post};
use crate::profile::Profile;
use crate::schedule::{jitter, next_call};
use crate::stage::Stage;

// After the store could not be asked for a retry's event.
const UNREADABLE_PAUSE: Duration = Duration::from_mins(1);

/// What came of a batch.
#[derive(Debug)]
pub(super) struct Batch {
    /// The failure that says most, if there was any.
    pub(super) failure: Option<Failure>,
    /// How many calls succeeded.
    pub(super) delivered: usize,
    /// When the next retry is due.
    pub(super) next: Option<Timestamp>,
}

/// Calls again for up to `limit` of the retries that are due, and records what came of it.
pub(super) async fn run_batch(
    stage: Arc<Stage>,
    profile: Arc<Profile>,
    limit: usize,
) -> Result<Batch, StoreError> {
    let now = stage.clock.now();
    let due = stage
        .destinations
        .retries_due(profile.id, now, limit)
        .await?;
    let mut calls = stream::iter(due)
        .map(|retry| call_again(&stage, &profile, retry))
        .buffer_unordered(stage.options.load().retries_in_flight.max(1));
    let (mut outcomes, mut made) = (Vec::new(), Vec::new());
    let mut batch = Batch {
        failure: None,
        delivered: 0,
        next: None,
    };
    while let Some(tried) = calls.next().await {
        let Tried {
            outcome,
            call,
            failure,
        } = tried;
        made.extend(call);
        if matches!(outcome, RetryOutcome::Delivered { .. }) {
            batch.delivered += 1;
        }
        outcomes.push(outcome);
        if worse(failure.as_ref(), batch.failure.as_ref()) {
            batch.failure = failure;
        }
    }
    drop(calls);
    if !outcomes.is_empty() {
        stage
            .destinations
            .record_retries(profile.id, outcomes, made)
            .await?;
    }
    batch.next = stage.destinations.next_retry(profile.id).await?;
    Ok(batch)
}

fn worse(one: Option<&Failure>, other: Option<&Failure>) -> bool {
    one.map(|failure| failure.kind) > other.map(|failure| failure.kind)
}

/// What came of one retry.
struct Tried {
    outcome: RetryOutcome,
    /// The call, where one was made.
    call: Option<Call>,
    failure: Option<Failure>,
}

impl Tried {
    const fn without_call(outcome: RetryOutcome) -> Self {
        Self {
            outcome,
            call: None,
            failure: None,
        }
    }
}

async fn call_again(stage: &Stage, profile: &Profile, retry: Retry) -> Tried {
    let event = match stage.log.event(retry.position).await {
        Ok(Some(event)) => event,
        Ok(None) => {
            return Tried::without_call(given_up(stage, retry, "the event is no longer kept"));
        }
        Err(StoreError::Corrupt(why)) => {
            tracing::error!(
                event.position = retry.position.0,
                "An event can't be read and is not retried: {why}"
            );
            return Tried::without_call(given_up(stage, retry, "the event can't be read"));
        }
        Err(error) => return Tried::without_call(put_off(stage, retry, &error)),
    };
    let wanted = profile.documents(&event).into_iter();
    let Some(document) = wanted.into_iter().find(|d| d.number == retry.document) else {
        // The destination's settings were changed meanwhile: it wants this no more.
        return Tried::without_call(delivered(&retry));
    };
    let mut made = post(stage.wire(), profile, document).await;
    stage.metrics.called(&made);
    let about = (retry.position, retry.document);
    let attempt = retry.attempts.saturating_add(1);
    let failure = made.failure.take();
    let outcome = match &failure {
        None => delivered(&retry),
        Some(failure) => failed_again(stage, retry, &event, failure),
    };
    let next_at = match &outcome {
        RetryOutcome::Again(retry) => Some(retry.next_at),
        RetryOutcome::Delivered { .. } | RetryOutcome::Dead(_) => None,
    };
    Tried {
        outcome,
        call: Some(made.logged(about, attempt, next_at)),
        failure,
    }
}

const fn delivered(retry: &Retry) -> RetryOutcome {
    RetryOutcome::Delivered {
        position: retry.position,
        document: retry.document,
    }
}

fn given_up(stage: &Stage, mut retry: Retry, why: &str) -> RetryOutcome {
    stage.metrics.given_up();
    why.clone_into(&mut retry.last_error);
    RetryOutcome::Dead(retry)
}

/// The store could not say what the event was: no call was made.
fn put_off(stage: &Stage, mut retry: Retry, error: &StoreError) -> RetryOutcome {
    tracing::warn!(%error, "A retry is put off, since its event can't be read");
    retry.next_at = stage.clock.now().after(UNREADABLE_PAUSE);
    RetryOutcome::Again(retry)
}

fn failed_again(
    stage: &Stage,
    mut retry: Retry,
    event: &Logged,
    failure: &Failure,
) -> RetryOutcome {
    let attempts = retry.attempts.saturating_add(1);
    let jitter = jitter(event.id(), attempts);
    let next = next_call(attempts, stage.clock.now(), failure.retry_after, jitter);
    retry.attempts = attempts;
    retry.last_error.clone_from(&failure.why);
    if let Some(next_at) = next {
        retry.next_at = next_at;
        return RetryOutcome::Again(retry);
    }
    stage.metrics.given_up();
    tracing::warn!(
        event.kind = event.kind().name(),
        attempt = attempts,
        "An event is given up for its destination: no call was answered with a 2xx."
    );
    RetryOutcome::Dead(retry)
}
