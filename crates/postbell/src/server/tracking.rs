//! The tracking host, made from its part of the configuration: what answers, what writes down, what
//! tells.

use std::sync::Arc;

use anyhow::Context;
use postbell_api::tracking::{Encryption, TrackingHost, TrackingParts, TrackingTerms};
use postbell_model::{Clock, TokenKeys};
use postbell_net::{HostCertificates, OwnCertificates, ServerTls};
use postbell_store::Store;
use tokio::net::TcpListener;

use super::Server;
use super::listen::Listeners;
use crate::config::Config;
use crate::config::tracking::files;

/// What of tracking can be changed while it runs.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) terms: TrackingTerms,
    /// `None`: nobody comes in over TLS.
    pub(super) certificates: Option<Arc<HostCertificates>>,
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
}

/// Tracking, with certificates where anybody comes in over TLS.
pub(super) fn tracking(
    config: &Config,
    store: &Arc<dyn Store>,
    (listeners, tls): (&Listeners, Option<&Arc<ServerTls>>),
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(TrackingHost, Followed)> {
    let keys = store.token_keys();
    let keys = TokenKeys::new(keys.iter().map(|(id, key)| (*id, key)));
    let parts = TrackingParts {
        keys: keys.context("the store has no keys for tokens")?,
        tenants: store.clone(),
        engagements: store.clone(),
        links: store.clone(),
        clock: Arc::clone(clock),
    };
    let mut tracking = TrackingHost::new(config.tracking.clone(), parts, None)?;
    let mut certificates = None;
    let mut encryptions = listeners.tracking.iter().map(|(_, encryption)| encryption);
    if encryptions.any(|encryption| *encryption == Encryption::Tls) {
        let loaded = HostCertificates::load(files(&config.tracking), None, tls.cloned());
        let loaded = loaded.context("the certificates of [tracking]")?;
        tracking.door = tracking.door.with_certificates(&loaded);
        certificates = Some(Arc::new(loaded));
    }
    let terms = tracking.terms.clone();
    Ok((
        tracking,
        Followed {
            terms,
            certificates,
        },
    ))
}

impl Server {
    /// Answers at these listeners, writes down who comes, and tells of it.
    pub(super) fn run_tracking(
        &self,
        tracking: TrackingHost,
        listeners: Vec<(TcpListener, Encryption)>,
        clock: Arc<dyn Clock>,
    ) {
        let TrackingHost {
            door,
            recorder,
            teller,
            ..
        } = tracking;
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
    }
}
