//! Following another configuration while the server runs: all of what can be followed, or nothing.

use std::sync::Arc;

use anyhow::Context;
use postbell_accept::inbound::InboundGate;
use postbell_accept::{Gate, ReportTerms};
use postbell_deliver::DeliverTerms;
use postbell_mail::Classifier;
use postbell_net::{Guard, ServerTls};
use postbell_notify::NotifyTerms;
use postbell_receive::{InboundDoor, SubmissionDoor};

use super::reputation::ReputationTerms;
use super::tracking::Followed;
use super::{Server, inbound, stages};
use crate::config::Config;

/// What of the stages can be changed while they run.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) gate: Arc<Gate>,
    pub(super) door: Arc<SubmissionDoor>,
    pub(super) inbound_gate: Arc<InboundGate>,
    pub(super) inbound: Arc<InboundDoor>,
    pub(super) reports: ReportTerms,
    pub(super) deliver: DeliverTerms,
    pub(super) notify: NotifyTerms,
    pub(super) reputation: ReputationTerms,
    pub(super) guards: Guards,
    pub(super) tls: Option<Arc<ServerTls>>,
    pub(super) tracking: Followed,
}

/// What may be dialled.
#[derive(Debug, Clone)]
pub(super) struct Guards {
    pub(super) deliver: Guard,
    pub(super) notify: Guard,
    pub(super) acme: Guard,
}

impl Guards {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            deliver: Guard::new(config.guard.allow_deliver.clone()),
            notify: Guard::new(config.guard.allow_notify.clone()),
            acme: Guard::new(config.guard.allow_acme.clone()),
        }
    }
}

impl Server {
    /// Follows a configuration that holds: certificates, rules and passwords are read anew from
    /// their files as well. What is under way goes on as it began.
    ///
    /// # Errors
    /// A workspace is not there, or a file is not as it should be. Everything stays as it was.
    pub fn follow(&self, config: &Config) -> anyhow::Result<()> {
        let terms = &self.terms;
        let trusted = stages::trusted(config, &self.store.directory())?;
        let rules = config.classify.read()?;
        let classifier = Classifier::extended(rules.clone());
        let sender = config.reports.sender();
        sender.context("reports.from")?;
        let tls = stages::tls(config)?;
        let certificates = terms.tracking.read_certificates(config)?;
        let inbound_gate = inbound::gate_options(config)?;
        let deliver = stages::deliver_options(config, self.simulated.route());
        let acme = terms.tracking.acme(config, &terms.guards)?;
        terms.deliver.change(deliver, classifier)?;

        // Nothing can fail from here on.
        if let (Some(shown), Some(read)) = (&terms.tls, &tls) {
            shown.put(read);
        }
        terms.tracking.put_certificates(certificates);
        terms.reports.change(config.reports.clone())?;
        terms.gate.change(stages::accept_options(config));
        let door = config
            .submission
            .door_options(&config.server.hostname, trusted);
        terms.door.change(door);
        terms.inbound_gate.change(inbound_gate);
        let classifier = Classifier::extended(rules);
        terms.inbound_gate.classify_by(classifier);
        let inbound = config.inbound.door_options(&config.server.hostname);
        terms.inbound.change(inbound);
        terms.tracking.terms.change(config.tracking.clone());
        // Before it is asked again.
        terms.guards.acme.allow(config.guard.allow_acme.clone());
        terms.tracking.change_acme(acme);
        terms.notify.change(stages::notify_options(config));
        terms.reputation.send_replace(config.reputation);
        let allowed = &config.guard;
        terms.guards.deliver.allow(allowed.allow_deliver.clone());
        terms.guards.notify.allow(allowed.allow_notify.clone());
        self.simulated.answer_by(config, &self.addresses);
        Ok(())
    }
}
