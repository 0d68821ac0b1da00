//! The PROXY protocol, version 2: behind a load balancer, whose connection is it?
//!
//! A proxy that is named in the configuration begins each connection with a binary header that
//! says for whom it stands there. From nobody else is such a header read, and from a proxy nothing
//! else, so that no client can choose an address for itself. Version 1, which is text, is refused.

mod header;

#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use header::{Header, Progress};

pub(crate) use header::Source;

/// Why a proxy's connection can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("its PROXY header is malformed: {0}")]
    Malformed(#[from] header::Malformed),
    #[error("its PROXY header did not come within {0:?}")]
    Late(Duration),
    #[error("it broke before its PROXY header was whole: {0}")]
    Broken(#[from] io::Error),
}

/// The address that a connection is from; nothing behind the header is read.
pub(crate) async fn client_of(
    stream: &mut TcpStream,
    proxy: IpAddr,
    limit: Duration,
) -> Result<IpAddr, ProxyError> {
    let header = timeout(limit, read(stream)).await;
    match header.map_err(|_| ProxyError::Late(limit))?? {
        // The proxy asks whether we are there.
        Source::Proxy => Ok(proxy),
        Source::Client(ip) => Ok(ip.to_canonical()),
    }
}

async fn read(stream: &mut TcpStream) -> Result<Source, ProxyError> {
    let mut octets = Vec::new();
    loop {
        match Header::parse(&octets)? {
            Progress::Whole(header) => return Ok(header.source),
            Progress::Needs(length) => {
                let missing = length - octets.len();
                let mut rest = stream.take(missing as u64);
                if rest.read_buf(&mut octets).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
        }
    }
}
