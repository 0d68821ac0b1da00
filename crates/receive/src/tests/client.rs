//! A client that reads line by line; every wait of it ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postbell_net::{CertificateFiles, ServerTls};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longer than anything takes that works.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

fn certs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../certs")
        .join(name)
}

/// The development certificate.
pub(super) fn tls() -> Option<ServerTls> {
    let files = CertificateFiles {
        certificate: certs("dev.pem"),
        key: certs("dev-key.pem"),
    };
    Some(ServerTls::load(files).unwrap())
}

/// What a client's octets go through.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A client; every wait of it ends.
pub(super) struct Client(BufReader<Box<dyn Wire>>);

impl Client {
    pub(super) fn of(wire: impl Wire + 'static) -> Self {
        Self(BufReader::new(Box::new(wire)))
    }

    /// Says EHLO and STARTTLS, and does what follows.
    pub(super) async fn start_tls(mut self) -> Self {
        self.expect(&["220"]).await;
        self.say("EHLO app.test").await;
        self.expect(&["250"]).await;
        self.say("STARTTLS").await;
        self.expect(&["220 2.0.0"]).await;
        self.secure().await
    }

    /// Performs the handshake and believes in the development certificate alone.
    pub(super) async fn secure(self) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(certs("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = connector.connect(name, self.0.into_inner());
        Self::of(
            timeout(PATIENCE, handshake)
                .await
                .expect("is made")
                .unwrap(),
        )
    }

    pub(super) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    pub(super) async fn send(&mut self, octets: &[u8]) {
        let wire = self.0.get_mut();
        let write = async {
            wire.write_all(octets).await?;
            wire.flush().await
        };
        timeout(PATIENCE, write).await.expect("is read").unwrap();
    }

    /// The last line of the next reply; empty at the end.
    pub(super) async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line));
            read.await.expect("is answered").unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    pub(super) async fn expect(&mut self, replies: &[&str]) {
        for expected in replies {
            let reply = self.reply().await;
            assert!(reply.starts_with(expected), "{expected}: {reply}");
        }
    }

    /// Whether the server closed the connection without another word.
    pub(super) async fn ended(&mut self) -> bool {
        self.reply().await.is_empty()
    }

    /// The same, where what was sent last may be left unread.
    pub(super) async fn was_dropped(&mut self) -> bool {
        let read = timeout(PATIENCE, self.0.fill_buf());
        matches!(read.await.expect("ends"), Err(_) | Ok([]))
    }

    pub(super) async fn is_silent(&mut self) -> bool {
        timeout(Duration::ZERO, self.0.fill_buf()).await.is_err()
    }
}
