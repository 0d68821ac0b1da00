//! Shows what stands in the store, and takes up what changes there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use postbell_api::tracking::HttpChallenges;
use postbell_model::{Clock, Domain, Timestamp};
use postbell_net::acme::{IssuedCertificate, IssuedCertificates, ShownProof};
use postbell_store::{HostCertificate, KeptCertificate, Proof, SealingKey, Store};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How soon it is seen what another process has changed. A look costs one short question to the database.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What has been taken up.
#[derive(Debug, Default)]
struct Shown {
    version: Option<u64>,
    /// With the time at which each came.
    certificates: HashMap<Domain, (Timestamp, Option<IssuedCertificate>)>,
}

/// Shows certificates and proofs. Clones show the same.
#[derive(Debug, Clone)]
pub(crate) struct Shower {
    store: Arc<dyn Store>,
    sealing: Arc<SealingKey>,
    issued: Arc<IssuedCertificates>,
    shown: Arc<Mutex<Shown>>,
    /// Rings when something has changed.
    changed: Arc<watch::Sender<()>>,
    clock: Arc<dyn Clock>,
}

/// The proofs, for the door over plain HTTP.
#[derive(Debug)]
struct Challenges(Arc<IssuedCertificates>);

impl HttpChallenges for Challenges {
    fn key_authorization(&self, token: &str) -> Option<String> {
        self.0.key_authorization(token)
    }
}

impl Shower {
    pub(crate) fn new(
        store: &Arc<dyn Store>,
        sealing: Arc<SealingKey>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            sealing,
            issued: Arc::default(),
            shown: Arc::default(),
            changed: Arc::new(watch::Sender::new(())),
            clock: Arc::clone(clock),
        }
    }

    /// What doors under TLS show.
    pub(crate) fn issued(&self) -> Arc<IssuedCertificates> {
        Arc::clone(&self.issued)
    }

    /// What doors over plain HTTP answer.
    pub(crate) fn challenges(&self) -> Arc<dyn HttpChallenges> {
        Arc::new(Challenges(self.issued()))
    }

    /// Rings when something in the store has changed.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The key that certificates and accounts are sealed with.
    pub(super) fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// Looks every second until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failed = false;
        while let Some(()) = stop.run_until_cancelled(self.clock.sleep(LOOK_EVERY)).await {
            match self.look().await {
                Ok(()) => failed = false,
                Err(_) if failed => {}
                Err(error) => {
                    failed = true;
                    warn!(
                        error = &*error as &dyn std::error::Error,
                        "certificates of hosts can't be read now; those that are shown stay"
                    );
                }
            }
        }
    }

    /// Takes up what has changed since the last look.
    ///
    /// # Errors
    /// The store can't be read. What was shown before still is.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let mut shown = self.shown.lock().await;
        let version = self.store.certificates_version().await?;
        if shown.version == Some(version) {
            return Ok(());
        }
        let known = self.store.certificates().await?;
        let proofs = self.store.proofs(self.clock.now()).await?;
        self.show_certificates(&mut shown, &known);
        let proofs: Vec<_> = proofs.into_iter().map(shown_proof).collect();
        for (host, error) in self.issued.prove(&proofs) {
            warn!(
                %host,
                error = &error as &dyn std::error::Error,
                "a host can't be proved to be ours under TLS; others are"
            );
        }
        shown.version = Some(version);
        self.changed.send_replace(());
        Ok(())
    }

    fn show_certificates(&self, shown: &mut Shown, known: &[HostCertificate]) {
        let mut before = std::mem::take(&mut shown.certificates);
        for known in known {
            let Some(kept) = &known.certificate else {
                continue;
            };
            let host = &known.host;
            let current = match before.remove(host) {
                Some(current) if current.0 == kept.issued_at => current,
                _ => self.take_up(host, kept, shown.version),
            };
            shown.certificates.insert(host.clone(), current);
        }
        let readable = shown.certificates.iter();
        let readable = readable.filter_map(|(host, (_, issued))| Some((host, issued.as_ref()?)));
        self.issued.take_up(readable);
    }

    /// A certificate that is not shown yet. Those of the first look were in use before.
    fn take_up(
        &self,
        host: &Domain,
        kept: &KeptCertificate,
        last: Option<u64>,
    ) -> (Timestamp, Option<IssuedCertificate>) {
        let issued = self.read(host, kept);
        if issued.is_some() && last.is_some() {
            info!(%host, until = %kept.expires_at, "a new certificate of a host is in use");
        }
        (kept.issued_at, issued)
    }

    /// A certificate that stands in the store, where it can be opened.
    fn read(&self, host: &Domain, kept: &KeptCertificate) -> Option<IssuedCertificate> {
        let key = self
            .sealing
            .open(&KeptCertificate::place(host), &kept.sealed);
        let issued = key
            .map_err(anyhow::Error::from)
            .and_then(|key| Ok(IssuedCertificate::read(kept.chain.clone(), key)?));
        match issued {
            Ok(issued) => Some(issued),
            Err(error) => {
                error!(
                    %host,
                    error = &*error as &dyn std::error::Error,
                    "a certificate that is kept can't be used; another one is asked for"
                );
                None
            }
        }
    }

    /// Whether a host's certificate stands in the store and can't be opened.
    pub(super) async fn is_unreadable(&self, host: &Domain) -> bool {
        let shown = self.shown.lock().await;
        matches!(shown.certificates.get(host), Some((_, None)))
    }
}

fn shown_proof(proof: Proof) -> ShownProof {
    ShownProof {
        host: proof.host,
        token: proof.token,
        key_authorization: proof.key_authorization,
    }
}
