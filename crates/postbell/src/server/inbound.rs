//! The inbound door with the gate behind it, made from its part of the configuration.

use std::sync::Arc;

use anyhow::Context;
use postbell_accept::Admission;
use postbell_accept::inbound::{InboundGate, InboundOptions};
use postbell_mail::Classifier;
use postbell_model::{Clock, Domain, TokenKeys};
use postbell_net::{DnsMetrics, Resolver, ServerTls, Tracer};
use postbell_receive::{InboundDoor, InboundReach, SenderOptions, SenderVerifier, SubmissionDoor};
use postbell_store::Store;
use tokio::net::TcpListener;

use super::Server;
use crate::config::Config;

/// What has to be there before the door.
pub(super) struct Around<'a> {
    pub(super) store: &'a Arc<dyn Store>,
    pub(super) admission: Arc<Admission>,
    pub(super) tls: Option<&'a ServerTls>,
    pub(super) dns: &'a DnsMetrics,
    /// The door that it counts beside, and whose clients it gives way to.
    pub(super) beside: &'a SubmissionDoor,
    pub(super) tracer: &'a Tracer,
    pub(super) clock: &'a Arc<dyn Clock>,
}

/// The gate for mail that comes in, and its door.
pub(super) fn door(
    config: &Config,
    around: Around<'_>,
) -> anyhow::Result<(Arc<InboundGate>, Arc<InboundDoor>)> {
    let Around { store, clock, .. } = around;
    let keys = store.token_keys();
    let keys = TokenKeys::new(keys.iter().map(|(id, key)| (*id, key)));
    let gate = InboundGate::new(
        gate_options(config)?,
        store.clone(),
        store.clone(),
        Arc::new(keys.context("the store has no keys for tokens")?),
        around.admission,
        Arc::clone(clock),
    );
    gate.classify_by(Classifier::extended(config.classify.read()?));
    let gate = Arc::new(gate);
    let resolver = Resolver::new(&config.dns)?.with_metrics(around.dns.clone());
    let options = SenderOptions::default();
    let reach = InboundReach {
        gate: Arc::clone(&gate),
        verifier: SenderVerifier::new(resolver.clone(), options, Arc::clone(clock)),
        resolver,
        submission: around.beside.activity(),
    };
    let options = config.inbound.door_options(&config.server.hostname);
    let clock = Arc::clone(clock);
    let door = InboundDoor::new(options, reach, around.tls, around.beside.metrics(), clock);
    Ok((gate, Arc::new(door.with_tracer(around.tracer.clone()))))
}

/// By what mail is taken that comes in.
///
/// # Errors
/// The server's name is none; a configuration that holds has one.
pub(super) fn gate_options(config: &Config) -> anyhow::Result<InboundOptions> {
    Ok(InboundOptions {
        hostname: Domain::parse(&config.server.hostname).context("server.hostname")?,
        max_hops: config.accept.max_hops,
    })
}

impl Server {
    pub(super) fn run_inbound(&self, door: &Arc<InboundDoor>, listeners: Vec<TcpListener>) {
        for listener in listeners {
            let (tasks, stop) = (self.inbound.tasks().clone(), self.inbound.stop());
            let door = Arc::clone(door);
            self.inbound
                .run(async move { door.serve(listener, &tasks, stop).await });
        }
    }
}
