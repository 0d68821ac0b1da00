//! Asking the tracking host for something, as a browser would: one request, and of the
//! answer no more than its status. Where an answer leads to is never asked: it is outside.

mod trusting;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::visit::{Ask, Visit};

const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 (simulated)";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
/// Octets of an answer's status line that are read.
const STATUS_MAX: usize = 64;

/// Where the tracking host listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebDoor {
    /// In the clear.
    Plain(SocketAddr),
    /// Under TLS. Its certificate is not looked at: the address says who it is.
    Tls(SocketAddr),
}

/// Asks for the first of the addresses that is one: the status of the answer.
pub(super) async fn ask(door: WebDoor, visit: &Visit, limit: Duration) -> io::Result<u16> {
    let mut status = 0;
    for url in &visit.urls {
        let asking = ask_one(door, visit.ask, url);
        status = timeout(limit, asking).await.map_err(io::Error::from)??;
        if (200..400).contains(&status) {
            break;
        }
    }
    Ok(status)
}

async fn ask_one(door: WebDoor, ask: Ask, url: &str) -> io::Result<u16> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = request(ask, host, path);
    match door {
        WebDoor::Plain(addr) => exchange(TcpStream::connect(addr).await?, &request).await,
        WebDoor::Tls(addr) => {
            let name = host.split(':').next().unwrap_or(host).to_owned();
            let name = ServerName::try_from(name).map_err(io::Error::other)?;
            let connector =
                TlsConnector::from(Arc::new(trusting::client().map_err(io::Error::other)?));
            let stream = TcpStream::connect(addr).await?;
            exchange(connector.connect(name, stream).await?, &request).await
        }
    }
}

fn request(ask: Ask, host: &str, path: &str) -> String {
    let (method, more, body) = match ask {
        Ask::Get => ("GET", String::new(), ""),
        Ask::OneClick => {
            let length = ONE_CLICK.len();
            let kind = "application/x-www-form-urlencoded";
            let more = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
            ("POST", more, ONE_CLICK)
        }
    };
    format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {BROWSER}\r\nAccept: */*\r\n\
         Connection: close\r\n{more}\r\n{body}"
    )
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> io::Result<u16> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut line = Vec::with_capacity(STATUS_MAX);
    while line.len() < STATUS_MAX && !line.contains(&b'\n') {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(&line);
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    status.ok_or_else(|| io::Error::other("the answer has no status"))
}
