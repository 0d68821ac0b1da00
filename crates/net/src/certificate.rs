//! The certificate that this server shows: read from two PEM files, and read again when they
//! change, while connections go on with the one that they began with.
//!
//! TLS 1.2 and 1.3. Not done here: to ask clients for certificates, and to look at dates or
//! names, which is the affair of whoever connects.

use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use postbell_model::{Clock, Timestamp};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::validity::not_after;

// How soon a new certificate is seen. Those who renew do so days ahead.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those above it, in PEM, its own first.
    pub certificate: PathBuf,
    /// Its key, in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Which of the two files a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFile {
    /// The one of the certificates.
    Certificate,
    /// The one of the key.
    Key,
}

/// Why the files hold no certificate that can be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read, or is not PEM, or holds no such thing.
    #[error("{}: {source}", path.display())]
    Pem {
        /// Which.
        file: CertificateFile,
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The key is of an unknown kind, or not that of the certificate.
    #[error("{}: the key can't be used: {source}", path.display())]
    Key {
        /// The key's path.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

impl CertificateError {
    /// The file to look at.
    pub const fn file(&self) -> CertificateFile {
        match self {
            Self::Pem { file, .. } => *file,
            Self::Key { .. } => CertificateFile::Key,
        }
    }
}

/// The TLS settings of this server's doors.
#[derive(Debug)]
pub struct ServerTls {
    files: ArcSwap<CertificateFiles>,
    /// The state of the files that was read last, be it good or not.
    read: Mutex<Stamps>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

type Stamps = [Option<Stamp>; 2];

/// What changes when a file is written or another is put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

impl ServerTls {
    /// Reads the files, which must be good.
    ///
    /// # Errors
    /// They are not.
    pub fn load(files: CertificateFiles) -> Result<Self, CertificateError> {
        let stamps = stamps(&files);
        let current = Arc::new(Current(ArcSwap::from_pointee(read(&files)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("invariant: the provider has TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        Ok(Self {
            files: ArcSwap::from_pointee(files),
            read: Mutex::new(stamps),
            current,
            config: Arc::new(config),
        })
    }

    /// The settings, which show the certificate of the moment.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The certificate of the moment.
    pub(crate) fn current(&self) -> Arc<CertifiedKey> {
        self.current.0.load_full()
    }

    /// Where it is read from.
    pub fn files(&self) -> Arc<CertificateFiles> {
        self.files.load_full()
    }

    /// Until when the certificate of the moment is valid, where that can be read.
    pub fn not_after(&self) -> Option<Timestamp> {
        let current = self.current.0.load();
        not_after(current.cert.first()?)
    }

    /// Looks at the files every few seconds until `stop`. A new certificate that is no good is
    /// logged once, and the last one stands.
    pub async fn watch(&self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = clock.sleep(WATCH_EVERY) => {}
                () = stop.cancelled() => return,
            }
            match self.refresh() {
                Ok(Refresh::Unchanged) => {}
                Ok(Refresh::Renewed) => info!("a new certificate is in use"),
                Err(error) => error!(%error, "the last certificate stays in use"),
            }
        }
    }

    /// Reads the files anew where they have changed since they were read last. Costs a look at
    /// two files.
    ///
    /// # Errors
    /// What they hold now is no good, which is told once for each change of theirs.
    pub fn refresh(&self) -> Result<Refresh, CertificateError> {
        let files = self.files.load();
        let stamps = stamps(&files);
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == stamps {
            return Ok(Refresh::Unchanged);
        }
        *last = stamps;
        drop(last);
        self.current.0.store(Arc::new(read(&files)?));
        Ok(Refresh::Renewed)
    }

    /// Shows what another has read, and looks at its files from now on.
    pub fn put(&self, other: &Self) {
        let stamps = *other.read.lock().unwrap_or_else(PoisonError::into_inner);
        self.files.store(other.files());
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        self.current.0.store(other.current());
    }
}

/// What a look at the files has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// They are as they were.
    Unchanged,
    /// New connections see what they hold now.
    Renewed,
}

/// The certificate that new connections are shown.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn read(files: &CertificateFiles) -> Result<CertifiedKey, CertificateError> {
    let in_file = |file, path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Pem { file, path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| match chain.is_empty() {
            true => Err(pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(in_file(CertificateFile::Certificate, &files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(in_file(CertificateFile::Key, &files.key))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|source| {
        CertificateError::Key {
            path: files.key.clone(),
            source,
        }
    })
}

fn stamps(files: &CertificateFiles) -> Stamps {
    [&files.certificate, &files.key].map(|path| path.metadata().ok().as_ref().map(stamp))
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        modified: metadata.modified().ok(),
        size: metadata.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tempfile::TempDir;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    const CERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs");

    fn certs(name: &str) -> Vec<u8> {
        fs::read(Path::new(CERTS).join(name)).unwrap()
    }

    fn folder_with(certificate: &str, key: &str) -> (TempDir, CertificateFiles) {
        let folder = TempDir::new().unwrap();
        let files = CertificateFiles {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        fs::write(&files.certificate, certs(certificate)).unwrap();
        fs::write(&files.key, certs(key)).unwrap();
        (folder, files)
    }

    fn shown(tls: &ServerTls) -> Vec<u8> {
        tls.current.0.load().cert[0].to_vec()
    }

    #[test]
    fn a_changed_certificate_is_shown_from_then_on() {
        let (_folder, files) = folder_with("dev.pem", "dev-key.pem");
        let tls = ServerTls::load(files.clone()).unwrap();
        let first = shown(&tls);
        assert_eq!(tls.refresh().unwrap(), Refresh::Unchanged);
        assert_eq!(first, shown(&tls));

        // The new certificate is there, its key not yet.
        fs::write(&files.certificate, certs("ca.pem")).unwrap();
        let error = tls.refresh().unwrap_err();
        assert_eq!(error.file(), CertificateFile::Key);
        assert_eq!(first, shown(&tls), "the last one stands");
        assert_eq!(tls.refresh().unwrap(), Refresh::Unchanged, "told once");

        let mut key = certs("ca-key.pem");
        key.extend_from_slice(b"\n# another size\n");
        fs::write(&files.key, key).unwrap();
        assert_eq!(tls.refresh().unwrap(), Refresh::Renewed);
        assert_ne!(first, shown(&tls));
    }

    /// A handshake in memory with a client that trusts the development authority.
    async fn connect(tls: &ServerTls) -> std::io::Result<(impl Wire, impl Wire)> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&certs("ca.pem")).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = duplex(100_000);
        let name = ServerName::try_from("localhost").unwrap();
        let client = TlsConnector::from(Arc::new(config)).connect(name, near);
        let server = TlsAcceptor::from(tls.config()).accept(far);
        let (client, server) = tokio::join!(client, server);
        Ok((client?, server?))
    }

    trait Wire: AsyncRead + AsyncWrite + Unpin {}
    impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

    #[tokio::test]
    async fn connections_outlive_the_certificate_that_they_began_with() {
        let (_folder, files) = folder_with("dev.pem", "dev-key.pem");
        let tls = ServerTls::load(files.clone()).unwrap();
        let (mut client, mut server) = connect(&tls).await.unwrap();
        // The authority's own certificate is none of a server, and clients say so.
        fs::write(&files.certificate, certs("ca.pem")).unwrap();
        fs::write(&files.key, [certs("ca-key.pem"), b"\n".to_vec()].concat()).unwrap();
        assert_eq!(tls.refresh().unwrap(), Refresh::Renewed);
        assert!(connect(&tls).await.is_err());
        client.write_all(b"still here").await.unwrap();
        client.flush().await.unwrap();
        let mut octets = [0; 10];
        server.read_exact(&mut octets).await.unwrap();
        assert_eq!(&octets, b"still here");
    }

    #[test]
    fn other_files_take_the_place_of_the_first() {
        let (_folder, files) = folder_with("dev.pem", "dev-key.pem");
        let tls = ServerTls::load(files).unwrap();
        let (_folder, bad) = folder_with("ca.pem", "dev-key.pem");
        assert!(ServerTls::load(bad).is_err());
        let (_folder, files) = folder_with("ca.pem", "ca-key.pem");
        let other = ServerTls::load(files.clone()).unwrap();
        tls.put(&other);
        assert_eq!(shown(&tls), shown(&other));
        assert_eq!(tls.files().certificate, files.certificate);
        assert_eq!(tls.refresh().unwrap(), Refresh::Unchanged);
    }

    #[test]
    fn what_can_not_be_used_is_told_with_its_file() {
        let (_folder, files) = folder_with("dev.pem", "ca-key.pem");
        let error = ServerTls::load(files.clone()).unwrap_err();
        assert_eq!(error.file(), CertificateFile::Key);

        fs::write(&files.certificate, "no certificate").unwrap();
        let error = ServerTls::load(files.clone()).unwrap_err();
        assert_eq!(error.file(), CertificateFile::Certificate);
        assert!(error.to_string().contains("certificate.pem"), "{error}");

        fs::remove_file(&files.certificate).unwrap();
        let error = ServerTls::load(files).unwrap_err();
        assert_eq!(error.file(), CertificateFile::Certificate);
    }
}
