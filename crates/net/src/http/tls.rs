//! TLS of the HTTP client: the system's certificate authorities, TLS 1.2 and 1.3.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[error("the system's certificate authorities can't be used: {0}")]
pub struct TlsSetupError(#[from] rustls::Error);

pub(super) fn config() -> Result<Arc<ClientConfig>, TlsSetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    // RFC 7301 §3.2: one connection carries one request at a time.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
