//! The certificate that proves a host to be ours (RFC 8737 §3): of our own making, for the host alone,
//! with the digest of the key authorization in it.

use aws_lc_rs::digest::{SHA256, digest};
use postbell_model::Domain;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

/// The certificate, made anew: nobody keeps it.
///
/// # Errors
/// It can't be made.
pub(super) fn certificate(host: &Domain, key_authorization: &str) -> Result<CertifiedKey, String> {
    let mut params = CertificateParams::new(vec![host.as_str().to_owned()]).map_err(told)?;
    params.distinguished_name = DistinguishedName::new();
    let digest = digest(&SHA256, key_authorization.as_bytes());
    // RFC 8737 §3: a critical acmeIdentifier with the SHA-256 of the key authorization.
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let key = KeyPair::generate().map_err(told)?;
    let certificate = params.self_signed(&key).map_err(told)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone()];
    // Not compared with the certificate, which holds what no verifier but an authority's knows.
    let key = any_supported_type(&key).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(chain, key))
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn told(error: rcgen::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8737 §6.1: 1.3.6.1.5.5.7.1.31, and that it is critical; then the digest, twice in a string.
    const IDENTIFIER: &[u8] = &[
        0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f, 0x01, 0x01, 0xff, 0x04, 0x22,
        0x04, 0x20,
    ];

    #[test]
    fn the_digest_stands_in_a_certificate_for_the_host_alone() {
        let host = Domain::parse("track.acme.example").unwrap();
        let certificate = certificate(&host, "token.thumbprint").unwrap();
        let der = certificate.end_entity_cert().unwrap();
        let at = der.windows(IDENTIFIER.len()).position(|w| w == IDENTIFIER);
        let digest = digest(&SHA256, b"token.thumbprint");
        let rest = &der[at.unwrap() + IDENTIFIER.len()..];
        assert!(rest.starts_with(digest.as_ref()));
        let names = der.windows(18).filter(|w| *w == b"track.acme.example");
        assert_eq!(names.count(), 1);
    }
}
