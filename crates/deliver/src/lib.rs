//! claim → plan → connect → render → sign → converse → settle.
//!
//! Takes due deliveries from the store, finds the hosts that take the recipients' mail
//! (RFC 5321 §5.1), hands each message over with SMTP, and settles what came of it. Read in the
//! order of a delivery's journey: `claim`, `plan`, `board` (what waits for which site, and whose
//! turn it is), `worker`, `connect`, `render`, `sign`, `converse`, `outcome`, `settle`.
//!
//! **Promises.** Whatever happens to one site, domain or lane holds back only what is addressed
//! to it. Everything waited for has a deadline and everything held a limit. A delivery that was
//! claimed is settled or given back, also when its task panics. The message is handed to a
//! second host only where the first can't have taken it.
//!
//! **Not done here.** No delivery is retried before its time, no state is stored but through
//! the queue, and nothing is sent but what was accepted.

#![warn(missing_docs)]

mod board;
mod claim;
mod connect;
mod converse;
mod dispatch;
mod explain;
mod options;
mod outcome;
mod plan;
mod render;
mod session;
mod settle;
mod sign;
mod stage;
mod tls;
mod worker;

use std::fmt;
use std::sync::Arc;

use postbell_mail::Classifier;
use postbell_model::{Clock, TokenKeys};
use postbell_net::{Guard, OpportunisticTls, Resolver};
use postbell_smtp::ClientOptions;
use postbell_store::{Bodies, Queue, Tenants};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use explain::{Explanation, Host, HostAddress, Source, Verdict, explain};
pub use options::{DeliverOptions, RetryOptions, TimeoutOptions};
pub use sign::{Signing, SigningOptions};
pub use tls::TlsPolicy;

use board::{Board, Limits};
use plan::lookup::Lookup;
use stage::{Dice, Stage};

/// Octets of one reply of a host; a longer one ends the session.
const MAX_REPLY: usize = 64 * 1024;

/// Why there can be no deliverer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// The store has no key to make tokens with.
    #[error("the store has no token keys, or their ids are not below 16")]
    NoTokenKeys,
}

/// What hosts are found, checked and secured with.
#[derive(Debug)]
pub struct Reach {
    /// Finds them.
    pub resolver: Resolver,
    /// Says which of them may be dialled.
    pub guard: Guard,
    /// Secures connections to them.
    pub tls: OpportunisticTls,
}

/// The stage that delivers.
pub struct Deliverer {
    options: Arc<DeliverOptions>,
    queue: Arc<dyn Queue>,
    bodies: Arc<dyn Bodies>,
    tenants: Arc<dyn Tenants>,
    keys: Arc<TokenKeys>,
    reach: Reach,
    classifier: Arc<Classifier>,
    signing: Option<Arc<Signing>>,
    clock: Arc<dyn Clock>,
}

impl Deliverer {
    /// A deliverer of what is in `queue`.
    ///
    /// # Errors
    /// The store has no token keys.
    pub fn new(
        options: DeliverOptions,
        queue: Arc<dyn Queue>,
        bodies: Arc<dyn Bodies>,
        tenants: Arc<dyn Tenants>,
        reach: Reach,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DeliverError> {
        let secrets = tenants.token_keys();
        let keys = TokenKeys::new(secrets.iter().map(|(id, secret)| (*id, secret)));
        Ok(Self {
            options: Arc::new(options.at_least_one_of_each()),
            queue,
            bodies,
            keys: Arc::new(keys.ok_or(DeliverError::NoTokenKeys)?),
            tenants,
            reach,
            classifier: Arc::new(Classifier::standard()),
            signing: None,
            clock,
        })
    }

    /// With other rules than the standard ones for what replies mean.
    #[must_use]
    pub fn with_classifier(mut self, classifier: Classifier) -> Self {
        self.classifier = Arc::new(classifier);
        self
    }

    /// With signatures on what goes out.
    #[must_use]
    pub fn with_signing(mut self, signing: Signing) -> Self {
        self.signing = Some(Arc::new(signing));
        self
    }

    /// Claims, delivers and settles until `stop`. Then finishes the transactions under way
    /// within their grace, settles them, gives back the rest, and returns.
    ///
    /// Ends by itself when the store stops.
    pub async fn run(self, tasks: &TaskTracker, stop: CancellationToken) {
        let halt = stop.child_token();
        let (settler, outcomes) = settle::channel();
        let recording = settle::record(
            self.queue.clone(),
            self.clock.clone(),
            outcomes,
            halt.clone(),
        );
        let recorder = tasks.spawn(recording);
        let fresh = self.queue.fresh();
        let stage = self.stage(settler, tasks.clone(), halt);
        let take_fresh = async {
            match fresh {
                Some(offered) => claim::take_fresh(&stage, offered).await,
                None => stage.stop.cancelled().await,
            }
        };
        tokio::join!(
            take_fresh,
            claim::claim_due(&stage),
            dispatch::dispatch(&stage)
        );
        wind_down(stage).await;
        if recorder.await.is_err() {
            tracing::error!("the task that records outcomes ended by a fault of the program");
        }
    }

    fn stage(
        &self,
        settler: settle::Settler,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Stage {
        let options = &self.options;
        let body_room = usize::try_from(options.max_body_octets.div_ceil(1024).max(1))
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Stage {
            client: Arc::new(ClientOptions {
                ehlo_name: options.hostname.clone(),
                timeouts: options.timeouts.into(),
                max_reply: MAX_REPLY,
            }),
            queue: self.queue.clone(),
            bodies: self.bodies.clone(),
            tenants: self.tenants.clone(),
            keys: self.keys.clone(),
            lookup: Arc::new(self.lookup()),
            guard: self.reach.guard.clone(),
            tls: self.reach.tls.clone(),
            broken_tls: Arc::default(),
            classifier: self.classifier.clone(),
            signing: self.signing.clone(),
            clock: self.clock.clone(),
            board: Arc::new(Board::new(limits(options))),
            settler,
            body_room: Arc::new(Semaphore::new(body_room)),
            dice: Dice::default(),
            tasks,
            own: TaskTracker::new(),
            stop,
            abort: CancellationToken::new(),
            options: options.clone(),
        }
    }

    fn lookup(&self) -> Lookup {
        Lookup {
            resolver: self.reach.resolver.clone(),
            guard: self.reach.guard.clone(),
            ourselves: self.options.hostname.clone(),
            max_addresses: self.options.max_addresses,
            lifetime: self.options.plan_lifetime,
            timeout: self.options.plan_timeout,
        }
    }
}

/// Lets transactions end, and gives back what is left.
async fn wind_down(stage: Stage) {
    dispatch::close(&stage).await;
    stage.own.close();
    let ended = tokio::time::timeout(stage.options.grace, stage.own.wait()).await;
    if ended.is_err() {
        tracing::warn!(
            tasks = stage.own.len(),
            "transactions did not end in time and are broken off"
        );
        stage.abort.cancel();
        stage.own.wait().await;
    }
    dispatch::close(&stage).await;
}

fn limits(options: &DeliverOptions) -> Limits {
    Limits {
        waiting: options.max_waiting,
        batch: options.claim_batch,
        connections: options.max_connections,
        connections_per_site: options.max_connections_per_site,
        lookups: options.max_lookups,
        plans: options.max_plans,
        pause: options.site_pause,
        longest_pause: options.longest_site_pause,
    }
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
