//! The tracking host, made from its part of the configuration: what answers, what writes down, what
//! tells, and what asks for certificates.

use std::sync::Arc;

use anyhow::Context;
use postbell_api::tracking::{Encryption, TrackingHost, TrackingParts, TrackingTerms};
use postbell_model::{Clock, TokenKeys};
use postbell_net::acme::ChallengeKind;
use postbell_net::{DnsMetrics, HostCertificates, OwnCertificates, ServerTls};
use postbell_store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Server;
use super::listen::Listeners;
use super::observed::Observed;
use super::reload::Guards;
use crate::certificates::{AcmeTerms, Asker, Shower, Terms};
use crate::config::Config;
use crate::config::tracking::files;
use crate::identity::sealing_key;

/// What of tracking can be changed while it runs.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) terms: TrackingTerms,
    /// `None`: nobody comes in over TLS.
    pub(super) certificates: Option<Arc<HostCertificates>>,
    acme: AcmeTerms,
    dns: DnsMetrics,
    clock: Arc<dyn Clock>,
}

impl Followed {
    /// Reads the certificates of hosts anew, where any are shown.
    ///
    /// # Errors
    /// One is no good.
    pub(super) fn read_certificates(
        &self,
        config: &Config,
    ) -> anyhow::Result<Option<OwnCertificates>> {
        if self.certificates.is_none() {
            return Ok(None);
        }
        let read = OwnCertificates::read(files(&config.tracking));
        read.map(Some).context("the certificates of [tracking]")
    }

    /// Shows those that were read.
    pub(super) fn put_certificates(&self, read: Option<OwnCertificates>) {
        if let (Some(certificates), Some(read)) = (&self.certificates, read) {
            certificates.put(read);
        }
    }

    /// How certificates are to be asked for from now on.
    ///
    /// # Errors
    /// A file is not as it should be.
    pub(super) fn acme(&self, config: &Config, guards: &Guards) -> anyhow::Result<Arc<Terms>> {
        let terms = Terms::new(config, (&guards.acme, &self.dns), &self.clock);
        terms.map(Arc::new)
    }

    pub(super) fn change_acme(&self, terms: Arc<Terms>) {
        self.acme.send_replace(terms);
    }
}

/// What asks for certificates and shows them, where anybody comes in over TLS.
#[derive(Debug)]
pub(super) struct Certifying {
    shower: Shower,
    asker: Asker,
}

/// Tracking, made and not yet running.
#[derive(Debug)]
pub(super) struct Tracked {
    tracking: TrackingHost,
    certifying: Option<Certifying>,
}

/// Tracking, with certificates where anybody comes in over TLS.
pub(super) async fn tracking(
    config: &Config,
    store: &Arc<dyn Store>,
    (listeners, tls, guards): (&Listeners, Option<&Arc<ServerTls>>, &Guards),
    observed: &mut Observed,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Tracked, Followed)> {
    let dns = observed.dns();
    let terms = Terms::new(config, (&guards.acme, &dns), clock)?;
    let acme = watch::Sender::new(Arc::new(terms));
    let shower = Shower::new(store, Arc::new(sealing_key(config)?), clock);
    let mut tracking = answering(config, store, &shower, clock)?;
    let metrics = observed.register_certificates();
    let usable = usable(listeners);
    let (mut certificates, mut certifying) = (None, None);
    if usable.contains(&ChallengeKind::TlsAlpn01) {
        let issued = Some(shower.issued() as _);
        let loaded = HostCertificates::load(files(&config.tracking), issued, tls.cloned());
        let loaded = Arc::new(loaded.context("the certificates of [tracking]")?);
        tracking.door = tracking.door.with_certificates(&loaded);
        // Before anybody comes in.
        shower.look().await.context("the certificates of hosts")?;
        let around = (store, shower.clone(), Arc::clone(&loaded));
        let asker = Asker::new(around, usable, acme.clone(), metrics, clock);
        certifying = Some(Certifying { shower, asker });
        certificates = Some(loaded);
    }
    observed.register_tracking(&tracking);
    let followed = Followed {
        terms: tracking.terms.clone(),
        certificates,
        acme,
        dns,
        clock: Arc::clone(clock),
    };
    let tracked = Tracked {
        tracking,
        certifying,
    };
    Ok((tracked, followed))
}

/// What answers, without any certificate.
fn answering(
    config: &Config,
    store: &Arc<dyn Store>,
    shower: &Shower,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<TrackingHost> {
    let keys = store.token_keys();
    let keys = TokenKeys::new(keys.iter().map(|(id, key)| (*id, key)));
    let parts = TrackingParts {
        keys: keys.context("the store has no keys for tokens")?,
        tenants: store.clone(),
        engagements: store.clone(),
        links: store.clone(),
        clock: Arc::clone(clock),
    };
    let challenges = Some(shower.challenges());
    Ok(TrackingHost::new(
        config.tracking.clone(),
        parts,
        challenges,
    )?)
}

/// The ways in which there is a listener to prove a host to be ours.
fn usable(listeners: &Listeners) -> Vec<ChallengeKind> {
    let mut usable = Vec::new();
    for (_, encryption) in &listeners.tracking {
        let kind = match encryption {
            Encryption::None => ChallengeKind::Http01,
            Encryption::Tls => ChallengeKind::TlsAlpn01,
        };
        if !usable.contains(&kind) {
            usable.push(kind);
        }
    }
    usable
}

impl Server {
    /// Answers at these listeners, writes down who comes, tells of it, and asks for certificates.
    pub(super) fn run_tracking(
        &self,
        tracked: Tracked,
        listeners: Vec<(TcpListener, Encryption)>,
        clock: Arc<dyn Clock>,
    ) {
        let TrackingHost {
            door,
            recorder,
            teller,
            ..
        } = tracked.tracking;
        let (stop, stop_too) = (self.visits.stop(), self.visits.stop());
        self.visits.run(async move { recorder.run(stop).await });
        self.visits.run(async move { teller.run(stop_too).await });
        for (listener, encryption) in listeners {
            let (tasks, stop) = (self.tracking.tasks().clone(), self.tracking.stop());
            let serving = door.clone().serve(listener, encryption, tasks, stop);
            self.tracking.run(serving);
        }
        if let Some(certificates) = self.terms.tracking.certificates.clone() {
            let stop = self.tracking.stop();
            self.tracking
                .run(async move { certificates.watch(clock, stop).await });
        }
        if let Some(Certifying { shower, asker }) = tracked.certifying {
            let (stop, stop_too) = (self.tracking.stop(), self.tracking.stop());
            self.tracking.run(async move { shower.run(stop).await });
            self.tracking.run(async move { asker.run(stop_too).await });
        }
    }
}
