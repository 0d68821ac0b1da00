//! Whether the clock is right: schedules, signatures and the ids of messages depend on it.
//!
//! A time server is asked as SNTP does (RFC 4330): one question, one answer, no trust. Without one,
//! what this machine says of its clock counts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use postbell_model::{Clock, Domain, Timestamp};
use postbell_net::Resolver;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::check::Check;

const NAME: &str = "clock";
/// Made by systemd-timesyncd once the clock was set.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
const PORT: u16 = 123;
const LIMIT: Duration = Duration::from_secs(5);
/// Beyond this, times in events and schedules are visibly wrong.
const MUCH: Duration = Duration::from_secs(10);
const SOME: Duration = Duration::from_secs(1);

// RFC 4330 §4: version 4, mode 3 (client).
const CLIENT: u8 = 0x23;
const MODE: u8 = 0x07;
const SERVER: u8 = 4;
const PACKET: usize = 48;
const TRANSMITTED_AT: usize = 40;
const RECEIVED_AT: usize = 32;
// Seconds from 1900 to 1970.
const ERA: i64 = 2_208_988_800;
const SET_IT: &str = "let a time service set the clock (systemd-timesyncd, chrony)";

pub(super) async fn look(
    server: Option<&str>,
    resolver: &Resolver,
    clock: &dyn Clock,
) -> Vec<Check> {
    vec![match server {
        Some(server) => compare(server, resolver, clock).await,
        None => said_here(Path::new(SYNCHRONISED)),
    }]
}

fn said_here(synchronised: &Path) -> Check {
    if synchronised.exists() {
        return Check::ok(NAME, "systemd-timesyncd has set it");
    }
    let advice = "name a time server with --ntp HOST, or see that a time service runs";
    Check::warning(NAME, "nobody here says whether it is right", advice)
}

async fn compare(server: &str, resolver: &Resolver, clock: &dyn Clock) -> Check {
    let asked = match address(server, resolver).await {
        Some(address) => timeout(LIMIT, ask(address, clock)).await,
        None => Ok(Err(io::Error::other("the name has no address"))),
    };
    let off = match asked {
        Ok(Ok(off)) => off,
        Ok(Err(error)) => return unanswered(server, &error.to_string()),
        Err(_) => return unanswered(server, "no answer in time"),
    };
    let found = format!("{} ms from what {server} says", off.as_millis());
    if off >= MUCH {
        return Check::fault(NAME, found, SET_IT);
    }
    if off >= SOME {
        return Check::warning(NAME, found, SET_IT);
    }
    Check::ok(NAME, found)
}

fn unanswered(server: &str, why: &str) -> Check {
    Check::warning(
        NAME,
        format!("{server}: {why}"),
        "name another with --ntp HOST",
    )
}

async fn address(server: &str, resolver: &Resolver) -> Option<SocketAddr> {
    let (host, port) = super::ports::host_and_port(server, PORT);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    let addresses = resolver.addresses(&Domain::parse(host).ok()?).await.ok()?;
    let ip = addresses.ips.first()?;
    Some(SocketAddr::new(*ip, port))
}

/// How far the clock is from that of a server.
async fn ask(server: SocketAddr, clock: &dyn Clock) -> io::Result<Duration> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let mut question = [0; PACKET];
    question[0] = CLIENT;
    let sent = clock.now();
    question[TRANSMITTED_AT..].copy_from_slice(&ntp(sent));
    socket.send(&question).await?;
    let mut answer = [0; 512];
    loop {
        let length = socket.recv(&mut answer).await?;
        let back = clock.now();
        // RFC 4330 §5: an answer repeats when the question was sent.
        let Some(packet) = answer
            .get(..length)
            .and_then(|octets| octets.first_chunk::<PACKET>())
        else {
            continue;
        };
        if packet[0] & MODE == SERVER && packet[24..32] == question[TRANSMITTED_AT..] {
            return Ok(offset((sent, back), packet));
        }
    }
}

/// RFC 4330 §5: half the sum of what lies between the two clocks on the way there and back.
fn offset((sent, back): (Timestamp, Timestamp), packet: &[u8; PACKET]) -> Duration {
    let theirs = |at: usize| {
        let octets = packet.get(at..at + 8).unwrap_or_default();
        read_ntp(octets)
    };
    let there = theirs(RECEIVED_AT).saturating_sub(sent.as_micros());
    let here = theirs(TRANSMITTED_AT).saturating_sub(back.as_micros());
    Duration::from_micros((there / 2 + here / 2).unsigned_abs())
}

/// RFC 4330 §3: seconds since 1900, and as many parts of 2³² of one.
fn ntp(moment: Timestamp) -> [u8; 8] {
    let micros = moment.as_micros();
    let seconds = micros.div_euclid(1_000_000).wrapping_add(ERA);
    let fraction = (micros.rem_euclid(1_000_000) << 32) / 1_000_000;
    ((seconds << 32) | fraction).to_be_bytes()
}

/// Microseconds since 1970; seconds below 2³¹ are of the era that begins in 2036.
fn read_ntp(octets: &[u8]) -> i64 {
    let (seconds, fraction) = octets.split_at_checked(4).unwrap_or_default();
    let number = |octets: &[u8]| {
        octets
            .iter()
            .fold(0_i64, |all, octet| all << 8 | i64::from(*octet))
    };
    let era = if number(seconds) < 1 << 31 {
        1 << 32
    } else {
        0
    };
    (number(seconds) + era - ERA) * 1_000_000 + ((number(fraction) * 1_000_000) >> 32)
}

#[cfg(test)]
mod tests {
    use super::super::check::Mark;
    use super::*;
    use crate::lifecycle::SystemClock;

    /// What becomes of a clock that is behind a server's by so much.
    async fn behind(by: Duration) -> Mark {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = server.local_addr().unwrap();
        let clock = SystemClock::new();
        let serve = async {
            let mut question = [0; PACKET];
            let (_, from) = server.recv_from(&mut question).await.unwrap();
            let mut answer = [0; PACKET];
            answer[0] = 0x24;
            answer[24..32].copy_from_slice(&question[TRANSMITTED_AT..]);
            let theirs = ntp(clock.now().after(by));
            answer[RECEIVED_AT..TRANSMITTED_AT].copy_from_slice(&theirs);
            answer[TRANSMITTED_AT..].copy_from_slice(&theirs);
            server.send_to(&[0; 3], from).await.unwrap();
            server.send_to(&answer, from).await.unwrap();
        };
        let resolver = Resolver::new(&postbell_net::DnsOptions {
            servers: vec![address],
            ..Default::default()
        });
        let resolver = resolver.unwrap();
        let name = address.to_string();
        let (checks, ()) = tokio::join!(look(Some(&name), &resolver, &clock), serve);
        checks[0].mark
    }

    #[tokio::test]
    async fn the_clock_is_compared_with_that_of_a_server() {
        assert_eq!(behind(Duration::ZERO).await, Mark::Ok);
        assert_eq!(behind(Duration::from_secs(5)).await, Mark::Warning);
        assert_eq!(behind(Duration::from_secs(3_600)).await, Mark::Fault);
    }

    #[test]
    fn without_a_server_the_machine_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(said_here(&folder.path().join("x")).mark, Mark::Warning);
        assert_eq!(said_here(folder.path()).mark, Mark::Ok);
    }

    #[test]
    fn times_of_both_eras_are_read() {
        for micros in [0, 1_790_000_000_123_456, 2_300_000_000_000_000] {
            let read = read_ntp(&ntp(Timestamp::from_micros(micros)));
            assert!((read - micros).abs() <= 1, "{micros} became {read}");
        }
    }
}
