//! The server: every stage joined to the store, started, watched and ended.
//!
//! Used by `postbell serve`, by `postbell dev` and by the tests; nothing here knows of a far
//! side that is not the real one.

mod control;
mod inbound;
mod listen;
mod observed;
mod operations;
mod reload;
mod reputation;
mod retention;
mod revocations;
mod simulated;
mod stages;
mod tracking;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use postbell_accept::{Admission, Obstacle};
use postbell_model::Clock;
use postbell_net::Tracer;
use postbell_store::{SqliteStore, Store, StoreMetrics};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::Config;
use crate::identity::{Sweeper, Verifier, Watch};
use crate::lifecycle::{Inherited, OneThread, Stage, make_data_folder};
use crate::observe::Panics;
use listen::Listeners;
use observed::Observed;
use reload::{Guards, Terms};
use reputation::ReputationWatch;
use simulated::Simulated;
pub(crate) use simulated::domain as simulated_domain;

/// How the grace is shared out among the stages, which end one after the other.
const DOORS_SHARE: f64 = 0.4;
const DELIVER_SHARE: f64 = 0.4;
const NOTIFY_SHARE: f64 = 0.2;
/// Of its share, what a stage gives its own work; the rest is for putting things away.
const WORK_SHARE: f64 = 0.9;
/// What the store may take to sync and close; more means that the disk hangs.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// What simulated recipients may take to end; nothing depends on them any more.
const SIMULATOR_LIMIT: Duration = Duration::from_secs(1);
/// What the last answers over HTTP may take.
const HTTP_LIMIT: Duration = Duration::from_secs(1);

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    store: Arc<dyn Store>,
    store_tasks: TaskTracker,
    admission: Arc<Admission>,
    /// Runs what takes mail and what delivers it, where little goes on.
    mail: OneThread,
    doors: Stage,
    inbound: Stage,
    deliver: Stage,
    reports: Stage,
    notify: Stage,
    http: Stage,
    tracking: Stage,
    visits: Stage,
    simulated: Simulated,
    addresses: Addresses,
    terms: Terms,
    grace: Duration,
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Submission over SMTP.
    pub submission: Vec<SocketAddr>,
    /// The same with TLS from the first octet.
    pub submission_tls: Vec<SocketAddr>,
    /// Mail from outside.
    pub inbound: Vec<SocketAddr>,
    /// Health over HTTP.
    pub http: Vec<SocketAddr>,
    /// The tracking host, in the clear.
    pub tracking: Vec<SocketAddr>,
    /// The same under TLS.
    pub tracking_tls: Vec<SocketAddr>,
}

impl Addresses {
    /// Those that a configuration names.
    pub(crate) fn configured(config: &Config) -> Self {
        Self {
            submission: config.submission.listen.clone(),
            submission_tls: config.submission.listen_tls.clone(),
            inbound: config.inbound.listen.clone(),
            http: config.http.listen.clone(),
            tracking: config.tracking.listen.clone(),
            tracking_tls: config.tracking.listen_tls.clone(),
        }
    }
}

/// Why a server can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A write or a sync failed; nothing that was not answered before is promised.
    #[error("the store has stopped: {0}")]
    StoreStopped(Arc<str>),
    /// The main loop of a stage ended by a fault of the program.
    #[error("the {0} stage has ended by a fault of the program")]
    StageBroke(&'static str),
}

impl Server {
    /// Opens the store, binds every listener and starts every stage.
    ///
    /// # Errors
    /// The data folder is served already or can't be used, an address can't be listened on, or
    /// the configuration names a workspace that does not exist.
    pub async fn start(
        config: &Config,
        clock: Arc<dyn Clock>,
        panics: &Panics,
    ) -> anyhow::Result<Self> {
        Self::start_with(config, clock, panics, Inherited::default()).await
    }

    /// [`Server::start`] with sockets that were handed over, in the place of addresses of the
    /// configuration.
    ///
    /// # Errors
    /// As there.
    pub async fn start_with(
        config: &Config,
        clock: Arc<dyn Clock>,
        panics: &Panics,
        inherited: Inherited,
    ) -> anyhow::Result<Self> {
        let store_tasks = TaskTracker::new();
        let (store, metrics) = open_store(config, &clock, &store_tasks).await?;
        let observed = Observed::new(&store, metrics, panics, &clock);
        let on = (Arc::clone(&store), store_tasks);
        match Self::start_on(config, clock, on, observed, inherited).await {
            Ok(server) => Ok(server),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn start_on(
        config: &Config,
        clock: Arc<dyn Clock>,
        (store, store_tasks): (Arc<dyn Store>, TaskTracker),
        mut observed: Observed,
        inherited: Inherited,
    ) -> anyhow::Result<Self> {
        let guards = Guards::new(config);
        let dns = observed.dns();
        let notifier = stages::notifier(config, &store, (&guards, &dns), &clock)?;
        let tracer = Tracer::new(Arc::clone(&clock));
        let simulated = Simulated::start(config, &clock).await?;
        let options = stages::deliver_options(config, simulated.route());
        let deliverer = stages::deliverer(options, config, &store, (&guards, &dns), &clock)?;
        let deliverer = deliverer.with_tracer(tracer.clone());
        let live = deliverer.live();
        let tls = stages::tls(config)?.map(Arc::new);
        let gate = stages::gate(config, &store, observed.admission(), &clock);
        let reporter = stages::reporter(config, &store, Arc::clone(&gate), &clock)?;
        let forwarder = stages::forwarder(&store, Arc::clone(&gate), &clock);
        let door = stages::submission_door(config, &store, gate.clone(), tls.as_deref(), &clock)?;
        let door = Arc::new(door.with_tracer(tracer.clone()));
        let around = inbound::Around {
            store: &store,
            admission: observed.admission(),
            tls: tls.as_deref(),
            dns: &dns,
            beside: &door,
            tracer: &tracer,
            clock: &clock,
        };
        let (inbound_gate, inbound) = inbound::door(config, around)?;
        let watch = Watch::new(config, Arc::clone(&store), dns.clone(), Arc::clone(&clock));
        let verifier = Verifier::new(config, Arc::clone(&store), dns, Arc::clone(&clock));
        let sweeper = Sweeper::new(Arc::clone(&store), live.clone(), Arc::clone(&clock));
        observed.register(&door, &deliverer, &notifier, tls.clone());
        observed.register_inbound(&inbound_gate, &forwarder);
        let reputation = ReputationWatch::new(config, &store, &clock);
        observed.register_reputation(&reputation);
        let mail = OneThread::start("mail").context("there is no thread for mail")?;
        let listeners = Listeners::open(config, inherited, mail.handle())?;
        let deliverer = deliverer.with_listeners(&listeners.addresses.submission);
        simulated.answer_by(config, &listeners.addresses);
        let around = (&listeners, tls.as_ref(), &guards);
        let made = tracking::tracking(config, &store, around, &mut observed, &clock);
        let (tracking, followed) = made.await?;
        let terms = Terms {
            gate,
            door: Arc::clone(&door),
            inbound_gate,
            inbound: Arc::clone(&inbound),
            reports: reporter.terms(),
            deliver: deliverer.terms(),
            notify: notifier.terms(),
            reputation: reputation.terms(),
            guards,
            tls: tls.clone(),
            tracking: followed,
        };
        let around = (observed.admission(), mail, config.server.grace);
        let stages = (terms, simulated, listeners.addresses.clone());
        let server = Self::idle((store, store_tasks), stages, around);
        server.run_pressure(observed.pressure(config)).await;
        server.run_http(config, listeners.http, observed);
        server.run_notify(notifier);
        server.run_deliver(deliverer);
        server.run_reports(reporter);
        server.run_forwards(forwarder);
        server.run_identity(watch);
        server.run_domains(verifier, sweeper);
        server.run_revocations(live.clone(), Arc::clone(&clock));
        server.run_retention(config.retention, Arc::clone(&clock));
        server.run_reputation(reputation);
        server.admission.clear(Obstacle::Starting);
        server.run_submission(&door, listeners.submission, listeners.submission_tls);
        server.run_inbound(&inbound, listeners.inbound);
        server.run_tracking(tracking, listeners.tracking, Arc::clone(&clock));
        server.run_tls(tls, Arc::clone(&clock));
        server.run_control(config, live, tracer, clock);
        Ok(server)
    }

    /// All that it is made of, before anything runs.
    fn idle(
        (store, store_tasks): (Arc<dyn Store>, TaskTracker),
        (terms, simulated, addresses): (Terms, Simulated, Addresses),
        (admission, mail, grace): (Arc<Admission>, OneThread, Duration),
    ) -> Self {
        Self {
            store,
            store_tasks,
            admission,
            doors: Stage::new("submission").on(mail.handle()),
            inbound: Stage::new("inbound"),
            deliver: Stage::new("deliver").on(mail.handle()),
            reports: Stage::new("reports"),
            notify: Stage::new("notify"),
            http: Stage::new("http"),
            tracking: Stage::new("tracking"),
            visits: Stage::new("visits"),
            simulated,
            addresses,
            terms,
            grace,
            mail,
        }
    }

    /// Where it listens; port 0 of the configuration is a real port here.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The store that it serves from.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Whether the thread that has mail comes to something new in time.
    pub(crate) async fn mail_turns(&self, limit: Duration) -> bool {
        self.mail.turns(limit).await
    }

    /// Waits until it can't go on.
    pub async fn trouble(&self) -> Trouble {
        let mut failure = self.store.failure();
        let broke = tokio::select! {
            biased;
            reason = failure.wait_for(Option::is_some) => {
                let reason = reason.ok().and_then(|reason| reason.clone());
                return Trouble::StoreStopped(reason.unwrap_or_else(|| "it is gone".into()));
            }
            name = self.doors.broken() => name,
            name = self.inbound.broken() => name,
            name = self.deliver.broken() => name,
            name = self.reports.broken() => name,
            name = self.notify.broken() => name,
            name = self.http.broken() => name,
            name = self.tracking.broken() => name,
            name = self.visits.broken() => name,
        };
        // Stages end by themselves when the store has stopped; the cause is what counts.
        match failure.borrow().clone() {
            Some(reason) => Trouble::StoreStopped(reason),
            None => Trouble::StageBroke(broke),
        }
    }

    /// Ends in order: the doors, what delivers, what tells of it, the store. What is late is
    /// named in the log and abandoned; it is on disk.
    pub async fn shut_down(self) {
        info!(duration_ms = self.grace.as_millis(), "ending");
        self.admission.set(Obstacle::Draining);
        let share = self.grace.mul_f64(DOORS_SHARE);
        tokio::join!(
            self.doors.finish(share),
            self.inbound.finish(share),
            self.tracking.finish(share)
        );
        self.deliver.finish(self.grace.mul_f64(DELIVER_SHARE)).await;
        self.simulated.stage.finish(SIMULATOR_LIMIT).await;
        let share = self.grace.mul_f64(NOTIFY_SHARE);
        // Nobody comes any more: who has come is written down.
        tokio::join!(
            self.reports.finish(share),
            self.notify.finish(share),
            self.visits.finish(share)
        );
        if tokio::time::timeout(CLOSE_LIMIT, self.close_store())
            .await
            .is_err()
        {
            warn!("the store did not close in time; it recovers at the next start");
        }
        self.http.finish(HTTP_LIMIT).await;
        // With what of mail was late.
        drop(self.mail);
    }

    async fn close_store(&self) {
        self.store.close().await;
        self.store_tasks.close();
        self.store_tasks.wait().await;
    }
}

async fn open_store(
    config: &Config,
    clock: &Arc<dyn Clock>,
    tasks: &TaskTracker,
) -> anyhow::Result<(Arc<dyn Store>, StoreMetrics)> {
    let folder = config.server.data_dir.as_path();
    make_data_folder(folder)
        .with_context(|| format!("the data folder {} can't be made", folder.display()))?;
    let options = config.store.clone();
    let unusable = || format!("the store in {} can't be opened", folder.display());
    let store = SqliteStore::open(folder, options, Arc::clone(clock), tasks).await;
    let store = store.with_context(unusable)?;
    let store = store.suppressing(config.suppression).await;
    let store = store.with_context(unusable)?;
    let store = store.simulating(simulated::domain(config));
    let metrics = store.metrics().clone();
    Ok((Arc::new(store), metrics))
}
