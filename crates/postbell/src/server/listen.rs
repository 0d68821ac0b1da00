//! The sockets that the server listens on, handed over or bound, before any stage runs.

use std::net::SocketAddr;

use anyhow::Context;
use postbell_api::tracking::Encryption;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;

use super::Addresses;
use crate::config::Config;
use crate::lifecycle::Inherited;

// Connections that wait to be accepted; the system cuts it to what it allows (net.core.somaxconn).
// Beyond it a client may believe that it is connected while nobody knows of it, and one that waits
// for a greeting waits for ever.
const BACKLOG: u32 = 4_096;

/// Every listener.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) submission: Vec<TcpListener>,
    pub(super) submission_tls: Vec<TcpListener>,
    pub(super) inbound: Vec<TcpListener>,
    pub(super) http: Vec<TcpListener>,
    pub(super) tracking: Vec<(TcpListener, Encryption)>,
    pub(super) addresses: Addresses,
}

impl Listeners {
    /// Takes those that were handed over and binds the others, or says which can't be and where
    /// it is set.
    /// Who comes to submit is seen by the runtime `mail`.
    pub(super) fn open(
        config: &Config,
        mut inherited: Inherited,
        mail: &Handle,
    ) -> anyhow::Result<Self> {
        let from = &mut inherited;
        let entered = mail.enter();
        let submission = open_all("submission.listen", &config.submission.listen, from)?;
        let implicit = &config.submission.listen_tls;
        let submission_tls = open_all("submission.listen_tls", implicit, from)?;
        drop(entered);
        let inbound = open_all("inbound.listen", &config.inbound.listen, from)?;
        let http = open_all("http.listen", &config.http.listen, from)?;
        let tracking = open_all("tracking.listen", &config.tracking.listen, from)?;
        let implicit = &config.tracking.listen_tls;
        let tracking_tls = open_all("tracking.listen_tls", implicit, from)?;
        let addresses = Addresses {
            submission: local_addresses(&submission)?,
            submission_tls: local_addresses(&submission_tls)?,
            inbound: local_addresses(&inbound)?,
            http: local_addresses(&http)?,
            tracking: local_addresses(&tracking)?,
            tracking_tls: local_addresses(&tracking_tls)?,
        };
        let tracking = tracking.into_iter().map(|l| (l, Encryption::None));
        let tracking_tls = tracking_tls.into_iter().map(|l| (l, Encryption::Tls));
        Ok(Self {
            submission,
            submission_tls,
            inbound,
            http,
            tracking: tracking.chain(tracking_tls).collect(),
            addresses,
        })
    }
}

fn open_all(
    key: &str,
    addresses: &[SocketAddr],
    inherited: &mut Inherited,
) -> anyhow::Result<Vec<TcpListener>> {
    let handed = inherited.of_key(key);
    if handed.is_empty() {
        return bind_all(key, addresses);
    }
    let taken = handed.into_iter().map(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    taken
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("the sockets handed over for {key} can't be used"))
}

fn bind_all(key: &str, addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = bind(*address);
        listeners.push(listener.with_context(|| format!("can't listen on {address} ({key})"))?);
    }
    Ok(listeners)
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // What is left of connections of a server before this one keeps the port from nobody.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn local_addresses(listeners: &[TcpListener]) -> std::io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}
