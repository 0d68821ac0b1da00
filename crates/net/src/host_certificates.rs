//! Certificates by the host that a client asks for (RFC 6066 §3): those that an operator has put into
//! files, others that come and go while the server runs, else the server's own.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use postbell_model::Clock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::certificate::{CertificateError, CertificateFiles, Refresh, ServerTls, WATCH_EVERY};

/// Certificates of hosts, in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFiles {
    /// The hosts that it is shown for, in A-labels; `*.` stands for one label.
    pub hosts: Vec<String>,
    /// Where it is.
    pub files: CertificateFiles,
}

impl HostFiles {
    /// Whether it is shown for a host, in A-labels and lower case.
    pub fn is_for(&self, host: &str) -> bool {
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.hosts
            .iter()
            .any(|named| match named.strip_prefix("*.") {
                Some(named) => parent == Some(named),
                None => named == host,
            })
    }
}

/// The TLS settings of a door that many hosts are behind.
#[derive(Debug)]
pub struct HostCertificates {
    by_host: Arc<ByHost>,
    config: Arc<ServerConfig>,
}

/// What is shown, and in which order it is looked for.
struct ByHost {
    own: ArcSwap<OwnCertificates>,
    issued: Option<Arc<dyn ResolvesServerCert>>,
    server: Option<Arc<ServerTls>>,
}

/// Those in files, as they were read. Of entries for the same host the first counts.
#[derive(Debug, Default)]
pub struct OwnCertificates {
    hosts: HashMap<String, Arc<ServerTls>>,
    all: Vec<Arc<ServerTls>>,
}

impl OwnCertificates {
    /// Reads the files.
    ///
    /// # Errors
    /// One is no good.
    pub fn read(entries: Vec<HostFiles>) -> Result<Self, CertificateError> {
        let mut own = Self::default();
        for entry in entries {
            let tls = Arc::new(ServerTls::load(entry.files)?);
            for host in entry.hosts {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                own.hosts.entry(host).or_insert_with(|| Arc::clone(&tls));
            }
            own.all.push(tls);
        }
        Ok(own)
    }

    fn find(&self, name: &str) -> Option<&ServerTls> {
        let name = name.to_ascii_lowercase();
        let found = self.hosts.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.hosts.get(&format!("*.{parent}"))
        });
        found.map(Arc::as_ref)
    }
}

impl HostCertificates {
    /// The protocol of those who only look for a certificate that proves a host to be ours
    /// (RFC 8737 §3).
    pub const CHALLENGE: &[u8] = b"acme-tls/1";

    /// Reads the files, which must be good. `issued` is asked for hosts without a file, and for all
    /// that is asked by [`HostCertificates::CHALLENGE`]; `server` is shown where nothing else is.
    ///
    /// # Errors
    /// A file is no good.
    pub fn load(
        own: Vec<HostFiles>,
        issued: Option<Arc<dyn ResolvesServerCert>>,
        server: Option<Arc<ServerTls>>,
    ) -> Result<Self, CertificateError> {
        let takes_challenges = issued.is_some();
        let by_host = Arc::new(ByHost {
            own: ArcSwap::from_pointee(OwnCertificates::read(own)?),
            issued,
            server,
        });
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("invariant: the provider has TLS 1.2 and 1.3")
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&by_host) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if takes_challenges {
            config.alpn_protocols.push(Self::CHALLENGE.to_vec());
        }
        Ok(Self {
            by_host,
            config: Arc::new(config),
        })
    }

    /// The settings, which show the certificates of the moment.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether a host has one in a file, which is shown whatever is issued.
    pub fn has_own(&self, host: &str) -> bool {
        self.by_host.own.load().find(host).is_some()
    }

    /// Shows others from now on. Connections go on.
    pub fn put(&self, own: OwnCertificates) {
        self.by_host.own.store(Arc::new(own));
    }

    /// Looks at the files every few seconds until `stop`. A new certificate that is no good is
    /// logged once, and the last one stands.
    pub async fn watch(&self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        while let Some(()) = stop.run_until_cancelled(clock.sleep(WATCH_EVERY)).await {
            for tls in &self.by_host.own.load_full().all {
                match tls.refresh() {
                    Ok(Refresh::Unchanged) => {}
                    Ok(Refresh::Renewed) => info!("a new certificate of a tracking host is in use"),
                    Err(error) => error!(%error, "the last certificate stays in use"),
                }
            }
        }
    }
}

impl fmt::Debug for ByHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByHost").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ByHost {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn().into_iter().flatten();
        if protocols.any(|protocol| protocol == HostCertificates::CHALLENGE) {
            return self.issued.as_ref()?.resolve(hello);
        }
        let own = self.own.load();
        let named = hello.server_name().and_then(|name| own.find(name));
        if let Some(tls) = named {
            return Some(tls.current());
        }
        let issued = self
            .issued
            .as_ref()
            .and_then(|issued| issued.resolve(hello));
        // Who names no host, or one that nothing is there for, sees whose server it is.
        let server = || {
            self.server
                .as_ref()
                .or(own.all.first())
                .map(|tls| tls.current())
        };
        issued.or_else(server)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::client::ClientConnection;
    use rustls::pki_types::ServerName;
    use rustls::server::Acceptor;
    use rustls::{ClientConfig, RootCertStore};

    use super::*;

    fn files(name: &str) -> CertificateFiles {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs"));
        CertificateFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}-key.pem")),
        }
    }

    fn entry(hosts: &[&str], name: &str) -> HostFiles {
        HostFiles {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            files: files(name),
        }
    }

    fn server(name: &str) -> Option<Arc<ServerTls>> {
        Some(Arc::new(ServerTls::load(files(name)).unwrap()))
    }

    fn certificate(name: &str) -> Vec<u8> {
        server(name).unwrap().current().cert[0].to_vec()
    }

    /// The first words of a client, and what it is shown then.
    fn shown(certificates: &HostCertificates, host: &str, protocol: &[u8]) -> Option<Vec<u8>> {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let host = ServerName::try_from(host.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), host).unwrap();
        let mut said = Vec::new();
        client.write_tls(&mut said).unwrap();
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut said.as_slice()).unwrap();
        let accepted = acceptor.accept().ok().flatten().unwrap();
        let shown = certificates.by_host.resolve(accepted.client_hello())?;
        Some(shown.cert[0].to_vec())
    }

    #[test]
    fn a_host_has_its_certificate_and_others_the_servers() {
        let own = vec![entry(&["track.acme.example", "*.t.acme.example"], "dev")];
        let certificates = HostCertificates::load(own, None, server("ca")).unwrap();
        for (host, name) in [
            ("track.acme.example", "dev"),
            ("TRACK.acme.example", "dev"),
            ("a.t.acme.example", "dev"),
            ("a.b.t.acme.example", "ca"),
            ("t.acme.example", "ca"),
            ("192.0.2.1", "ca"),
        ] {
            let shown = shown(&certificates, host, b"http/1.1");
            assert_eq!(shown, Some(certificate(name)), "{host}");
        }
        // Nobody proves anything here.
        let challenged = shown(
            &certificates,
            "track.acme.example",
            HostCertificates::CHALLENGE,
        );
        assert_eq!(challenged, None);
    }

    #[test]
    fn it_is_known_which_hosts_have_a_file() {
        let entry = entry(&["track.acme.example", "*.t.acme.example"], "dev");
        let certificates = HostCertificates::load(vec![entry.clone()], None, None).unwrap();
        for (host, has) in [
            ("track.acme.example", true),
            ("a.t.acme.example", true),
            ("t.acme.example", false),
            ("a.b.t.acme.example", false),
            ("acme.example", false),
        ] {
            assert_eq!(entry.is_for(host), has, "{host}");
            assert_eq!(certificates.has_own(host), has, "{host}");
        }
    }

    #[test]
    fn what_is_issued_stands_between_and_alone_answers_challenges() {
        let issued = ByHost {
            own: ArcSwap::default(),
            issued: None,
            server: server("ca"),
        };
        let own = vec![entry(&["track.acme.example"], "dev")];
        let certificates = HostCertificates::load(own, Some(Arc::new(issued)), None).unwrap();
        let show = |host, protocol| shown(&certificates, host, protocol);
        assert_eq!(
            show("track.acme.example", b"http/1.1"),
            Some(certificate("dev"))
        );
        assert_eq!(
            show("track.other.example", b"http/1.1"),
            Some(certificate("ca"))
        );
        let protocols = &certificates.config().alpn_protocols;
        assert!(
            protocols
                .iter()
                .any(|one| one == HostCertificates::CHALLENGE)
        );
    }

    #[test]
    fn others_are_shown_from_the_moment_on() {
        let own = |name| vec![entry(&["track.acme.example"], name)];
        let certificates = HostCertificates::load(own("dev"), None, None).unwrap();
        let shown = || shown(&certificates, "track.acme.example", b"http/1.1");
        certificates.put(OwnCertificates::read(own("ca")).unwrap());
        assert_eq!(shown(), Some(certificate("ca")));
        let bad = vec![
            entry(&["track.acme.example"], "dev"),
            entry(&["x.example"], "none"),
        ];
        assert!(OwnCertificates::read(bad).is_err());
        // Without any, who names an unknown host is not shown another's.
        certificates.put(OwnCertificates::default());
        assert_eq!(shown(), None);
    }
}
