//! The steady stream of messages to hosts that work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use postbell_peers::client::{ClientOptions, Mail, SmtpClient};
use postbell_tests::installation::SENDER_DOMAIN;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::far_side::Arrivals;

/// Sessions that hand in; a message that is due waits for none while they are enough.
const SESSIONS: u32 = 8;
const DOMAINS: u64 = 5;
/// How long after the last one a message may arrive.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Stretches of the stream: the median of their figures is told, so that one stutter of the
/// machine does not decide.
const STRETCHES: usize = 5;
/// Numbers are never used twice.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The stream.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) to: SocketAddr,
    /// Messages a second.
    pub(crate) rate: u32,
    pub(crate) arrivals: Arrivals,
}

/// How it fared.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) messages: usize,
    pub(crate) refused: usize,
    pub(crate) missing: usize,
    /// From the moment that a message was due to be handed in until its host had it.
    pub(crate) arrival_median: Duration,
    pub(crate) arrival_p99: Duration,
    /// From the final dot to its 250.
    pub(crate) reply_p99: Duration,
}

/// A message that was handed in.
#[derive(Debug, Clone, Copy)]
struct Handed {
    number: u64,
    due: Instant,
    /// `None`: it was not taken.
    reply: Option<Duration>,
}

impl Live {
    /// Hands so many messages in, and waits until they have arrived.
    pub(crate) async fn run(&self, count: u64) -> anyhow::Result<Measured> {
        let first = NEXT.fetch_add(count, Ordering::Relaxed);
        let next = Arc::new(AtomicU64::new(0));
        let begin = Instant::now();
        let mut sessions = JoinSet::new();
        for _ in 0..SESSIONS {
            let (live, next) = (self.clone(), Arc::clone(&next));
            sessions.spawn(async move { live.session(first, count, begin, &next).await });
        }
        let mut handed = Vec::new();
        while let Some(session) = sessions.join_next().await {
            handed.extend(session.context("a session panicked")?);
        }
        handed.sort_unstable_by_key(|message| message.number);
        self.wait_for(&handed).await;
        Ok(self.measured(&handed))
    }

    async fn session(
        &self,
        first: u64,
        count: u64,
        begin: Instant,
        next: &AtomicU64,
    ) -> Vec<Handed> {
        let options = ClientOptions {
            limit: PATIENCE,
            ..ClientOptions::default()
        };
        let mut client: Option<SmtpClient> = None;
        let mut handed = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= count {
                return handed;
            }
            let due = begin + Duration::from_secs(place) / self.rate;
            sleep_until(due).await;
            let number = first + place;
            let reply = hand_in(&mut client, self.to, &options, number).await;
            handed.push(Handed { number, due, reply });
        }
    }

    async fn wait_for(&self, handed: &[Handed]) {
        let deadline = Instant::now() + PATIENCE;
        let mut waiting: Vec<_> = handed.iter().filter(|one| one.reply.is_some()).collect();
        loop {
            waiting.retain(|one| self.arrivals.of(one.number).is_none());
            if waiting.is_empty() || Instant::now() > deadline {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn measured(&self, handed: &[Handed]) -> Measured {
        let taken: Vec<_> = handed.iter().filter(|one| one.reply.is_some()).collect();
        let arrived = |one: &&Handed| Some(self.arrivals.of(one.number)?.duration_since(one.due));
        // What never came is as late as could be seen.
        let late = |one: &Handed| arrived(&one).unwrap_or(PATIENCE);
        let size = taken.len().div_ceil(STRETCHES).max(1);
        let stretches = || taken.chunks(size);
        let arrivals = |percent| {
            let figures =
                stretches().map(|stretch| percentile(stretch.iter().map(|one| late(one)), percent));
            percentile(figures, 50)
        };
        let replies =
            stretches().map(|stretch| percentile(stretch.iter().filter_map(|one| one.reply), 99));
        Measured {
            messages: handed.len(),
            refused: handed.len() - taken.len(),
            missing: taken.iter().filter(|one| arrived(one).is_none()).count(),
            arrival_median: arrivals(50),
            arrival_p99: arrivals(99),
            reply_p99: percentile(replies, 50),
        }
    }
}

/// The time from the final dot to its 250; `None` where there was none.
async fn hand_in(
    client: &mut Option<SmtpClient>,
    to: SocketAddr,
    options: &ClientOptions,
    number: u64,
) -> Option<Duration> {
    let mut open = match client.take() {
        Some(open) => open,
        None => SmtpClient::connect(to, options).await.ok()?,
    };
    let outcome = open.send(&mail(number)).await.ok()?;
    *client = Some(open);
    outcome.is_taken().then_some(outcome.dot_to_reply)
}

fn mail(number: u64) -> Mail {
    let from = format!("live@{SENDER_DOMAIN}");
    let to = format!("live{number}@working{}.test", number % DOMAINS);
    let body = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: Live {number}\r\n\r\n{}",
        "This should arrive soon.\r\n".repeat(40)
    );
    Mail {
        from,
        to: vec![to],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}

/// The value that this many of a hundred do not exceed.
fn percentile(values: impl Iterator<Item = Duration>, percent: usize) -> Duration {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable();
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}
