//! The sockets that the server listens on, handed over or bound, before any stage runs.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use super::Addresses;
use crate::config::Config;
use crate::lifecycle::Inherited;

/// Every listener.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) submission: Vec<TcpListener>,
    pub(super) submission_tls: Vec<TcpListener>,
    pub(super) http: Vec<TcpListener>,
    pub(super) addresses: Addresses,
}

impl Listeners {
    /// Takes those that were handed over and binds the others, or says which can't be and where
    /// it is set.
    pub(super) async fn open(config: &Config, mut inherited: Inherited) -> anyhow::Result<Self> {
        let from = &mut inherited;
        let submission = open_all("submission.listen", &config.submission.listen, from).await?;
        let implicit = &config.submission.listen_tls;
        let submission_tls = open_all("submission.listen_tls", implicit, from).await?;
        let http = open_all("http.listen", &config.http.listen, from).await?;
        let addresses = Addresses {
            submission: local_addresses(&submission)?,
            submission_tls: local_addresses(&submission_tls)?,
            http: local_addresses(&http)?,
        };
        Ok(Self {
            submission,
            submission_tls,
            http,
            addresses,
        })
    }
}

async fn open_all(
    key: &str,
    addresses: &[SocketAddr],
    inherited: &mut Inherited,
) -> anyhow::Result<Vec<TcpListener>> {
    let handed = inherited.of_key(key);
    if handed.is_empty() {
        return bind_all(key, addresses).await;
    }
    let taken = handed.into_iter().map(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    taken
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("the sockets handed over for {key} can't be used"))
}

async fn bind_all(key: &str, addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("can't listen on {address} ({key})"))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn local_addresses(listeners: &[TcpListener]) -> std::io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}
