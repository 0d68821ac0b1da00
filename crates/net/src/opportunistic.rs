//! Opportunistic TLS to mail hosts (RFC 3207, RFC 7435): better than plaintext, and honest about
//! how much better.
//!
//! The certificate does not have to be right, since the alternative is no TLS at all; the
//! handshake's own signatures do. What is wrong with the certificate is found out after the
//! handshake and told with the connection, so that resumed sessions are told about, too.
//!
//! Refused: versions before TLS 1.2, and all cipher suites that rustls refuses.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::attempt::{TlsUsed, Verification};
use postbell_model::{Domain, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConnection, DigitallySignedStruct, OtherError, ProtocolVersion,
    SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Stream;

const POLICY: &str = "opportunistic";
/// Hosts whose sessions can be resumed; one costs some KiB, mostly its certificates.
const RESUMABLE: usize = 2_000;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The handshake did not end in time.
    #[error("the TLS handshake did not end within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The two sides did not agree, or the connection broke.
    #[error("the TLS handshake failed: {0}")]
    Failed(io::Error),
}

/// Secures connections to mail hosts. Cheap to clone.
#[derive(Clone)]
pub struct OpportunisticTls {
    connector: TlsConnector,
    /// Absent where the system names no authorities.
    verifier: Option<Arc<Verifier>>,
}

impl OpportunisticTls {
    /// Trusts the system's certificate authorities and those of `more_authorities` (PEM).
    ///
    /// # Errors
    /// One of `more_authorities` is no certificate. That the system has none is no error: then
    /// no certificate can be verified, and that is told with each connection.
    pub fn new(more_authorities: &[u8]) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let more: Vec<_> = CertificateDer::pem_slice_iter(more_authorities)
            .collect::<Result<_, _>>()
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let named = !more.is_empty();
        let verifier = match Verifier::new_with_extra_roots(more, provider.clone()) {
            Ok(verifier) => Some(Arc::new(verifier)),
            Err(error) if named => return Err(error),
            Err(_) => None,
        };
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(SignaturesOnly(provider)))
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(RESUMABLE);
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            verifier,
        })
    }

    /// Does the handshake with the host of this name, and looks at its certificate as of `now`.
    ///
    /// # Errors
    /// There is no TLS, and the connection is of no more use.
    pub async fn secure(
        &self,
        tcp: TcpStream,
        host: &Domain,
        now: Timestamp,
        limit: Duration,
    ) -> Result<(Stream, TlsUsed), HandshakeError> {
        let name = server_name(host, &tcp).map_err(HandshakeError::Failed)?;
        let handshake = self.connector.connect(name.clone(), tcp);
        let stream = match timeout(limit, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(cause)) => return Err(HandshakeError::Failed(cause)),
            Err(_) => return Err(HandshakeError::TimedOut(limit)),
        };
        let connection = stream.get_ref().1;
        let used = TlsUsed {
            version: version(connection.protocol_version()),
            policy: POLICY.into(),
            cipher: cipher(connection),
            verification: self.verify(connection, &name, now),
        };
        Ok((Stream::Tls(Box::new(stream)), used))
    }

    fn verify(
        &self,
        connection: &ClientConnection,
        name: &ServerName<'_>,
        now: Timestamp,
    ) -> Verification {
        let Some(verifier) = &self.verifier else {
            return Verification::Unchecked;
        };
        let Some((certificate, chain)) = connection
            .peer_certificates()
            .and_then(|certificates| certificates.split_first())
        else {
            return Verification::Unfit;
        };
        let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match verifier.verify_server_cert(certificate, chain, name, &[], now) {
            Ok(_) => Verification::Verified,
            Err(rustls::Error::InvalidCertificate(error)) => fault(&error),
            Err(_) => Verification::Unfit,
        }
    }
}

fn fault(error: &CertificateError) -> Verification {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Verification::NameMismatch
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Verification::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Verification::NotYetValid
        }
        CertificateError::UnknownIssuer => Verification::UnknownIssuer,
        CertificateError::Revoked => Verification::Revoked,
        // Many that vouch for themselves are marked as authorities, and fail as such.
        CertificateError::Other(OtherError(error))
            if error.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            Verification::UnknownIssuer
        }
        _ => Verification::Unfit,
    }
}

/// What is asked for in SNI. A host that is an address, or whose name TLS does not know, is
/// asked for by its address, of which SNI says nothing (RFC 6066 §3).
fn server_name(host: &Domain, tcp: &TcpStream) -> io::Result<ServerName<'static>> {
    if host.literal().is_none()
        && let Ok(name) = ServerName::try_from(host.as_str())
    {
        return Ok(name.to_owned());
    }
    Ok(ServerName::IpAddress(tcp.peer_addr()?.ip().into()))
}

fn version(version: Option<ProtocolVersion>) -> Cow<'static, str> {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
        other => format!("{other:?}").into(),
    }
}

/// The IANA name; rustls marks the suites of TLS 1.3 with its number.
fn cipher(connection: &ClientConnection) -> Cow<'static, str> {
    let suite = connection.negotiated_cipher_suite();
    let name = suite.and_then(|suite| suite.suite().as_str());
    match name.and_then(|name| name.strip_prefix("TLS13_")) {
        Some(rest) => format!("TLS_{rest}").into(),
        None => name.unwrap_or_default().into(),
    }
}

/// Takes every certificate, but only with the proof that the host has its key.
#[derive(Debug)]
struct SignaturesOnly(Arc<CryptoProvider>);

impl ServerCertVerifier for SignaturesOnly {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for OpportunisticTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpportunisticTls")
            .field("verifies", &self.verifier.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::ServerConfig;
    use rustls::version::{TLS12, TLS13};
    use rustls::{HandshakeKind, SupportedProtocolVersion};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_util::task::TaskTracker;

    use super::*;

    const CA: &[u8] = include_bytes!("../../../certs/ca.pem");
    const LIMIT: Duration = Duration::from_secs(5);
    /// In 2030, and in 2200: the certificates are good for a century.
    const NOW: Timestamp = Timestamp::from_micros(1_900_000_000_000_000);
    const LATE: Timestamp = Timestamp::from_micros(7_260_000_000_000_000);

    async fn server(versions: &[&'static SupportedProtocolVersion]) -> std::net::SocketAddr {
        let chain = CertificateDer::pem_slice_iter(include_bytes!("../../../certs/dev.pem"));
        let chain = chain.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../certs/dev-key.pem"));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key.unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        TaskTracker::new().spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(tcp).await {
                    stream.write_all(b"hello").await.unwrap();
                    drop(stream.shutdown().await);
                }
            }
        });
        addr
    }

    async fn secured(
        tls: &OpportunisticTls,
        addr: std::net::SocketAddr,
        host: &str,
        now: Timestamp,
    ) -> (TlsUsed, Option<HandshakeKind>) {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let host = Domain::parse(host).unwrap();
        let (mut stream, used) = tls.secure(tcp, &host, now, LIMIT).await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"hello");
        let Stream::Tls(stream) = stream else {
            panic!("in plaintext");
        };
        (used, stream.get_ref().1.handshake_kind())
    }

    #[tokio::test]
    async fn any_certificate_will_do_but_it_is_told_what_is_wrong() {
        let addr = server(&[&TLS13, &TLS12]).await;
        let trusting = OpportunisticTls::new(CA).unwrap();
        for (host, now, expected) in [
            ("localhost", NOW, Verification::Verified),
            ("[127.0.0.1]", NOW, Verification::Verified),
            ("mx.example.com", NOW, Verification::NameMismatch),
            ("a_b.example.com", NOW, Verification::NameMismatch),
            ("localhost", LATE, Verification::Expired),
            (
                "localhost",
                Timestamp::from_micros(0),
                Verification::NotYetValid,
            ),
        ] {
            let (used, _) = secured(&trusting, addr, host, now).await;
            assert_eq!(used.verification, expected, "{host}");
            assert_eq!(
                (&*used.version, &*used.policy),
                ("TLSv1.3", "opportunistic")
            );
            assert!(used.cipher.starts_with("TLS_AES_"), "{}", used.cipher);
        }
        let (used, _) = secured(&OpportunisticTls::new(b"").unwrap(), addr, "localhost", NOW).await;
        let unknown = [Verification::UnknownIssuer, Verification::Unchecked];
        assert!(unknown.contains(&used.verification), "{used:?}");
    }

    #[tokio::test]
    async fn tls_1_2_will_do_and_sessions_are_resumed() {
        for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
            let addr = server(&[version]).await;
            let tls = OpportunisticTls::new(CA).unwrap();
            let (used, kind) = secured(&tls, addr, "localhost", NOW).await;
            assert_eq!(used.version, name);
            assert_eq!(kind, Some(HandshakeKind::Full));
            let (used, kind) = secured(&tls, addr, "localhost", NOW).await;
            assert_eq!(kind, Some(HandshakeKind::Resumed), "{name}");
            assert_eq!(used.verification, Verification::Verified, "told again");
        }
    }

    #[tokio::test]
    async fn a_host_that_does_not_speak_tls_fails_the_handshake() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tls = OpportunisticTls::new(CA).unwrap();
        let host = Domain::parse("localhost").unwrap();
        let tcp = TcpStream::connect(addr).await.unwrap();
        let silent = tls.secure(tcp, &host, NOW, Duration::from_millis(20)).await;
        assert!(matches!(silent, Err(HandshakeError::TimedOut(_))));
        let (mut far, _) = listener.accept().await.unwrap();
        drop(far.write_all(b"x").await);
        let tcp = TcpStream::connect(addr).await.unwrap();
        let talking = tls.secure(tcp, &host, NOW, LIMIT);
        let (mut far, _) = listener.accept().await.unwrap();
        far.write_all(b"250 injected\r\n").await.unwrap();
        assert!(matches!(talking.await, Err(HandshakeError::Failed(_))));
    }

    #[test]
    fn authorities_that_are_none_are_an_error() {
        let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(OpportunisticTls::new(bad).is_err());
    }
}
