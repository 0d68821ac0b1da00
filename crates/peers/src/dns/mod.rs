//! A DNS server in the process, on loopback, over UDP and TCP (RFC 1035).
//!
//! Unless told otherwise it answers for every domain: `MX 10 mx.<domain>`, and an A record for
//! every name, so that all mail goes to one address. A [`Table`] says otherwise, name by name,
//! and may change at any time. It answers as a recursive resolver would, following CNAMEs; it
//! refuses zone transfers, updates and DNSSEC.

mod handler;
mod table;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use table::{Answer, Entry, Records, Table};

use handler::Handler;

/// How long an idle TCP connection stays open.
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Responses that may wait on one TCP connection.
const TCP_RESPONSES: usize = 64;
/// How long the server may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// How often another port is tried where UDP has one and TCP does not.
const PORT_TRIES: u32 = 16;

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct DnsOptions {
    /// Where it listens, UDP and TCP; port 0 for any.
    pub bind: SocketAddr,
    /// What it says of names that are not in the table.
    pub unlisted: Unlisted,
    /// The time to live of records, unless an entry has its own.
    pub ttl: Duration,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            unlisted: Unlisted::MailGoesTo(Ipv4Addr::LOCALHOST.into()),
            ttl: Duration::from_secs(60),
        }
    }
}

/// What is said of names that are not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// Each has `MX 10 mx.<name>` and this address.
    MailGoesTo(IpAddr),
    /// None exists (NXDOMAIN).
    NoSuchDomain,
}

/// A running server; it stops with the token that it was started with.
#[derive(Debug, Clone)]
pub struct DnsServer {
    addr: SocketAddr,
    table: Arc<Table>,
}

impl DnsServer {
    /// Listens and serves, in tasks of `tasks`, until `stop`.
    ///
    /// # Errors
    /// The address can't be bound.
    pub async fn start(
        options: DnsOptions,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let (udp, tcp) = bind(options.bind).await?;
        let addr = udp.local_addr()?;
        let table = Arc::new(Table::new(options.unlisted, options.ttl));
        let mut server = Server::new(Handler::new(Arc::clone(&table), stop.clone()));
        server.register_socket(udp);
        server.register_listener(tcp, TCP_IDLE, TCP_RESPONSES);
        tasks.spawn(async move {
            stop.cancelled().await;
            let stopping = server.shutdown_gracefully();
            if !matches!(tokio::time::timeout(STOP_LIMIT, stopping).await, Ok(Ok(()))) {
                tracing::debug!("the DNS peer did not stop in time and is dropped");
            }
        });
        Ok(Self { addr, table })
    }

    /// Where it listens, UDP and TCP.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it answers.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

/// Binds both protocols on one port.
async fn bind(wanted: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 1;
    loop {
        let udp = UdpSocket::bind(wanted).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if wanted.port() != 0 || tries == PORT_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

#[cfg(test)]
mod tests;
