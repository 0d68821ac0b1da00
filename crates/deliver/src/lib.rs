//! claim → plan → connect → track → render → sign → converse → settle.
//!
//! Takes due deliveries from the store, finds the hosts that take the recipients' mail
//! (RFC 5321 §5.1), hands each message over with SMTP, and settles what came of it. Read in the
//! order of a delivery's journey: `claim`, `plan`, `board` (what waits for which site, and whose
//! turn it is), `worker`, `connect`, `track`, `render`, `sign`, `converse`, `outcome`, `settle`.
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
mod live;
mod metrics;
mod options;
mod outcome;
mod pattern;
mod plan;
mod pool;
mod relay;
mod release;
mod render;
mod rules;
mod session;
mod settings;
mod settle;
mod sign;
mod stage;
mod tls;
mod track;
mod worker;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use postbell_mail::Classifier;
use postbell_model::{Clock, TokenKeys};
use postbell_net::{Guard, OpportunisticTls, Resolver, Spread, Tracer};
use postbell_store::{Bodies, Links, Queue, Tenants};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use board::{SiteReply, SiteView};
pub use explain::{ComesIn, Dialled, Explanation, Host, HostAddress, Source, Verdict, explain};
pub use live::Live;
pub use metrics::DeliverMetrics;
pub use options::{
    DeliverOptions, LoggedAddresses, RetryOptions, TimeoutOptions, TrackedAddresses,
};
pub use pattern::DomainPattern;
pub use plan::simulated::SimulatorRoute;
pub use relay::{RelayCertificate, RelayFault, RelayOptions, RelayTls};
pub use rules::{Rate, SiteLimits, SiteOptions};
pub use settings::DeliverTerms;
pub use sign::{Signing, SigningOptions};
pub use tls::TlsPolicy;

use board::{Board, Limits};
use plan::home::Home;
use plan::lookup::Lookup;
use plan::ourselves::Ourselves;
use pool::Pool;
use relay::Relays;
use rules::SiteRules;
use settings::Settings;
use stage::{Dice, Stage};
use track::Tracks;

/// Octets of one reply of a host; a longer one ends the session.
const MAX_REPLY: usize = 64 * 1024;
/// By how many hundredths a site's pause may be shorter than configured.
const PAUSE_SPREAD: u32 = 25;

/// Why there can be no deliverer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// The store has no key to make tokens with.
    #[error("the store has no token keys, or their ids are not below 16")]
    NoTokenKeys,
    /// A relay's entry does not hold, or its password can't be read.
    #[error("deliver.relay: {0}")]
    Relay(#[from] RelayFault),
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
    terms: DeliverTerms,
    queue: Arc<dyn Queue>,
    bodies: Arc<dyn Bodies>,
    tenants: Arc<dyn Tenants>,
    keys: Arc<TokenKeys>,
    guard: Guard,
    tls: OpportunisticTls,
    board: Arc<Board>,
    signing: Option<Arc<Signing>>,
    links: Option<Arc<dyn Links>>,
    clock: Arc<dyn Clock>,
    tracer: Tracer,
    metrics: DeliverMetrics,
    logged: LoggedAddresses,
    spread: Spread,
}

impl Deliverer {
    /// A deliverer of what is in `queue`.
    ///
    /// # Errors
    /// The store has no token keys, or a relay's password can't be read.
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
        let options = options.at_least_one_of_each();
        let relays = Relays::read(&options.relay)?;
        let board = Arc::new(Board::new(limits(&options), site_rules(&options)));
        let lookup = Lookup {
            resolver: reach.resolver,
            guard: reach.guard.clone(),
            ourselves: options.hostname.clone(),
            own: Ourselves::default(),
            home: Home::Of(Arc::clone(&tenants)),
            is_open: options.inbound_open,
            relays,
            simulator: options.simulator.clone(),
            max_addresses: options.max_addresses,
            lifetime: options.plan_lifetime,
            timeout: options.plan_timeout,
        };
        let settings = Settings::new(options, lookup, Arc::new(Classifier::standard()));
        Ok(Self {
            terms: DeliverTerms::new(settings, Arc::clone(&board)),
            board,
            guard: reach.guard,
            tls: reach.tls,
            queue,
            bodies,
            keys: Arc::new(keys.ok_or(DeliverError::NoTokenKeys)?),
            tenants,
            signing: None,
            links: None,
            clock,
            tracer: Tracer::default(),
            metrics: DeliverMetrics::default(),
            logged: LoggedAddresses::Domain,
            spread: Spread::default(),
        })
    }

    /// With other rules than the standard ones for what replies mean.
    #[must_use]
    pub fn with_classifier(self, classifier: Classifier) -> Self {
        self.terms.classify_by(classifier);
        self
    }

    /// With other threads for deliveries where many are under way.
    #[must_use]
    pub fn with_spread(mut self, spread: Spread) -> Self {
        self.spread = spread;
        self
    }

    /// With the addresses of our own SMTP listeners, so that no mail is sent to ourselves.
    #[must_use]
    pub fn with_listeners(self, listeners: &[SocketAddr]) -> Self {
        let mx_port = self.terms.settings.load().options.smtp_port;
        self.terms
            .know_ourselves(Ourselves::new(listeners, mx_port));
        self
    }

    /// With a tracer that shows its sessions to whoever watches.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// What people may look at while it runs.
    pub fn live(&self) -> Live {
        Live::new(self.board.clone(), self.queue.clone(), self.clock.clone())
    }

    /// How it delivers, for whoever changes it while it runs.
    pub fn terms(&self) -> DeliverTerms {
        self.terms.clone()
    }

    /// With so much of recipients' addresses in the log.
    #[must_use]
    pub const fn with_logged_addresses(mut self, logged: LoggedAddresses) -> Self {
        self.logged = logged;
        self
    }

    /// What it counts.
    pub const fn metrics(&self) -> &DeliverMetrics {
        &self.metrics
    }

    /// With signatures on what goes out.
    #[must_use]
    pub fn with_signing(mut self, signing: Signing) -> Self {
        self.signing = Some(Arc::new(signing));
        self
    }

    /// With a place for links that are too long for a token. Without, they are not tracked.
    #[must_use]
    pub fn with_links(mut self, links: Arc<dyn Links>) -> Self {
        self.links = Some(links);
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
            self.metrics.clone(),
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
        let settings = self.terms.settings.load_full();
        let options = &settings.options;
        let signing = self.signing.as_ref();
        let pool = signing.map_or_else(|| Pool::new(None), |signing| signing.pool.clone());
        let tracks = Tracks::new(self.links.clone(), self.metrics.tracking.clone());
        let body_room = usize::try_from(options.max_body_octets.div_ceil(1024).max(1))
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Stage {
            settings: Arc::clone(&self.terms.settings),
            client: Arc::clone(&settings.client),
            queue: self.queue.clone(),
            bodies: self.bodies.clone(),
            tenants: self.tenants.clone(),
            keys: self.keys.clone(),
            guard: self.guard.clone(),
            tls: self.tls.clone(),
            broken_tls: Arc::default(),
            classifier: Arc::clone(&settings.classifier),
            signing: self.signing.clone(),
            tracks: Arc::new(tracks),
            pool,
            clock: self.clock.clone(),
            tracer: self.tracer.clone(),
            sessions: Arc::default(),
            logged: self.logged,
            board: self.board.clone(),
            settler,
            body_room: Arc::new(Semaphore::new(body_room)),
            dice: Dice::default(),
            spread: self.spread.clone(),
            tasks,
            own: TaskTracker::new(),
            stop,
            abort: CancellationToken::new(),
            options: Arc::clone(options),
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

pub(crate) fn site_rules(options: &DeliverOptions) -> SiteRules {
    let usual = SiteLimits {
        connections: options.max_connections_per_site,
        messages_per_connection: options.max_messages_per_connection,
        rate: options.rate_per_site,
    };
    SiteRules::new(usual, options.site.clone())
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
        pause_spread: PAUSE_SPREAD,
    }
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
