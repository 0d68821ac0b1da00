//! One question to one name server, to see whether it answers and whether it validates.
//!
//! It asks for the root's SOA record, which is signed, with the AD bit set, by which a resolver
//! that validates is asked to say so. It trusts nobody: what comes back is shown to
//! an operator and decides nothing.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

const HEADER: usize = 12;
const RESPONSE_MAX: usize = 4_096;
// RFC 1035 §4.1.1: recursion desired; and authentic data, wanted or there.
const RECURSION_DESIRED: u8 = 0x01;
const RESPONSE: u8 = 0x80;
const AUTHENTIC: u8 = 0x20;
const CODE: u8 = 0x0f;
// The root's name, type SOA, class IN.
const QUESTION: [u8; 5] = [0, 0, 6, 0, 1];

/// What a name server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// The response code: 0 where all is well.
    pub code: u8,
    /// Whether it has checked the signatures of the answer (the AD bit).
    pub validates: bool,
}

/// Asks a name server whether it is there.
///
/// # Errors
/// It sends no answer within `limit`, or can't be reached.
pub async fn probe(server: SocketAddr, limit: Duration) -> io::Result<Probed> {
    match timeout(limit, ask(server)).await {
        Ok(answered) => answered,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
    }
}

async fn ask(server: SocketAddr) -> io::Result<Probed> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let [first, second, ..] = RandomState::new().hash_one(()).to_be_bytes();
    let id = [first, second];
    let mut question = vec![
        first,
        second,
        RECURSION_DESIRED,
        AUTHENTIC,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    question.extend(QUESTION);
    socket.send(&question).await?;
    let mut response = [0; RESPONSE_MAX];
    loop {
        let length = socket.recv(&mut response).await?;
        if let Some(probed) = response.get(..length).and_then(|octets| read(octets, id)) {
            return Ok(probed);
        }
    }
}

/// The answer to the question of this id; other datagrams are none.
fn read(response: &[u8], id: [u8; 2]) -> Option<Probed> {
    let header = response.get(..HEADER)?;
    (header.starts_with(&id) && header[2] & RESPONSE != 0).then_some(Probed {
        code: header[3] & CODE,
        validates: header[3] & AUTHENTIC != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A server that answers one question, after a datagram that is no answer.
    async fn answer(flags: [u8; 2]) -> io::Result<Probed> {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = server.local_addr()?;
        let serve = async {
            let mut question = [0; 64];
            let (length, from) = server.recv_from(&mut question).await?;
            server.send_to(b"nonsense", from).await?;
            let mut response = question[..length].to_vec();
            response[2..4].copy_from_slice(&flags);
            server.send_to(&response, from).await
        };
        let (served, probed) = tokio::join!(serve, probe(address, LIMIT));
        served?;
        probed
    }

    #[tokio::test]
    async fn a_server_that_validates_says_so() {
        let probed = answer([0x81, 0xa0]).await.unwrap();
        assert_eq!((probed.code, probed.validates), (0, true));
        let probed = answer([0x81, 0x82]).await.unwrap();
        assert_eq!((probed.code, probed.validates), (2, false));
    }

    #[tokio::test]
    async fn silence_ends_in_time() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = silent.local_addr().unwrap();
        let error = probe(address, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
