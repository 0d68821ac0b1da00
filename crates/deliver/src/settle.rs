//! settle: outcomes are gathered and recorded in batches.
//!
//! Workers hand an outcome over and go on with the next delivery. While one batch is being
//! committed the next one grows in the channel; when that is full, the workers wait.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Address, Clock, Domain, Fact, Message};
use postbell_store::{Queue, SettleError, Settlement, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::DeliverMetrics;
use crate::release::{PATIENCE, give_back, may_take_later};

/// Outcomes that wait for the store.
const CHANNEL: usize = 2_048;
/// Outcomes in one batch.
const BATCH: usize = 512;
/// When a delivery whose outcome the store refused is tried again.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);

/// An outcome, with what the log says about it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) settlement: Settlement,
    pub(crate) message: Arc<Message>,
    pub(crate) domain: Domain,
    /// Where whole addresses may be logged.
    pub(crate) recipient: Option<Address>,
}

/// Where workers hand outcomes over.
#[derive(Debug, Clone)]
pub(crate) struct Settler(mpsc::Sender<Settled>);

impl Settler {
    /// Hands an outcome over; `false` where the store has stopped.
    pub(crate) async fn settle(&self, settled: Settled) -> bool {
        self.0.send(settled).await.is_ok()
    }
}

/// Where outcomes are handed over, and where they come out.
pub(crate) fn channel() -> (Settler, mpsc::Receiver<Settled>) {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    (Settler(sender), receiver)
}

/// Records outcomes until there are no more to come or the store stops; then `halt` is
/// cancelled.
pub(crate) async fn record(
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    metrics: DeliverMetrics,
    mut outcomes: mpsc::Receiver<Settled>,
    halt: CancellationToken,
) {
    let _halt = halt.clone().drop_guard();
    let mut batch = Vec::with_capacity(BATCH);
    while outcomes.recv_many(&mut batch, BATCH).await > 0 {
        let mut wait = PATIENCE.0;
        loop {
            let recording = std::mem::take(&mut batch);
            batch = match record_batch(&*queue, &*clock, &metrics, recording, &halt).await {
                Ok(again) => again,
                Err(Stopped) => return,
            };
            if batch.is_empty() {
                break;
            }
            if halt.is_cancelled() && wait == PATIENCE.1 {
                return log_given_up(batch.len());
            }
            clock.sleep(wait).await;
            wait = (wait * 2).min(PATIENCE.1);
        }
    }
}

/// The store takes nothing more.
struct Stopped;

/// Records a batch, and gives back what the store had no room for.
async fn record_batch(
    queue: &dyn Queue,
    clock: &dyn Clock,
    metrics: &DeliverMetrics,
    batch: Vec<Settled>,
    halt: &CancellationToken,
) -> Result<Vec<Settled>, Stopped> {
    let settlements = batch.iter().map(|settled| settled.settlement.clone());
    let results = queue.settle(settlements.collect()).await;
    let mut again = Vec::new();
    let mut refused = Vec::new();
    for (settled, result) in batch.into_iter().zip(results) {
        match result {
            Ok(()) => {
                metrics.settled(&settled);
                log(&settled);
            }
            Err(SettleError::NotQueued) => log_superfluous(&settled),
            Err(SettleError::Store(StoreError::Stopped(why))) => {
                tracing::error!(reason = %why, "delivery stops, since the store has stopped");
                return Err(Stopped);
            }
            Err(SettleError::Store(error)) if may_take_later(&error) => again.push(settled),
            Err(SettleError::Store(error)) => {
                log_refused(&settled, &error);
                refused.push(settled.settlement.delivery);
            }
        }
    }
    if !refused.is_empty() {
        let at = clock.now().after(AFTER_REFUSAL);
        let giving_back = give_back(queue, clock, refused, at);
        if let Some(given_back) = halt.run_until_cancelled(giving_back).await {
            given_back.map_err(|_| Stopped)?;
        }
    }
    Ok(again)
}

fn log(settled: &Settled) {
    let fact = &settled.settlement.fact;
    let Some(attempt) = fact.attempt() else {
        return;
    };
    let Some(last) = attempt.last() else { return };
    let class = match fact {
        Fact::Scheduled { .. }
        | Fact::Send
        | Fact::Held
        | Fact::Released { .. }
        | Fact::Cancelled
        | Fact::Reject { .. }
        | Fact::LateBounce { .. }
        | Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. }
        | Fact::Suppressed(_)
        | Fact::Open(_)
        | Fact::Click(_)
        | Fact::Delivery { .. } => None,
        Fact::DeliveryDelay { class, .. } | Fact::Bounce { class, .. } => Some(class.name()),
    };
    tracing::info!(
        workspace.id = %settled.message.workspace,
        message.id = %settled.message.id,
        delivery.id = %settled.settlement.delivery,
        event.kind = fact.kind().name(),
        domain = %settled.domain,
        mx.host = %last.host,
        peer.ip = last.ip.map(tracing::field::display),
        smtp.code = last.reply.code,
        smtp.enhanced = last.reply.enhanced.map(tracing::field::display),
        bounce.class = class,
        recipient = settled.recipient.as_ref().map(tracing::field::display),
        attempt = attempt.number,
        duration_ms = milliseconds(attempt.ended_at.since(attempt.started_at)),
        size_bytes = settled.message.size,
        "the attempt has an outcome"
    );
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn log_given_up(outcomes: usize) {
    tracing::error!(
        outcomes,
        "the store has no room for outcomes and the program stops: they are lost, and their \
         deliveries may go out a second time"
    );
}

fn log_superfluous(settled: &Settled) {
    tracing::warn!(
        workspace.id = %settled.message.workspace,
        message.id = %settled.message.id,
        delivery.id = %settled.settlement.delivery,
        event.kind = settled.settlement.fact.kind().name(),
        "the delivery had ended before its attempt had: the outcome is not recorded"
    );
}

fn log_refused(settled: &Settled, error: &StoreError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        workspace.id = %settled.message.workspace,
        message.id = %settled.message.id,
        delivery.id = %settled.settlement.delivery,
        event.kind = settled.settlement.fact.kind().name(),
        "the outcome of an attempt could not be recorded: it will be tried again"
    );
}
