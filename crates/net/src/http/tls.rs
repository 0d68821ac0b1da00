//! TLS of the HTTP client: the system's certificate authorities, TLS 1.2 and 1.3.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;

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
    // RFC 7301 §3.2: one connection carries one request at a time.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
