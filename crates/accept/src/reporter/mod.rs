//! The reporter: tells senders what became of their mail (RFC 3461 §5.2, RFC 3464).
//!
//! It follows the store's list of events that a sender is perhaps to be told of, writes a report
//! about each that deserves one, submits it through the gate and takes the event off the list.
//! An event that is still on the list after a crash is dealt with again; the report's idempotency
//! key, which is the event's, then finds the one that was submitted before. So there is one
//! report, wherever the process dies.
//!
//! Nobody is told about a report, about mail from `<>`, or about the answer of a program
//! (RFC 3834): what we send is from `<>`, and so at most one report follows on each event. Mail
//! never waits for reports.

mod letter;
mod options;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::join_all;
use postbell_model::address::AddressError;
use postbell_model::{Address, Clock};
use postbell_store::{Bodies, ReportDue, ReportEnd, Reports, StoreError};
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::refusal::Refusal;
use letter::{Judgement, judge};

pub use options::ReportOptions;

/// Events that are looked at together.
const BATCH: usize = 64;
/// Octets of reports that are submitted together; the last one goes over it.
const OCTETS: usize = 4 << 20;
/// The first and the longest wait while the store takes no reports.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Writes reports and submits them.
pub struct Reporter {
    terms: ReportTerms,
    gate: Arc<Gate>,
    reports: Arc<dyn Reports>,
    bodies: Arc<dyn Bodies>,
    clock: Arc<dyn Clock>,
}

/// What a reporter keeps to, changed while it runs. Clones are the same.
#[derive(Debug, Clone)]
pub struct ReportTerms(Arc<ArcSwap<Terms>>);

#[derive(Debug)]
struct Terms {
    options: ReportOptions,
    from: Address,
}

impl Terms {
    fn of(options: ReportOptions) -> Result<Self, AddressError> {
        Ok(Self {
            from: options.sender()?,
            options,
        })
    }
}

impl ReportTerms {
    /// Reports are written by these options from now on.
    ///
    /// # Errors
    /// The address that reports are to be from is none.
    pub fn change(&self, options: ReportOptions) -> Result<(), AddressError> {
        self.0.store(Arc::new(Terms::of(options)?));
        Ok(())
    }
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more on the list.
    More,
    /// The list is empty.
    Done,
}

/// Why something is still on the list after a step.
#[derive(Debug, thiserror::Error)]
pub enum ReporterError {
    /// The list can't be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A report was not taken.
    #[error("a report was not taken: {0}")]
    Refused(Refusal),
}

impl Reporter {
    /// A reporter on these parts of a store.
    ///
    /// # Errors
    /// The address that reports are to be from is none.
    pub fn new(
        options: ReportOptions,
        gate: Arc<Gate>,
        reports: Arc<dyn Reports>,
        bodies: Arc<dyn Bodies>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AddressError> {
        let terms = Terms::of(options)?;
        Ok(Self {
            terms: ReportTerms(Arc::new(ArcSwap::from_pointee(terms))),
            gate,
            reports,
            bodies,
            clock,
        })
    }

    /// What it keeps to, for whoever changes it.
    pub fn terms(&self) -> ReportTerms {
        self.terms.clone()
    }

    /// Reports until it is told to stop. What is under way then is finished, which takes a commit
    /// or two.
    pub async fn run(self, stop: CancellationToken) {
        let mut noted = self.reports.reports_noted();
        let mut pause = PAUSE.0;
        while !stop.is_cancelled() {
            noted.borrow_and_update();
            match self.step().await {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => {
                    pause = PAUSE.0;
                    // Its other end lives as long as the store.
                    let _more = stop.run_until_cancelled(noted.changed()).await;
                }
                // The store has said why.
                Err(ReporterError::Store(StoreError::Stopped(_))) => {
                    return stop.cancelled().await;
                }
                Err(error) => {
                    tracing::warn!(%error, duration_ms = pause.as_millis(), "reports wait");
                    let _over = stop.run_until_cancelled(self.clock.sleep(pause)).await;
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
    }

    /// Deals with what stands first on the list.
    ///
    /// # Errors
    /// Some of it is still on the list.
    pub async fn step(&self) -> Result<Progress, ReporterError> {
        let due = self.reports.reports_due(BATCH).await?;
        let judgements = self.judge_all(&due).await;
        let progress = if judgements.len() < due.len() || due.len() == BATCH {
            Progress::More
        } else {
            Progress::Done
        };
        let outcomes = join_all(judgements.into_iter().map(|one| self.carry_out(one))).await;
        let mut ended = Vec::with_capacity(outcomes.len());
        let mut refused = None;
        for outcome in outcomes {
            match outcome {
                Ok(end) => ended.push(end),
                Err(refusal) => refused = Some(refusal),
            }
        }
        if !ended.is_empty() {
            self.reports.end_reports(ended).await?;
        }
        refused.map_or(Ok(progress), |refusal| Err(ReporterError::Refused(refusal)))
    }

    /// Writes reports, as many as may be in memory at once; one message at a time is.
    async fn judge_all(&self, due: &[ReportDue]) -> Vec<Judgement> {
        let mut judgements = Vec::with_capacity(due.len());
        let mut warned = HashSet::new();
        let mut octets = 0;
        let terms = self.terms.0.load_full();
        for one in due {
            if octets >= OCTETS {
                break;
            }
            let original = self.original(one).await;
            let mut judgement = judge(&terms.options, &terms.from, one, original.as_deref());
            // Two delays of a delivery may stand on the list.
            if judgement.end.warned && !warned.insert(one.logged.event.delivery) {
                judgement = Judgement::nothing(one);
            }
            octets += judgement.mail.as_ref().map_or(0, |mail| mail.body.len());
            judgements.push(judgement);
        }
        judgements
    }

    /// The message; `None` where it can't be read, which keeps nobody from being told.
    async fn original(&self, due: &ReportDue) -> Option<Bytes> {
        let read = self.bodies.body(due.body).await;
        read.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                message.id = %due.logged.message.id,
                "a message can't be read: the report about it goes out without it"
            );
        })
        .ok()
    }

    async fn carry_out(&self, judgement: Judgement) -> Result<ReportEnd, Refusal> {
        let Judgement { mail, end } = judgement;
        let Some(mail) = mail else {
            return Ok(end);
        };
        match self.gate.submit_own(mail).await {
            Ok(_) => Ok(end),
            Err(refusal @ (Refusal::Busy | Refusal::Full | Refusal::NotStored)) => Err(refusal),
            Err(refusal) => {
                tracing::error!(
                    event.position = end.position.0,
                    error = %refusal,
                    "a report can't be sent, and is given up"
                );
                Ok(ReportEnd::without_report(end.position))
            }
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
