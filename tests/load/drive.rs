//! The sessions that submit.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use postbell_peers::client::{ClientError, ClientOptions, Mail, Outcome, SmtpClient};
use postbell_tests::installation::SENDER_DOMAIN;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Args;
use super::incoming::Pool;

/// Below `submission.limits.max_connections_per_ip`.
const SESSIONS_PER_ADDRESS: u32 = 90;
/// How long a client waits that was refused: less than any mail server does.
const PAUSE: Duration = Duration::from_secs(1);
const LINE: &str = "The quick brown fox jumps over the lazy dog, and then it rests a while.\r\n";

/// What the sessions saw.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    /// Messages that got a 250.
    pub(crate) accepted: u64,
    /// What was said, or happened, instead of a 250, and how often.
    pub(crate) faults: BTreeMap<String, u64>,
    /// From the final dot to its 250, in order of length.
    pub(crate) latencies: Vec<Duration>,
    /// From the first connection to the last 250.
    pub(crate) took: Duration,
}

impl Driven {
    /// Notes what became of a message; a client that was refused waits a little.
    async fn add_or_wait(&mut self, result: Result<Outcome, ClientError>) {
        let before = self.accepted;
        self.add(result);
        if self.accepted == before {
            sleep(PAUSE).await;
        }
    }

    fn add(&mut self, result: Result<Outcome, ClientError>) {
        let fault = match result {
            Ok(outcome) if outcome.is_taken() => {
                self.accepted += 1;
                self.latencies.push(outcome.dot_to_reply);
                return;
            }
            Ok(outcome) => outcome.deciding().to_string(),
            Err(error) => error.to_string(),
        };
        *self.faults.entry(fault).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.latencies.extend(other.latencies);
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

/// What is sent.
pub(crate) enum Mails {
    /// From our domain to others.
    Outgoing {
        /// How many domains.
        domains: u64,
        /// What is in a message.
        content: Content,
    },
    /// From others to our domain.
    Incoming(Pool),
}

/// What is in a message that goes out.
pub(crate) enum Content {
    /// Text, of so many octets with the header.
    Text(usize),
    /// The rest of the header, and a body.
    Given(String),
}

/// Sends all messages.
pub(crate) async fn drive(
    args: &Args,
    mails: Mails,
    to: SocketAddr,
    begin: Instant,
) -> anyhow::Result<Driven> {
    let load = Arc::new(Load {
        to,
        messages: args.messages,
        mails,
        end: args
            .seconds
            .map(|seconds| begin + Duration::from_secs(seconds)),
        next: AtomicU64::new(0),
    });
    let mut sessions = JoinSet::new();
    for number in 0..args.sessions {
        let session = Session {
            load: Arc::clone(&load),
            options: ClientOptions {
                source: source(number),
                ..ClientOptions::default()
            },
        };
        if args.keep {
            sessions.spawn(session.over_one_connection());
        } else {
            sessions.spawn(session.each_over_its_own());
        }
    }
    let mut driven = Driven::default();
    while let Some(session) = sessions.join_next().await {
        driven.merge(session.context("a session panicked")?);
    }
    driven.took = begin.elapsed();
    driven.latencies.sort_unstable();
    Ok(driven)
}

/// The address of a session: the server lets one have so many.
fn source(session: u32) -> Option<SocketAddr> {
    let more = u8::try_from(session / SESSIONS_PER_ADDRESS).ok()?;
    (more > 0).then(|| (Ipv4Addr::new(127, 0, 1, more), 0).into())
}

struct Session {
    load: Arc<Load>,
    options: ClientOptions,
}

impl Session {
    async fn over_one_connection(self) -> Driven {
        let mut driven = Driven::default();
        let mut client = None;
        while let Some(mail) = self.load.next_mail() {
            let result = match client.take() {
                Some(open) => Ok(open),
                None => self.connect().await,
            };
            let result = match result {
                Ok(mut open) => {
                    let result = open.send(&mail).await;
                    // Kept only where the server may still listen.
                    client = result.is_ok().then_some(open);
                    result
                }
                Err(error) => Err(error),
            };
            driven.add_or_wait(result).await;
        }
        driven
    }

    async fn each_over_its_own(self) -> Driven {
        let mut driven = Driven::default();
        while let Some(mail) = self.load.next_mail() {
            let result = self.submit(&mail).await;
            driven.add_or_wait(result).await;
        }
        driven
    }

    async fn submit(&self, mail: &Mail) -> Result<Outcome, ClientError> {
        let mut client = self.connect().await?;
        let outcome = client.send(mail).await?;
        client.quit().await?;
        Ok(outcome)
    }

    async fn connect(&self) -> Result<SmtpClient, ClientError> {
        SmtpClient::connect(self.load.to, &self.options).await
    }
}

/// What the sessions share.
struct Load {
    to: SocketAddr,
    messages: u64,
    mails: Mails,
    /// When nothing more is submitted.
    end: Option<Instant>,
    next: AtomicU64,
}

impl Load {
    fn next_mail(&self) -> Option<Mail> {
        if self.end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.messages).then(|| self.mails.mail(number))
    }
}

impl Mails {
    fn mail(&self, number: u64) -> Mail {
        match self {
            Self::Outgoing { domains, content } => outgoing(number, *domains, content),
            Self::Incoming(pool) => pool.mail(number),
        }
    }
}

fn outgoing(number: u64, domains: u64, content: &Content) -> Mail {
    let from = format!("load@{SENDER_DOMAIN}");
    let to = format!("user{number}@domain{}.test", number % domains);
    let mut body = format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: Load {number}\r\n");
    match content {
        Content::Text(size) => {
            body.push_str("\r\n");
            while body.len() < *size {
                let left = size - body.len();
                body.push_str(&LINE[LINE.len().saturating_sub(left.max(2))..]);
            }
        }
        Content::Given(rest) => body.push_str(rest),
    }
    Mail {
        from,
        to: vec![to],
        parameters: String::new(),
        body: Bytes::from(body),
    }
}
