//! A flood at the inbound door: servers that bring mail as fast as they are let, for the whole time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use postbell_peers::client::{ClientOptions, Mail, SmtpClient};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Sessions of a flood from one host; a host may have 50.
const SESSIONS: u32 = 100;
/// Messages of one session, before the next one is opened.
const MESSAGES: u32 = 20;
/// One of so many goes to an address that nobody has.
const UNKNOWN: u64 = 5;
/// How long a host waits that was refused, and for a reply.
const PAUSE: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(10);

/// What a flood did so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flood {
    connections: Arc<AtomicU64>,
    offered: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
}

impl Flood {
    /// Begins it, from so many hosts with so many messages a second in all, until `stop`.
    pub(crate) fn begin(
        to: SocketAddr,
        (hosts, rate): (u32, u64),
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let flood = Self::default();
        let sessions = if hosts == 1 { SESSIONS } else { hosts };
        let every =
            Duration::from_secs(u64::from(sessions)) / u32::try_from(rate).unwrap_or(1).max(1);
        for number in 0..sessions {
            let host = host(if hosts == 1 { 0 } else { number });
            let (flood, stop) = (flood.clone(), stop.clone());
            // They don't begin all at once.
            let first = every * number / sessions;
            tasks.spawn(async move {
                let pouring = flood.pour(to, host, first, every);
                stop.run_until_cancelled(pouring).await;
            });
        }
        flood
    }

    /// Connections that were made.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Messages that were offered, and that were taken.
    pub(crate) fn messages(&self) -> (u64, u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&self.offered), of(&self.taken))
    }

    async fn pour(&self, to: SocketAddr, host: Ipv4Addr, first: Duration, every: Duration) {
        let options = ClientOptions {
            limit: LIMIT,
            source: Some(SocketAddr::new(host.into(), 0)),
            ..ClientOptions::default()
        };
        let mut due = Instant::now() + first;
        loop {
            sleep_until(due).await;
            match SmtpClient::connect(to, &options).await {
                Ok(client) => due = self.converse(client, due, every).await,
                Err(_) => sleep(PAUSE).await,
            }
            due = due.max(Instant::now());
        }
    }

    /// One session; when the next message is due.
    async fn converse(&self, mut client: SmtpClient, mut due: Instant, every: Duration) -> Instant {
        self.connections.fetch_add(1, Ordering::Relaxed);
        for _ in 0..MESSAGES {
            sleep_until(due).await;
            due += every;
            let number = self.offered.fetch_add(1, Ordering::Relaxed);
            match client.send(&mail(number)).await {
                Ok(outcome) if outcome.is_taken() => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        due
    }
}

/// Each in a network of its own.
fn host(number: u32) -> Ipv4Addr {
    let [.., high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 64 + high, low, 1)
}

fn mail(number: u64) -> Mail {
    let name = match number % UNKNOWN {
        0 => "nobody",
        _ => "postmaster",
    };
    let to = format!("{name}@postbell.test");
    let body = format!(
        "From: <flood@peer.test>\r\nTo: <{to}>\r\nSubject: Flood {number}\r\n\r\n{}",
        "Nobody has waited for this.\r\n".repeat(350)
    );
    Mail {
        from: "flood@peer.test".to_owned(),
        to: vec![to],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
