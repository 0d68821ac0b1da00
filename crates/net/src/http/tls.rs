//! TLS of the HTTP client, 1.2 and 1.3: the system's certificate authorities, or those of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// A file that has no certificate authorities in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct BadAuthorities {
    /// The file.
    pub path: PathBuf,
    /// Why it has none.
    pub reason: String,
}

impl BadAuthorities {
    /// What is wrong with a file of certificate authorities.
    pub fn look(authorities: &Path) -> Option<Self> {
        config_of(authorities).err()
    }
}

/// The settings of every connection.
///
/// # Errors
/// The system's certificate authorities can't be read: a host without any can still call plain
/// http, and says so where https is asked for.
pub(super) fn config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

/// The settings where the authorities of a PEM file are believed, and no others.
///
/// # Errors
/// There is none in it.
pub(super) fn config_of(authorities: &Path) -> Result<Arc<ClientConfig>, BadAuthorities> {
    let bad = |reason: String| BadAuthorities {
        path: authorities.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(authorities);
    for certificate in read.map_err(|error| bad(error.to_string()))? {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("there is no certificate in it".to_owned()));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("invariant: the provider has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

/// RFC 7301 §3.2: one connection carries one request at a time.
fn protocols() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}
