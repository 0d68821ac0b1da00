//! Certificates that were given to us, by the host that a client asks for; and while one is being asked
//! for, what proves the host to be ours.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use postbell_model::{Domain, Secret, Timestamp};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::proof;
use crate::HostCertificates;
use crate::validity::not_after;

/// A certificate that can't be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// A certificate with its key.
#[derive(Clone)]
pub struct IssuedCertificate {
    chain: String,
    key: Secret,
    certified: Arc<CertifiedKey>,
    expires_at: Timestamp,
}

impl IssuedCertificate {
    /// Reads a certificate with those above it, and its key, both in PEM.
    ///
    /// # Errors
    /// They are none, or don't belong to each other.
    pub fn read(chain: String, key: Secret) -> Result<Self, Unusable> {
        let bad = |error: &dyn fmt::Display| Unusable(error.to_string());
        let certificates = CertificateDer::pem_slice_iter(chain.as_bytes());
        let certificates: Result<Vec<_>, _> = certificates.collect();
        let certificates = certificates.map_err(|error| bad(&error))?;
        let first = certificates.first();
        let first = first.ok_or_else(|| bad(&"there is no certificate in it"))?;
        let expires_at = not_after(first);
        let expires_at = expires_at.ok_or_else(|| bad(&"its end can't be read"))?;
        let secret = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| bad(&error))?;
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(certificates, secret, &provider);
        let certified = Arc::new(certified.map_err(|error| bad(&error))?);
        Ok(Self {
            chain,
            key,
            certified,
            expires_at,
        })
    }

    /// The certificate and those above it, in PEM.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Its key, in PEM.
    pub const fn key(&self) -> &Secret {
        &self.key
    }

    /// Until when it holds.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether it is one for this host.
    ///
    /// # Errors
    /// It is not.
    pub fn check_host(&self, host: &Domain) -> Result<(), Unusable> {
        let bad = |error: &dyn fmt::Display| Unusable(error.to_string());
        let first = self.certified.end_entity_cert();
        let first = first.map_err(|error| bad(&error))?;
        let first = EndEntityCert::try_from(first).map_err(|error| bad(&error))?;
        let name = ServerName::try_from(host.as_str()).map_err(|error| bad(&error))?;
        let fits = first.verify_is_valid_for_subject_name(&name);
        fits.map_err(|error| Unusable(format!("it is not for {host}: {error}")))
    }
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCertificate")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What proves a host to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownProof {
    /// The host.
    pub host: Domain,
    /// By which it is asked for.
    pub token: String,
    /// What is answered.
    pub key_authorization: String,
}

/// What is shown of what was given to us. New connections see what was taken up last; others go on.
#[derive(Default)]
pub struct IssuedCertificates {
    certificates: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
    proofs: ArcSwap<Proofs>,
}

#[derive(Default)]
struct Proofs {
    by_token: HashMap<String, String>,
    by_host: HashMap<String, Arc<CertifiedKey>>,
}

impl IssuedCertificates {
    /// Shows these from now on, and no longer those that were shown before.
    pub fn take_up<'a>(
        &self,
        certificates: impl IntoIterator<Item = (&'a Domain, &'a IssuedCertificate)>,
    ) {
        let certificates = certificates.into_iter();
        let certificates = certificates
            .map(|(host, issued)| (host.as_str().to_owned(), Arc::clone(&issued.certified)));
        self.certificates.store(Arc::new(certificates.collect()));
    }

    /// Proves these hosts to be ours from now on, and no others. Those for which no certificate can be
    /// made that proves it: whoever asks by their tokens is answered all the same.
    pub fn prove<'a>(&self, shown: &'a [ShownProof]) -> Vec<(&'a Domain, Unusable)> {
        self.prove_by(shown, proof::certificate)
    }

    pub(super) fn prove_by<'a>(
        &self,
        shown: &'a [ShownProof],
        certificate: impl Fn(&Domain, &str) -> Result<CertifiedKey, String>,
    ) -> Vec<(&'a Domain, Unusable)> {
        let mut proofs = Proofs::default();
        let mut failed = Vec::new();
        for proof in shown {
            let (token, answer) = (proof.token.clone(), proof.key_authorization.clone());
            proofs.by_token.insert(token, answer);
            match certificate(&proof.host, &proof.key_authorization) {
                Ok(certificate) => {
                    let host = proof.host.as_str().to_owned();
                    proofs.by_host.insert(host, Arc::new(certificate));
                }
                Err(error) => failed.push((&proof.host, Unusable(error))),
            }
        }
        self.proofs.store(Arc::new(proofs));
        failed
    }

    #[cfg(test)]
    pub(super) fn proves(&self, host: &Domain) -> bool {
        self.proofs.load().by_host.contains_key(host.as_str())
    }

    /// RFC 8555 §8.3: what is answered to whoever asks for a token.
    pub fn key_authorization(&self, token: &str) -> Option<String> {
        self.proofs.load().by_token.get(token).cloned()
    }
}

impl fmt::Debug for IssuedCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCertificates").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for IssuedCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let mut protocols = hello.alpn().into_iter().flatten();
        // RFC 8737 §3: who asks by this protocol sees the proof, and nothing else.
        if protocols.any(|protocol| protocol == HostCertificates::CHALLENGE) {
            return self.proofs.load().by_host.get(&name).cloned();
        }
        self.certificates.load().get(&name).cloned()
    }
}
