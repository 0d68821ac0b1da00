//! The registry of metrics while the server is put together, and what opens and closes its doors.

use std::sync::Arc;

use ipnet::IpNet;
use postbell_accept::inbound::InboundGate;
use postbell_accept::{Admission, Forwarder, Obstacle};
use postbell_api::tracking::TrackingHost;
use postbell_api::{Health, InboundParts, Pulse, Router};
use postbell_deliver::Deliverer;
use postbell_model::Clock;
use postbell_net::{DnsMetrics, ServerTls};
use postbell_notify::Notifier;
use postbell_receive::SubmissionDoor;
use postbell_store::{Store, StoreMetrics};
use prometheus_client::registry::Registry;

use super::reputation::ReputationWatch;
use crate::certificates::CertificateMetrics;
use crate::config::Config;
use crate::observe::{self, Gauges, Panics, Pressure};

/// What is observed of a server.
#[derive(Debug)]
pub(super) struct Observed {
    registry: Registry,
    admission: Arc<Admission>,
    pulse: Pulse,
    store: StoreMetrics,
    dns: DnsMetrics,
    disk: Gauges,
    clock: Arc<dyn Clock>,
}

impl Observed {
    /// A server that is starting.
    pub(super) fn new(
        store: &Arc<dyn Store>,
        metrics: StoreMetrics,
        panics: &Panics,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let admission = Arc::new(Admission::new(store.failure()));
        admission.set(Obstacle::Starting);
        let mut registry = Registry::default();
        let (dns, disk) = (DnsMetrics::default(), Gauges::default());
        panics.register(&mut registry);
        metrics.register(&mut registry);
        dns.register(&mut registry);
        disk.register(&mut registry);
        Self {
            registry,
            admission,
            pulse: Pulse::new(Arc::clone(clock)),
            store: metrics,
            dns,
            disk,
            clock: Arc::clone(clock),
        }
    }

    /// Whether new mail is taken.
    pub(super) fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.admission)
    }

    /// What all resolvers count in.
    pub(super) fn dns(&self) -> DnsMetrics {
        self.dns.clone()
    }

    /// What looks at disk and memory.
    pub(super) fn pressure(&self, config: &Config) -> Pressure {
        Pressure {
            options: config.overload,
            folder: config.server.data_dir.clone(),
            admission: self.admission(),
            store: self.store.clone(),
            pulse: self.pulse.clone(),
            clock: Arc::clone(&self.clock),
            gauges: self.disk.clone(),
        }
    }

    /// Names what the stages count.
    pub(super) fn register(
        &mut self,
        door: &SubmissionDoor,
        deliverer: &Deliverer,
        notifier: &Notifier,
        tls: Option<Arc<ServerTls>>,
    ) {
        let registry = &mut self.registry;
        door.metrics().register(registry);
        deliverer.metrics().register(registry, deliverer.live());
        let clock = Arc::clone(&self.clock);
        notifier.metrics().register(registry, clock.clone());
        observe::register(registry, Arc::clone(&self.admission), tls, clock);
    }

    /// Names what is counted of mail that comes in, and of what of it goes on; its door counts with that
    /// of submission.
    pub(super) fn register_inbound(&mut self, gate: &InboundGate, forwarder: &Forwarder) {
        gate.metrics().register(&mut self.registry);
        forwarder.metrics().register(&mut self.registry);
    }

    /// Names what is counted of workspaces whose mail fares badly.
    pub(super) fn register_reputation(&mut self, watch: &ReputationWatch) {
        watch.metrics().register(&mut self.registry);
    }

    /// Names what is counted of certificates that are asked for.
    pub(super) fn register_certificates(&mut self) -> CertificateMetrics {
        let metrics = CertificateMetrics::default();
        metrics.register(&mut self.registry);
        metrics
    }

    /// Names what is counted of visits.
    pub(super) fn register_tracking(&mut self, tracking: &TrackingHost) {
        tracking.metrics.register(&mut self.registry);
    }

    /// What the HTTP door answers.
    pub(super) fn router(self, metrics_from: &[IpNet], store: &Arc<dyn Store>) -> Router {
        let health = Health::new(self.admission, self.pulse);
        let registry = Arc::new(self.registry);
        let parts = InboundParts {
            tenants: store.clone(),
            inbound: store.clone(),
            bodies: store.clone(),
            clock: self.clock,
        };
        postbell_api::router(health)
            .merge(postbell_api::metrics(registry, metrics_from))
            .merge(postbell_api::inbound(parts))
    }
}
