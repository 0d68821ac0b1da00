//! The sockets that the server listens on, bound before any stage runs.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use super::Addresses;
use crate::config::Config;

/// Every listener.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) submission: Vec<TcpListener>,
    pub(super) submission_tls: Vec<TcpListener>,
    pub(super) http: Vec<TcpListener>,
    pub(super) addresses: Addresses,
}

impl Listeners {
    /// Binds all of them, or says which can't be and where it is set.
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let submission = bind_all("submission.listen", &config.submission.listen).await?;
        let implicit = &config.submission.listen_tls;
        let submission_tls = bind_all("submission.listen_tls", implicit).await?;
        let http = bind_all("http.listen", &config.http.listen).await?;
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
