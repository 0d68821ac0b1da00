//! Recipients that answer: what comes back, minutes or days later, of mail that was taken.
//!
//! [`Answering`] says who answers and how; the makers write the answer from the message that was
//! taken ([`Original`]); [`Answers`] hands it in at the other side's door, over SMTP like anybody
//! else. Nothing here answers mail from `<>`, so no two servers answer each other.

mod complaint;
mod original;
mod reply;
mod report;
mod vacation;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postbell_model::Clock;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

pub use complaint::complaint;
pub use original::Original;
pub use reply::reply;
pub use report::report;
pub use vacation::vacation;

use crate::client::{ClientError, ClientOptions, Mail, Outcome, SmtpClient};
use crate::mx::{Received, local_name};

/// Answers that may wait; more are not given.
const QUEUE: usize = 256;
/// How often an answer is handed in that is put off, and how long it waits in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);
/// How long the door is waited for at each step.
const STEP: Duration = Duration::from_secs(10);
/// Who reports.
const HOST: &str = "mx.peer.test";
const BOUNDARY: &str = "=_something-came-back";

/// How a recipient answers mail that was taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// `reply@`: a person answers.
    Reply,
    /// `bounce-later@`: its server reports that it could not be delivered.
    Report,
    /// `complaint@`: its provider reports that it was not wanted.
    Complaint,
    /// `vacation@`: a program answers that somebody is away.
    Vacation,
}

impl Answering {
    /// How this address answers; `None`: not at all.
    pub fn of(address: &str) -> Option<Self> {
        let name = local_name(address).to_ascii_lowercase();
        match name.as_str() {
            "reply" => Some(Self::Reply),
            "bounce-later" => Some(Self::Report),
            "complaint" => Some(Self::Complaint),
            "vacation" => Some(Self::Vacation),
            _ => None,
        }
    }

    /// The answer to a message.
    pub fn answer(self, original: &Original) -> Option<Mail> {
        match self {
            Self::Reply => reply(original),
            Self::Report => Some(report(original)),
            Self::Complaint => Some(complaint(original)),
            Self::Vacation => Some(vacation(original)),
        }
    }
}

/// What gives the answers; clones are the same.
#[derive(Debug, Clone)]
pub struct Answers {
    queue: mpsc::Sender<Due>,
    door: watch::Sender<Option<SocketAddr>>,
    clock: Arc<dyn Clock>,
    after: Duration,
    count: Arc<AtomicU64>,
}

/// An answer, and when it is given.
#[derive(Debug)]
struct Due {
    at: Instant,
    mail: Mail,
}

impl Answers {
    /// Answers `after` so long, in a task of `tasks`, until `stop` or the last clone is gone. None
    /// is given before [`Answers::open_to`] was told where.
    pub fn start(
        after: Duration,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (queue, due) = mpsc::channel(QUEUE);
        let (door, open) = watch::channel(None);
        tasks.spawn(async move {
            stop.run_until_cancelled(give(due, open)).await;
        });
        Self {
            queue,
            door,
            clock,
            after,
            count: Arc::default(),
        }
    }

    /// Says where answers are handed in.
    pub fn open_to(&self, door: SocketAddr) {
        self.door.send_replace(Some(door));
    }

    /// Hears of a message that was taken. Does not block: a ledger may call it.
    pub fn hear(&self, received: &Received) {
        for recipient in &received.recipients {
            let Some(answering) = Answering::of(recipient) else {
                continue;
            };
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let original = Original::read(received, recipient, number, self.clock.now());
            let Some(mail) = original.and_then(|original| answering.answer(&original)) else {
                continue;
            };
            let at = Instant::now() + self.after;
            if self.queue.try_send(Due { at, mail }).is_err() {
                warn!("an answer is not given: too many wait");
            }
        }
    }
}

async fn give(mut due: mpsc::Receiver<Due>, mut open: watch::Receiver<Option<SocketAddr>>) {
    while let Some(Due { at, mail }) = due.recv().await {
        let door = match open.wait_for(Option::is_some).await {
            Ok(door) => *door,
            Err(_) => return,
        };
        sleep_until(at).await;
        if let Some(door) = door {
            hand_in(door, &mail).await;
        }
    }
}

/// Hands an answer in, again where it is put off.
async fn hand_in(door: SocketAddr, mail: &Mail) {
    let mut tries = 1;
    loop {
        let why = match attempt(door, mail).await {
            Ok(outcome) if outcome.is_taken() => return,
            Ok(outcome) if outcome.deciding().code / 100 == 5 => {
                warn!("an answer was refused: {}", outcome.deciding());
                return;
            }
            Ok(outcome) => outcome.deciding().to_string(),
            Err(error) => error.to_string(),
        };
        if tries == TRIES {
            warn!("an answer could not be given: {why}");
            return;
        }
        tries += 1;
        sleep(PAUSE).await;
    }
}

async fn attempt(door: SocketAddr, mail: &Mail) -> Result<Outcome, ClientError> {
    let options = ClientOptions {
        ehlo: HOST.to_owned(),
        limit: STEP,
        source: None,
    };
    let mut client = SmtpClient::connect(door, &options).await?;
    let offers = |keyword: &str| {
        let mut lines = client.hello().lines();
        lines.any(|line| line.eq_ignore_ascii_case(keyword))
    };
    let mut mail = mail.clone();
    // RFC 6152 §3: what is not ASCII is declared.
    if !mail.body.is_ascii() && offers("8BITMIME") {
        mail.parameters = "BODY=8BITMIME".to_owned();
    }
    let outcome = client.send(&mail).await?;
    // One that is not thanked for its QUIT has handed everything in all the same.
    let _ = client.quit().await;
    Ok(outcome)
}
