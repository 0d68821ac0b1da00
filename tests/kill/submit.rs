//! The sessions that submit until the server is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use postbell_peers::client::{ClientOptions, Mail, SmtpClient};
use postbell_tests::installation::SENDER_DOMAIN;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledgers;
use super::random::Random;

/// The pause before another connection is tried.
const PAUSE: Duration = Duration::from_millis(5);
/// Messages over one connection at most.
const MESSAGES_PER_CONNECTION: u64 = 20;
/// Filler lines of a message at most.
const LINES: u64 = 60;
const DOMAINS: u64 = 7;

/// The sessions of one round.
#[derive(Debug, Clone)]
pub(crate) struct Submitters {
    pub(crate) to: SocketAddr,
    pub(crate) round: u32,
    pub(crate) seed: u64,
    pub(crate) sessions: u32,
    pub(crate) messages: u64,
}

impl Submitters {
    /// Submits until `end`, or until the round's messages were offered.
    pub(crate) async fn run(self, ledgers: Arc<Ledgers>, end: CancellationToken) {
        let mut random = Random::new(self.seed);
        let offered = Arc::new(AtomicU64::new(0));
        let mut sessions = JoinSet::new();
        for number in 0..self.sessions {
            let session = Session {
                number,
                random: Random::new(random.next()),
                plan: self.clone(),
                ledgers: Arc::clone(&ledgers),
                offered: Arc::clone(&offered),
                sent: 0,
            };
            let end = end.clone();
            sessions.spawn(async move { end.run_until_cancelled(session.run()).await });
        }
        while sessions.join_next().await.is_some() {}
        end.cancelled().await;
    }
}

struct Session {
    number: u32,
    random: Random,
    plan: Submitters,
    ledgers: Arc<Ledgers>,
    offered: Arc<AtomicU64>,
    sent: u64,
}

impl Session {
    async fn run(mut self) {
        let options = ClientOptions::default();
        while self.may_offer() {
            match SmtpClient::connect(self.plan.to, &options).await {
                Ok(client) => self.converse(client).await,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn converse(&mut self, mut client: SmtpClient) {
        for _ in 0..=self.random.below(MESSAGES_PER_CONNECTION) {
            if self.offered.fetch_add(1, Ordering::Relaxed) >= self.plan.messages {
                return;
            }
            let mail = self.mail();
            self.ledgers.offered(&mail.to);
            let Ok(outcome) = client.send(&mail).await else {
                return;
            };
            self.ledgers.answered(&mail.to, &outcome);
        }
        // What QUIT is answered with changes nothing.
        drop(client.quit().await);
    }

    fn may_offer(&self) -> bool {
        self.offered.load(Ordering::Relaxed) < self.plan.messages
    }

    fn mail(&mut self) -> Mail {
        self.sent += 1;
        let id = format!("r{}-s{}-m{}", self.plan.round, self.number, self.sent);
        let count = if self.random.below(10) < 7 {
            1
        } else {
            1 + self.random.below(3)
        };
        let to: Vec<String> = (0..count).map(|n| self.recipient(&id, n)).collect();
        let from = format!("kill@{SENDER_DOMAIN}");
        let filler = "Nothing of this may get lost.\r\n".repeat(self.lines());
        let body = format!(
            "From: <{from}>\r\nTo: {}\r\nSubject: {id}\r\nX-Kill-Id: {id}\r\n\r\n\
             {filler}.\r\nend of {id}\r\n",
            to.join(", ")
        );
        Mail {
            from,
            to,
            parameters: String::new(),
            body: Bytes::from(body),
        }
    }

    /// An address of its own for each delivery; most are taken, some are not or not at once.
    fn recipient(&mut self, id: &str, number: u64) -> String {
        let name = match self.random.below(25) {
            0 | 1 => "bounce",
            2 | 3 => "delay",
            4 => "softbounce",
            _ => "ada",
        };
        let domain = self.random.below(DOMAINS);
        format!("{name}+{id}-{number}@domain{domain}.test")
    }

    fn lines(&mut self) -> usize {
        usize::try_from(self.random.below(LINES)).unwrap_or(0)
    }
}
