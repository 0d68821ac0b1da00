//! The simulator: recipients on this machine that behave as they are named.
//!
//! A scripted MX on a port of loopback takes their mail. What comes back of it comes in by the doors
//! that strangers use: answers, reports and complaints over SMTP, visits at the tracking host. What a
//! name needs and is not there is said in the refusal. The same code is the far side of `postbell dev`,
//! where all domains are simulated; `postbell serve` simulates one domain alone.

mod doors;
mod judge;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, Domain};
use postbell_peers::ServerTls;
use postbell_peers::answer::{AnswerOptions, Answers, Doors};
use postbell_peers::mx::{Ledger, Moment, MxOptions, MxServer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use doors::{Missing, configured_doors, doors};
use judge::Names;

/// Connections served at a time.
const CONNECTIONS: usize = 256;
/// How long it waits for a client at each step: nobody is far away.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that mail is told as delivered before its answer comes in.
const ANSWER_AFTER: Duration = Duration::from_secs(1);

/// What is simulated.
pub(crate) struct Simulation {
    /// The name of the server that answers and reports.
    pub(crate) host: String,
    /// What becomes of mail to names that mean nothing.
    pub(crate) strangers: Strangers,
    /// What STARTTLS is offered with.
    pub(crate) tls: Option<ServerTls>,
    /// Told of each message as well.
    pub(crate) ledger: Option<Ledger>,
}

impl Simulation {
    /// The simulation of one domain.
    pub(crate) fn of_domain(domain: &Domain) -> Self {
        Self {
            host: domain.to_string(),
            strangers: Strangers::Refused,
            tls: None,
            ledger: None,
        }
    }
}

/// What becomes of mail to names that mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strangers {
    /// It is taken.
    Taken,
    /// It is refused, with the names that there are.
    Refused,
}

/// A simulator that runs.
#[derive(Debug, Clone)]
pub(crate) struct Simulator {
    mx: MxServer,
    answers: Answers,
}

impl Simulator {
    /// Listens on a port of loopback, in tasks of `tasks`, until `stop`.
    pub(crate) async fn start(
        simulation: Simulation,
        clock: &Arc<dyn Clock>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let Simulation {
            host,
            strangers,
            tls,
            ledger,
        } = simulation;
        let answers = AnswerOptions {
            host: host.clone(),
            after: ANSWER_AFTER,
        };
        let answers = Answers::new(answers, Arc::clone(clock), tasks, stop.clone());
        let judge = Names {
            strangers,
            domain: host.clone(),
            answers: answers.clone(),
        };
        let options = MxOptions {
            hostname: host,
            tls,
            max_connections: CONNECTIONS,
            patience: PATIENCE,
            ledger: Some(answered(ledger, answers.clone())),
            judge: Some(Arc::new(judge)),
            ..MxOptions::default()
        };
        let mx = MxServer::start(options, tasks, stop).await?;
        Ok(Self { mx, answers })
    }

    /// Where mail goes.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.mx.addr()
    }

    /// Says where answers go, and when the tracking host is visited.
    pub(crate) fn answer_at(&self, doors: Doors) {
        self.answers.open_to(doors);
    }
}

/// A ledger that has recipients answer as well.
fn answered(other: Option<Ledger>, answers: Answers) -> Ledger {
    Arc::new(move |received, moment| {
        if let Some(other) = &other {
            other(received, moment);
        }
        if moment == Moment::AfterReply {
            answers.hear(received);
        }
    })
}
