//! Each stage, made from its part of the configuration and of the store.

use std::sync::Arc;

use anyhow::{Context, bail};
use ipnet::IpNet;
use postbell_accept::{AcceptOptions, Admission, Forwarder, Gate, Reporter};
use postbell_api::HttpDoor;
use postbell_deliver::{
    DeliverOptions, Deliverer, Reach, Signing, SimulatorRoute, TrackedAddresses,
};
use postbell_mail::Classifier;
use postbell_model::{Clock, WorkspaceId};
use postbell_net::{DnsMetrics, HttpClient, OpportunisticTls, Resolver, ServerTls, Spread};
use postbell_notify::{Notifier, NotifyOptions};
use postbell_receive::{Encryption, SubmissionDoor};
use postbell_store::{Directory, Store};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::observed::Observed;
use super::reload::Guards;
use super::simulated;
use super::{DELIVER_SHARE, NOTIFY_SHARE, Server, WORK_SHARE};
use crate::config::Config;
use crate::identity::{Sweeper, Verifier, Watch, check_opens, sealing_key};
use crate::observe::Pressure;

/// What calls webhooks.
pub(super) fn notifier(
    config: &Config,
    store: &Arc<dyn Store>,
    (guards, dns): (&Guards, &DnsMetrics),
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Notifier> {
    let resolver = Resolver::new(&config.dns)?.with_metrics(dns.clone());
    let http = HttpClient::new(resolver, guards.notify.clone(), &config.http_client);
    Ok(Notifier::new(
        notify_options(config),
        store.clone(),
        store.clone(),
        store.clone(),
        http,
        Arc::clone(clock),
    ))
}

/// How webhooks are called.
pub(super) fn notify_options(config: &Config) -> NotifyOptions {
    NotifyOptions {
        grace: config.server.grace.mul_f64(NOTIFY_SHARE * WORK_SHARE),
        ..config.notify.clone()
    }
}

/// What delivers mail.
pub(super) fn deliverer(
    options: DeliverOptions,
    config: &Config,
    store: &Arc<dyn Store>,
    (guards, dns): (&Guards, &DnsMetrics),
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Deliverer> {
    let deliverer = Deliverer::new(
        options,
        store.clone(),
        store.clone(),
        store.clone(),
        Reach {
            resolver: Resolver::new(&config.dns)?.with_metrics(dns.clone()),
            guard: guards.deliver.clone(),
            tls: OpportunisticTls::new(b"")?,
        },
        Arc::clone(clock),
    )?;
    let deliverer = deliverer
        .with_signing(signing(config, store)?)
        .with_logged_addresses(config.log.addresses)
        .with_spread(Spread::to(Handle::current()))
        .with_links(store.clone());
    Ok(deliverer.with_classifier(Classifier::extended(config.classify.read()?)))
}

/// How mail is delivered.
pub(super) fn deliver_options(
    config: &Config,
    simulator: Option<SimulatorRoute>,
) -> DeliverOptions {
    DeliverOptions {
        grace: config.server.grace.mul_f64(DELIVER_SHARE * WORK_SHARE),
        simulator,
        // Where no mail comes in, an answer to us would be lost.
        inbound_open: !config.inbound.listen.is_empty(),
        // Nor does a link lead anywhere where nobody answers.
        tracking: TrackedAddresses {
            open: config.tracking.is_open(),
            base_url: config.tracking.base_url.clone(),
        },
        ..config.deliver.clone()
    }
}

/// What signs mail, with keys that can all be opened.
fn signing(config: &Config, store: &Arc<dyn Store>) -> anyhow::Result<Signing> {
    let sealing = sealing_key(config)?;
    check_opens(&sealing, &store.directory())?;
    let options = config.dkim.signing_options();
    Ok(Signing::new(options, Arc::new(sealing)))
}

/// The certificate of the doors, where there is one.
pub(super) fn tls(config: &Config) -> anyhow::Result<Option<ServerTls>> {
    let files = config.tls.files();
    let tls = files.map(ServerTls::load).transpose();
    tls.context("the certificate of [tls]")
}

/// The gate that all mail passes.
pub(super) fn gate(
    config: &Config,
    store: &Arc<dyn Store>,
    admission: Arc<Admission>,
    clock: &Arc<dyn Clock>,
) -> Arc<Gate> {
    let options = accept_options(config);
    let (intake, tenants) = (store.clone(), store.clone());
    let gate = Gate::new(options, intake, tenants, Arc::clone(clock));
    let gate = gate.with_sandboxes(store.clone());
    Arc::new(gate.with_admission(admission))
}

/// By what the gate takes mail.
pub(super) fn accept_options(config: &Config) -> AcceptOptions {
    AcceptOptions {
        retry: config.deliver.retry.into(),
        max_hops: config.accept.max_hops,
        schedule_max: config.accept.schedule_max,
        keep_keys: config.accept.keep_keys,
        hide_client: config.accept.hide_client,
        simulator: simulated::domain(config),
    }
}

/// What tells senders what became of their mail.
pub(super) fn reporter(
    config: &Config,
    store: &Arc<dyn Store>,
    gate: Arc<Gate>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Reporter> {
    let options = config.reports.clone();
    let (reports, bodies) = (store.clone(), store.clone());
    let reporter = Reporter::new(options, gate, reports, bodies, Arc::clone(clock));
    reporter.context("reports.from")
}

/// What sends on what came in.
pub(super) fn forwarder(
    store: &Arc<dyn Store>,
    gate: Arc<Gate>,
    clock: &Arc<dyn Clock>,
) -> Forwarder {
    let (forwards, bodies) = (store.clone(), store.clone());
    Forwarder::new(gate, forwards, bodies, Arc::clone(clock))
}

/// What applications hand mail in at, with the gate behind it.
pub(super) fn submission_door(
    config: &Config,
    store: &Arc<dyn Store>,
    gate: Arc<Gate>,
    tls: Option<&ServerTls>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<SubmissionDoor> {
    let trusted = trusted(config, &store.directory())?;
    let (tenants, allowances) = (store.clone(), store.clone());
    let options = config
        .submission
        .door_options(&config.server.hostname, trusted);
    let clock = Arc::clone(clock);
    let door = SubmissionDoor::new(options, gate, tenants, allowances, tls, clock);
    Ok(door.with_spread(Spread::to(Handle::current())))
}

/// The trusted networks with the workspaces that their names mean.
pub(super) fn trusted(
    config: &Config,
    directory: &Directory,
) -> anyhow::Result<Vec<(IpNet, WorkspaceId)>> {
    let mut trusted = Vec::new();
    for (index, entry) in config.submission.trusted.iter().enumerate() {
        let name = &entry.workspace;
        let Some(workspace) = directory.workspace_named(name) else {
            bail!(
                "submission.trusted[{index}].workspace: there is no workspace \"{name}\"; \
                 make it with `postbell workspace add {name}`"
            );
        };
        trusted.push((entry.network, workspace.id));
    }
    Ok(trusted)
}

impl Server {
    pub(super) fn run_notify(&self, notifier: Notifier) {
        let (tasks, stop) = (self.notify.tasks().clone(), self.notify.stop());
        self.notify
            .run(async move { notifier.run(&tasks, stop).await });
    }

    pub(super) fn run_reports(&self, reporter: Reporter) {
        let stop = self.reports.stop();
        self.reports.run(async move { reporter.run(stop).await });
    }

    /// Beside the reports: both hand mail in at the gate for what stands on a list of the store.
    pub(super) fn run_forwards(&self, forwarder: Forwarder) {
        let stop = self.reports.stop();
        self.reports.run(async move { forwarder.run(stop).await });
    }

    pub(super) fn run_deliver(&self, deliverer: Deliverer) {
        let (tasks, stop) = (self.deliver.tasks().clone(), self.deliver.stop());
        self.deliver
            .run(async move { deliverer.run(&tasks, stop).await });
    }

    /// Looks after the keys of domains while mail is delivered.
    pub(super) fn run_identity(&self, watch: Watch) {
        let stop = self.deliver.stop();
        self.deliver
            .run_beside(async move { watch.run(stop).await });
    }

    /// Looks after the records of domains, and after the mail of those that were removed.
    pub(super) fn run_domains(&self, verifier: Verifier, sweeper: Sweeper) {
        let (stop, stop_too) = (self.deliver.stop(), self.deliver.stop());
        self.deliver
            .run_beside(async move { verifier.run(stop).await });
        self.deliver
            .run_beside(async move { sweeper.run(stop_too).await });
    }

    pub(super) fn run_submission(
        &self,
        door: &Arc<SubmissionDoor>,
        starttls: Vec<TcpListener>,
        implicit: Vec<TcpListener>,
    ) {
        let starttls = starttls.into_iter().map(|l| (l, Encryption::StartTls));
        let implicit = implicit.into_iter().map(|l| (l, Encryption::Implicit));
        for (listener, encryption) in starttls.chain(implicit) {
            let (tasks, stop) = (self.doors.tasks().clone(), self.doors.stop());
            let door = Arc::clone(door);
            self.doors
                .run(async move { door.serve(listener, encryption, &tasks, stop).await });
        }
    }

    /// Looks for a new certificate while the doors are open.
    pub(super) fn run_tls(&self, tls: Option<Arc<ServerTls>>, clock: Arc<dyn Clock>) {
        if let Some(tls) = tls {
            let stop = self.doors.stop();
            self.doors
                .run_beside(async move { tls.watch(clock, stop).await });
        }
    }

    /// Looks at disk and memory, once before any door opens.
    pub(super) async fn run_pressure(&self, pressure: Pressure) {
        pressure.look().await;
        let stop = self.http.stop();
        self.http.run(async move { pressure.run(stop).await });
    }

    pub(super) fn run_http(
        &self,
        config: &Config,
        listeners: Vec<TcpListener>,
        observed: Observed,
    ) {
        let router = observed.router(&config.http.metrics_from, &self.store);
        let door = HttpDoor::new(&config.http, router);
        for listener in listeners {
            let serving = door.serve(listener, self.http.tasks(), self.http.stop());
            self.http.run(serving);
        }
    }
}
