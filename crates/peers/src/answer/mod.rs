//! Recipients that answer: what comes back, minutes or days later, of mail that was taken.
//!
//! [`Answering`] says who answers and how; the makers write the answer from the message that was
//! taken ([`Original`]); [`Answers`] hands it in at the other side's door, over SMTP like anybody
//! else, or visits its tracking host. Nothing here answers mail from `<>`, so no two servers answer
//! each other.

mod complaint;
mod original;
mod reply;
mod report;
mod vacation;
mod visit;
mod web;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postbell_model::Clock;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

pub use complaint::complaint;
pub use original::Original;
pub use reply::reply;
pub use report::report;
pub use vacation::vacation;
pub use visit::{Ask, Visit};
pub use web::WebDoor;

use crate::client::{ClientError, ClientOptions, Mail, Outcome, SmtpClient};
use crate::mx::{Received, local_name};

/// Answers that may wait; more are not given.
const QUEUE: usize = 256;
/// Answers that are given at the same time, so that one that takes its time keeps no other waiting.
const GIVEN: usize = 16;
/// How often an answer is handed in that is put off, and how long it waits in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);
/// How long the door is waited for at each step: longer than it takes to find out who mail is from where no name
/// server answers. Who goes sooner has his mail taken, and hands it in once more.
const STEP: Duration = Duration::from_secs(60);
/// Who reports, where nobody says.
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
    /// `open@`: somebody opens it.
    Open,
    /// `click@`: somebody follows its first tracked link.
    Click,
    /// `unsubscribe@`: somebody unsubscribes with one click.
    Unsubscribe,
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// By mail.
    Mail(Mail),
    /// By a visit of the tracking host.
    Visit(Visit),
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
            "open" => Some(Self::Open),
            "click" => Some(Self::Click),
            "unsubscribe" => Some(Self::Unsubscribe),
            _ => None,
        }
    }

    /// Whether the answer is a visit of the tracking host, and not mail.
    pub const fn visits(self) -> bool {
        matches!(self, Self::Open | Self::Click | Self::Unsubscribe)
    }

    /// The answer to a message; `None`: it can't be answered like this.
    pub fn answer(self, original: &Original) -> Option<Answer> {
        match self {
            Self::Reply => reply(original).map(Answer::Mail),
            Self::Report => Some(Answer::Mail(report(original))),
            Self::Complaint => Some(Answer::Mail(complaint(original))),
            Self::Vacation => Some(Answer::Mail(vacation(original))),
            Self::Open => Visit::opening(&original.body).map(Answer::Visit),
            Self::Click => Visit::clicking(&original.body).map(Answer::Visit),
            Self::Unsubscribe => Visit::unsubscribing(&original.body).map(Answer::Visit),
        }
    }
}

/// Who answers, and when by mail.
#[derive(Debug, Clone)]
pub struct AnswerOptions {
    /// The name of the server that answers and reports.
    pub host: String,
    /// How long after the mail was taken an answer comes by mail.
    pub after: Duration,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self {
            host: HOST.to_owned(),
            after: Duration::from_secs(1),
        }
    }
}

/// Where answers go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doors {
    /// Mail that comes in.
    pub mail: Option<SocketAddr>,
    /// The tracking host.
    pub web: Option<WebDoor>,
    /// How long after the mail was taken it is visited.
    pub visit_after: Duration,
}

/// What gives the answers; clones are the same.
#[derive(Debug, Clone)]
pub struct Answers {
    waiting: Arc<Semaphore>,
    given: Arc<Semaphore>,
    doors: watch::Sender<Option<Doors>>,
    options: Arc<AnswerOptions>,
    clock: Arc<dyn Clock>,
    count: Arc<AtomicU64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// An answer, and when the mail was taken that it answers.
#[derive(Debug)]
struct Due {
    taken: Instant,
    answer: Answer,
}

impl Answers {
    /// Answers in tasks of `tasks`, until `stop` or the last clone is gone. None is given before
    /// [`Answers::open_to`] was told where.
    pub fn new(
        options: AnswerOptions,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(QUEUE)),
            given: Arc::new(Semaphore::new(GIVEN)),
            doors: watch::Sender::new(None),
            options: Arc::new(options),
            clock,
            count: Arc::default(),
            tasks: tasks.clone(),
            stop,
        }
    }

    /// Says where answers go, those that wait too; one that has no way there is not given.
    pub fn open_to(&self, doors: Doors) {
        self.doors.send_replace(Some(doors));
    }

    /// Where answers go, once that was said.
    pub fn doors(&self) -> Option<Doors> {
        *self.doors.borrow()
    }

    /// Whether one more can wait.
    pub fn has_room(&self) -> bool {
        self.waiting.available_permits() > 0
    }

    /// Hears of a message that was taken, within the runtime that answers. Does not block: a ledger may call it.
    pub fn hear(&self, received: &Received) {
        for recipient in &received.recipients {
            let Some(answering) = Answering::of(recipient) else {
                continue;
            };
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let of = (recipient.as_str(), self.options.host.as_str());
            let original = Original::read(received, of, number, self.clock.now());
            let Some(answer) = original.and_then(|original| answering.answer(&original)) else {
                continue;
            };
            self.wait_with(Due {
                taken: Instant::now(),
                answer,
            });
        }
    }

    fn wait_with(&self, due: Due) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            warn!("an answer is not given: too many wait");
            return;
        };
        let (open, given) = (self.doors.subscribe(), Arc::clone(&self.given));
        let (options, stop) = (Arc::clone(&self.options), self.stop.clone());
        self.tasks.spawn(async move {
            let giving = give(due, open, (&options, &given));
            stop.run_until_cancelled(giving).await;
            drop(place);
        });
    }
}

async fn give(
    Due { taken, answer }: Due,
    mut open: watch::Receiver<Option<Doors>>,
    (options, given): (&AnswerOptions, &Semaphore),
) {
    let Some(doors) = in_time(&mut open, taken, (&answer, options.after)).await else {
        return;
    };
    let Ok(_place) = given.acquire().await else {
        return;
    };
    match (answer, doors) {
        (Answer::Mail(mail), Doors { mail: Some(to), .. }) => {
            hand_in(to, &options.host, &mail).await;
        }
        (Answer::Visit(visit), Doors { web: Some(to), .. }) => visit_at(to, &visit).await,
        _ => {}
    }
}

/// Waits until it is time for an answer, by what is said of the doors meanwhile: where it goes then.
/// `None`: nobody says it any more.
async fn in_time(
    open: &mut watch::Receiver<Option<Doors>>,
    taken: Instant,
    (answer, mail_after): (&Answer, Duration),
) -> Option<Doors> {
    loop {
        let doors = (*open.wait_for(Option::is_some).await.ok()?).unwrap_or_default();
        let after = match answer {
            Answer::Mail(_) => mail_after,
            Answer::Visit(_) => doors.visit_after,
        };
        tokio::select! {
            () = sleep(after.saturating_sub(taken.elapsed())) => return Some(doors),
            changed = open.changed() => changed.ok()?,
        }
    }
}

/// Visits the tracking host, again where it has no time.
async fn visit_at(door: WebDoor, visit: &Visit) {
    for tries in 1..=TRIES {
        let why = match web::ask(door, visit, STEP).await {
            Ok(status) if status < 400 => return,
            Ok(status) => format!("status {status}"),
            Err(error) => error.to_string(),
        };
        if tries == TRIES {
            warn!("the tracking host could not be visited: {why}");
        } else {
            sleep(PAUSE).await;
        }
    }
}

/// Hands an answer in, again where it is put off.
async fn hand_in(door: SocketAddr, host: &str, mail: &Mail) {
    let mut tries = 1;
    loop {
        let why = match attempt(door, host, mail).await {
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

async fn attempt(door: SocketAddr, host: &str, mail: &Mail) -> Result<Outcome, ClientError> {
    let options = ClientOptions {
        ehlo: host.to_owned(),
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
