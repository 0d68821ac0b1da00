//! The tracking host under TLS.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::world::{Answer, CERTS, World};

async fn connect(world: &World, host: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(Path::new(CERTS).join("ca.pem")).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(world.tls_addr).await.unwrap();
    let host = ServerName::try_from(host.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(host, stream)
        .await
}

#[tokio::test]
async fn a_link_leads_on_under_tls() {
    let world = World::start().await;
    let path = world.link(1, "https://shop.example/");
    let mut stream = connect(&world, "localhost").await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(
        Answer::read(&answer).field("location"),
        "https://shop.example/"
    );
    assert_eq!(world.finish().await.hits().len(), 1);
}

#[tokio::test]
async fn who_asks_for_another_host_or_speaks_no_tls_is_closed() {
    let world = World::start().await;
    assert!(connect(&world, "other.example").await.is_err());
    let mut stream = TcpStream::connect(world.tls_addr).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut said = Vec::new();
    let _reset = stream.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let name = "postbell_tracking_connections_closed_total{reason=\"handshake\"}";
    let counted = async {
        while world.metric(name) != "2" {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, counted).await.unwrap();
    world.finish().await;
}
