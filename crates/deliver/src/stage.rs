//! What all tasks of the stage share.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use postbell_mail::Classifier;
use postbell_model::retry::Jitter;
use postbell_model::{
    Attempt, BounceClass, Clock, DeliveryId, HostTry, RetryPolicy, Timestamp, TokenKeys,
};
use postbell_net::{Guard, OpportunisticTls, Spread, Tracer};
use postbell_smtp::ClientOptions;
use postbell_store::{Bodies, Claimed, Queue, Settlement, StoreError, Tenants};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::DeliverOptions;
use crate::LoggedAddresses;
use crate::Signing;
use crate::board::{Board, InHand, Parcel};
use crate::outcome::{fact, outcome};
use crate::pool::Pool;
use crate::release::{PATIENCE, give_back, may_take_later};
use crate::settings::Settings;
use crate::settle::{Settled, Settler};
use crate::tls::BrokenTls;
use crate::track::Tracks;

/// Handles and settings. A connection keeps the settings of the moment when it was made.
#[derive(Clone)]
pub(crate) struct Stage {
    /// Those that hold for what begins now.
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) options: Arc<DeliverOptions>,
    pub(crate) client: Arc<ClientOptions>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) bodies: Arc<dyn Bodies>,
    pub(crate) tenants: Arc<dyn Tenants>,
    pub(crate) keys: Arc<TokenKeys>,
    pub(crate) guard: Guard,
    pub(crate) tls: OpportunisticTls,
    pub(crate) broken_tls: Arc<BrokenTls>,
    pub(crate) classifier: Arc<Classifier>,
    /// `None`: mail goes out unsigned.
    pub(crate) signing: Option<Arc<Signing>>,
    pub(crate) tracks: Arc<Tracks>,
    /// For work that takes long.
    pub(crate) pool: Pool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tracer: Tracer,
    /// Connections made so far.
    pub(crate) sessions: Arc<AtomicU64>,
    pub(crate) logged: LoggedAddresses,
    pub(crate) board: Arc<Board>,
    pub(crate) settler: Settler,
    /// Room for bodies read back from the disk and for what is written anew of any, in KiB.
    pub(crate) body_room: Arc<Semaphore>,
    pub(crate) dice: Dice,
    pub(crate) spread: Spread,
    pub(crate) tasks: TaskTracker,
    /// The stage's own tasks among all.
    pub(crate) own: TaskTracker,
    /// Nothing new is begun.
    pub(crate) stop: CancellationToken,
    /// What is under way is broken off.
    pub(crate) abort: CancellationToken,
}

/// What was done for a delivery in one attempt.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) started_at: Timestamp,
    pub(crate) tries: Vec<HostTry>,
    pub(crate) tracking_notes: Vec<String>,
}

impl Attempted {
    pub(crate) const fn new(started_at: Timestamp, tries: Vec<HostTry>) -> Self {
        Self {
            started_at,
            tries,
            tracking_notes: Vec::new(),
        }
    }
}

impl Stage {
    /// The stage with the settings of this moment.
    pub(crate) fn of_now(&self) -> Self {
        let settings = self.settings.load();
        Self {
            options: Arc::clone(&settings.options),
            client: Arc::clone(&settings.client),
            classifier: Arc::clone(&settings.classifier),
            ..self.clone()
        }
    }

    /// Runs a task until it ends or everything is broken off.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        let task = async move { abort.run_until_cancelled(task).await.unwrap_or_default() };
        let threads = self.spread.threads(self.own.len());
        threads.spawn(&self.tasks, self.own.track_future(task));
    }

    /// What was claimed, with how each of it leaves.
    pub(crate) fn parcels(&self, claimed: impl IntoIterator<Item = Claimed>) -> Vec<Parcel> {
        let directory = self.tenants.directory();
        let egress = |claimed: &Claimed| {
            let set = directory.configuration_set(claimed.message.configuration_set)?;
            (!set.egress.is_default()).then(|| Arc::new(set.egress.clone()))
        };
        claimed
            .into_iter()
            .map(|claimed| {
                let egress = egress(&claimed);
                Parcel::new(claimed, egress)
            })
            .collect()
    }

    /// Whether a delivery is to go back without an attempt. Nothing paused is claimed, and nothing
    /// whose recipient is on the suppression list; this one was before. The next claim knows more.
    pub(crate) fn goes_back(&self, parcel: &Parcel) -> bool {
        let directory = self.tenants.directory();
        let paused = directory.pause_of_message(&parcel.claimed.message);
        paused.is_some() || self.queue.suppressed_meanwhile(&parcel.claimed)
    }

    /// Settles a delivery with the outcome of its attempt. Waits only where the store is far
    /// behind.
    pub(crate) async fn settle(&self, in_hand: InHand, attempted: Attempted) {
        let class = |last: &HostTry| self.classifier.classify(last.phase, &last.reply);
        let settled = self.settled(&in_hand, attempted, class);
        if self.settler.settle(settled).await {
            in_hand.settled();
        }
    }

    /// Settles a delivery that no host heard of.
    pub(crate) async fn settle_unsent(&self, parcel: &Parcel, tried: HostTry, class: BounceClass) {
        let attempted = Attempted::new(self.clock.now(), vec![tried]);
        let settled = self.settled(parcel, attempted, |_| class);
        self.settler.settle(settled).await;
    }

    fn settled(
        &self,
        parcel: &Parcel,
        attempted: Attempted,
        class: impl Fn(&HostTry) -> BounceClass,
    ) -> Settled {
        let (delivery, message) = (&parcel.claimed.delivery, &parcel.claimed.message);
        let last = attempted.tries.last();
        let last = last.expect("invariant: an attempt has a try");
        let outcome = outcome(last, class(last));
        let attempt = Attempt {
            number: delivery.attempt,
            started_at: attempted.started_at,
            ended_at: self.clock.now(),
            tries: attempted.tries,
            tracking_notes: attempted.tracking_notes,
        };
        let ended_at = attempt.ended_at;
        let directory = self.tenants.directory();
        let set = directory.configuration_set(message.configuration_set);
        let policy = RetryPolicy::from(self.options.retry).of_set(set);
        let jitter = self.dice.jitter(&(delivery.id, delivery.attempt));
        let fact = fact(attempt, outcome, delivery, &policy, jitter);
        Settled {
            settlement: Settlement {
                delivery: delivery.id,
                at: ended_at,
                fact,
            },
            message: message.clone(),
            domain: parcel.domain().clone(),
            recipient: match self.logged {
                LoggedAddresses::Domain => None,
                LoggedAddresses::Full => Some(delivery.recipient.clone()),
            },
        }
    }

    /// Gives deliveries back to the queue without an attempt. Does not wait for a store that has
    /// no room for it now.
    pub(crate) async fn release(&self, parcels: Vec<Parcel>, after: Duration) {
        if parcels.is_empty() {
            return;
        }
        let at = self.clock.now().after(after);
        let ids = parcels.iter().map(|parcel| parcel.claimed.delivery.id);
        let ids: Vec<_> = ids.collect();
        match self.queue.release(ids.clone(), at).await {
            Ok(()) => {}
            Err(error) if may_take_later(&error) && !self.stop.is_cancelled() => {
                let stage = self.clone();
                self.spawn(async move { stage.release_later(ids, at).await });
            }
            Err(error) => log_kept(&error, ids.len()),
        }
    }

    async fn release_later(&self, ids: Vec<DeliveryId>, at: Timestamp) {
        let count = ids.len();
        let giving_back = async {
            self.clock.sleep(PATIENCE.0).await;
            give_back(&*self.queue, &*self.clock, ids, at).await
        };
        if let Some(Err(error)) = self.stop.run_until_cancelled(giving_back).await {
            log_kept(&error, count);
        }
    }
}

/// Nothing is lost: what is stored says when each of them is due.
fn log_kept(error: &StoreError, deliveries: usize) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        deliveries,
        "deliveries could not be given back and wait for their next attempt"
    );
}

/// Random numbers where nobody gains by guessing them: spreading retries and hosts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dice(RandomState);

impl Dice {
    pub(crate) fn roll(&self, seed: &impl Hash) -> u64 {
        self.0.hash_one(seed)
    }

    fn jitter(&self, seed: &impl Hash) -> Jitter {
        let bits = self.roll(seed) >> 32;
        Jitter::from_bits(u32::try_from(bits).expect("invariant: 32 bits are left"))
    }
}
