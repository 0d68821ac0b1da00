//! Dialling: one checked address, one deadline.
//!
//! That this process has no descriptor left is no fault of the other side, and passes: it is waited
//! for, within the deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::{Forbidden, Guard, shortage};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address may not be dialled.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Nobody answered in time.
    #[error("no answer from {addr} within {} s", limit.as_secs_f32())]
    TimedOut {
        /// What was dialled.
        addr: SocketAddr,
        /// The time that it was given.
        limit: Duration,
    },
    /// The other side refused, the network does not lead there, or our own address can't be
    /// used.
    #[error("can't connect to {addr}: {cause}")]
    Failed {
        /// What was dialled.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

/// Dials `addr`, from our address `source` where one is given.
///
/// # Errors
/// The guard forbids the address, or there is no connection after `limit`.
pub async fn connect(
    addr: SocketAddr,
    guard: &Guard,
    source: Option<IpAddr>,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    guard.check(addr.ip())?;
    match timeout(limit, shortage::outlast(|| dial(addr, source))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(cause)) => Err(ConnectError::Failed { addr, cause }),
        Err(_) => Err(ConnectError::TimedOut { addr, limit }),
    }
}

async fn dial(addr: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Replies and commands are small and each waits for the other: Nagle's algorithm would add
    // the far side's delayed acknowledgement to every one of them.
    socket.set_nodelay(true)?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(addr).await
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn loopback() -> Guard {
        Guard::new(vec!["127.0.0.0/8".parse().unwrap()])
    }

    #[tokio::test]
    async fn the_guard_is_asked_before_the_network() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let refused = connect(addr, &Guard::default(), None, LIMIT).await;
        assert!(matches!(refused, Err(ConnectError::Forbidden(_))));
        connect(addr, &loopback(), None, LIMIT).await.unwrap();
    }

    #[tokio::test]
    async fn it_dials_from_the_wanted_address_without_nagle() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let source = Ipv4Addr::new(127, 0, 0, 9);
        let stream = connect(addr, &loopback(), Some(source.into()), LIMIT)
            .await
            .unwrap();
        assert!(stream.nodelay().unwrap());
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), IpAddr::from(source));
    }

    #[tokio::test]
    async fn a_closed_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let failed = connect(addr, &loopback(), None, LIMIT).await.unwrap_err();
        assert!(
            failed
                .to_string()
                .starts_with(&format!("can't connect to {addr}: "))
        );
    }
}
