//! The keys that were read: opened and parsed once, not for every message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postbell_mail::dkim::Signer;
use postbell_mail::dkim::key::{KeyError, SigningKey};
use postbell_model::{Domain, DomainKey, KeyState};
use postbell_store::{Directory, SealError, SealingKey};

/// Keys to sign with.
pub(super) type Signers = Vec<Arc<Signer>>;

/// The keys of a domain can't be read; it was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Why a key can't be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("it can't be opened")]
    Seal(#[from] SealError),
    #[error("it can't be used")]
    Key(#[from] KeyError),
}

/// Keys of the domains that mail was sent from.
#[derive(Debug)]
pub(super) struct KeyRing {
    sealing: Arc<SealingKey>,
    domains: Mutex<HashMap<Domain, OfDomain>>,
}

/// The keys of one domain, for as long as it signs with these selectors.
#[derive(Debug, Clone)]
struct OfDomain {
    selectors: Vec<String>,
    signers: Result<Signers, Unreadable>,
}

impl KeyRing {
    pub(super) fn new(sealing: Arc<SealingKey>) -> Self {
        Self {
            sealing,
            domains: Mutex::default(),
        }
    }

    /// The keys that a domain signs with now; none where it has none in use.
    pub(super) fn signers(
        &self,
        directory: &Directory,
        domain: &Domain,
    ) -> Result<Signers, Unreadable> {
        let keys = directory.domain_keys(domain).iter();
        let in_use: Vec<_> = keys.filter(|key| key.state == KeyState::Active).collect();
        if in_use.is_empty() {
            self.domains().remove(domain);
            return Ok(Signers::new());
        }
        let same = |known: &&OfDomain| {
            known
                .selectors
                .iter()
                .eq(in_use.iter().map(|k| &k.selector))
        };
        if let Some(known) = self.domains().get(domain).filter(same) {
            return known.signers.clone();
        }
        let signers = self.read(domain, &in_use);
        let read = OfDomain {
            selectors: in_use.iter().map(|key| key.selector.clone()).collect(),
            signers: signers.clone(),
        };
        let mut domains = self.domains();
        domains.insert(domain.clone(), read);
        // No more than there are: those of domains that have lost their keys go.
        domains.retain(|domain, _| !directory.domain_keys(domain).is_empty());
        signers
    }

    fn read(&self, domain: &Domain, keys: &[&DomainKey]) -> Result<Signers, Unreadable> {
        let signers = keys.iter().map(|key| {
            self.read_one(key).map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    domain = %domain,
                    dkim.selector = key.selector,
                    "a key that mail is signed with can't be read; the domain's mail waits"
                );
                Unreadable
            })
        });
        signers.collect()
    }

    fn read_one(&self, key: &DomainKey) -> Result<Arc<Signer>, ReadError> {
        let secret = self.sealing.open(&key.record_name(), &key.sealed)?;
        Ok(Arc::new(Signer {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            key: SigningKey::from_pkcs8(key.algorithm, &secret)?,
        }))
    }

    fn domains(&self) -> MutexGuard<'_, HashMap<Domain, OfDomain>> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
