//! Group commit: one thread gathers what many want to change into one transaction.
//!
//! While a batch is syncing the next one grows. Outcomes of deliveries and hits alone wait a moment for
//! new mail, whose client waits for its sync in any case, so that both share one. A rule that one piece
//! of work breaks rolls the batch back and the batch is halved until that piece stands alone. A sync
//! that fails is never tried again: the store stops.

use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, DeliveryId, Timestamp};
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::segment::SegmentWriter;
use crate::{Claimed, Position, StoreError, StoreMetrics};

use super::errors::{Trouble, trouble};
use super::lanes::KnownLanes;
use super::script::Script;
use super::shared::Shared;
use super::statements::Statements;
use super::transaction::{CommitError, Transaction};
use super::work::{Outcome, Work};

// A batch is closed at any of these, so that nobody waits long for its commit.
const BATCH_WORKS: usize = 1_024;
const BATCH_ROWS: usize = 4_096;
const BATCH_OCTETS: usize = 16 << 20;

// How long outcomes and hits wait for something else to be committed with. Nobody waits for them; a crash
// meanwhile has the same effect as one during the sync, which takes as long on most disks.
const COMPANY: Duration = Duration::from_millis(2);

/// The one writer of the hot tables.
#[derive(Debug)]
pub(super) struct Committer {
    pub connection: SqliteConnection,
    pub segments: SegmentWriter,
    pub statements: Statements,
    pub script: Script,
    pub known_lanes: KnownLanes,
    pub shared: Arc<Shared>,
    pub work: mpsc::Receiver<Work>,
    pub newest: watch::Sender<Position>,
    pub fresh: mpsc::Sender<Claimed>,
    /// What was committed and is to be offered once its clients have their answer.
    pub to_offer: Vec<Claimed>,
    /// Files that nobody needs any more, on their way out.
    pub removals: TaskTracker,
    /// New mail is being refused for want of space.
    pub full: bool,
    /// New mail is being refused for want of file descriptors.
    pub short: bool,
    pub clock: Arc<dyn Clock>,
    pub metrics: StoreMetrics,
}

impl Committer {
    /// Commits until every handle is gone or a sync has failed.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.commit_batch(batch).await;
            if self.shared.stopped().is_some() {
                break;
            }
        }
        self.refuse_rest().await;
        self.removals.close();
        self.removals.wait().await;
        self.segments.close();
        super::close(self.connection).await;
    }

    /// The first piece of work, and what else has come meanwhile.
    async fn gather(&mut self) -> Option<Vec<Work>> {
        let mut batch = Batch::default();
        batch.push(self.work.recv().await?);
        self.take_what_came(&mut batch);
        if batch.can_wait() {
            let _in_time = timeout(COMPANY, self.wait_for_company(&mut batch)).await;
            self.take_what_came(&mut batch);
        }
        Some(batch.works)
    }

    fn take_what_came(&mut self, batch: &mut Batch) {
        while !batch.is_full() {
            let Ok(work) = self.work.try_recv() else {
                return;
            };
            batch.push(work);
        }
    }

    /// Until there is something that somebody waits for. May be cancelled at any time: what has
    /// come is in the batch.
    async fn wait_for_company(&mut self, batch: &mut Batch) {
        while batch.can_wait() {
            let Some(work) = self.work.recv().await else {
                return;
            };
            batch.push(work);
        }
    }

    async fn commit_batch(&mut self, batch: Vec<Work>) {
        let begun = self.clock.monotonic();
        self.metrics.begin_commit(begun, batch.len());
        let outcomes = self.commit(&batch).await;
        self.metrics.end_commit(begun, self.clock.monotonic());
        let answers = batch.into_iter().zip(outcomes);
        // Whoever is woken first is often served first, and with new mail a client waits.
        let (mail, rest): (Vec<_>, Vec<_>) = answers.partition(|(work, _)| work.is_mail());
        for (work, outcome) in mail.into_iter().chain(rest) {
            self.metrics.work_done(work.kind());
            if let (Some(incoming), Outcome::Received(Ok(_))) = (work.incoming(), &outcome) {
                self.metrics.received(incoming.body.len());
            }
            work.answer(outcome);
        }
        self.offer();
    }

    /// Offers what was committed. After the answers, since whoever is woken first is often served
    /// first, and a client waits for its answer alone.
    fn offer(&mut self) {
        for claimed in self.to_offer.drain(..) {
            if self.fresh.try_send(claimed).is_err() {
                tracing::debug!("deliveries were accepted while their stage was stopping");
            }
        }
    }

    /// One outcome for each piece of work at its place.
    async fn commit(&mut self, batch: &[Work]) -> Vec<Outcome> {
        if let Some(reason) = self.shared.stopped() {
            return all(batch, &StoreError::Stopped(reason));
        }
        let error = match self.try_commit(batch).await {
            Ok(outcomes) => {
                self.note_space(batch);
                return outcomes;
            }
            Err(error) => error,
        };
        match error {
            CommitError::Sql(error) => self.recover(batch, &error).await,
            CommitError::Ended(deliveries) if deliveries.is_empty() => all(
                batch,
                &StoreError::Refused("an event could not be written".into()),
            ),
            CommitError::Ended(deliveries) => {
                self.forget(&deliveries);
                Box::pin(self.commit(batch)).await
            }
            CommitError::BodiesFull => self.on_a_full_disk(batch).await,
            CommitError::NoDescriptors => {
                self.note_shortage();
                self.without_new(batch, StoreError::Busy).await
            }
            CommitError::Bodies(error) => {
                self.shared
                    .stop(format!("bodies could not be synced: {error}").into());
                self.stopped(batch)
            }
        }
    }

    async fn try_commit(&mut self, batch: &[Work]) -> Result<Vec<Outcome>, CommitError> {
        // How much room there is for more must be known.
        self.offer();
        Transaction::new(self).run(batch).await
    }

    /// Ends the claims of deliveries that ended without this process: what it has to say of
    /// them comes too late.
    fn forget(&self, deliveries: &[DeliveryId]) {
        let mut claims = self.shared.claims();
        for delivery in deliveries {
            claims.remove(*delivery);
        }
    }

    async fn recover(&mut self, batch: &[Work], error: &sqlx::Error) -> Vec<Outcome> {
        match trouble(error) {
            Trouble::Busy => all(batch, &StoreError::Busy),
            Trouble::Full => self.on_a_full_disk(batch).await,
            Trouble::Rule if batch.len() > 1 => {
                let (left, right) = batch.split_at(batch.len() / 2);
                let mut outcomes = Box::pin(self.commit(left)).await;
                outcomes.extend(Box::pin(self.commit(right)).await);
                outcomes
            }
            Trouble::Rule => all(batch, &StoreError::Refused(error.to_string().into())),
            Trouble::Fatal => {
                self.shared.stop(format!("a commit failed: {error}").into());
                self.stopped(batch)
            }
        }
    }

    /// What was accepted before goes on, new mail is refused.
    async fn on_a_full_disk(&mut self, batch: &[Work]) -> Vec<Outcome> {
        if !self.full {
            self.full = true;
            self.metrics.set_full(true);
            tracing::error!("the disk is full: new mail is refused, what was accepted goes on");
        }
        self.without_new(batch, StoreError::Full).await
    }

    /// Refuses what is new of a batch for this reason, mail and hits, and commits the rest.
    async fn without_new(&mut self, batch: &[Work], reason: StoreError) -> Vec<Outcome> {
        if !batch.iter().any(Work::is_new) || batch.iter().all(Work::is_new) {
            return all(batch, &reason);
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for run in batch.chunk_by(|a, b| a.is_new() == b.is_new()) {
            if run.first().is_some_and(Work::is_new) {
                outcomes.extend(all(run, &reason));
            } else {
                outcomes.extend(Box::pin(self.commit(run)).await);
            }
        }
        outcomes
    }

    fn note_shortage(&mut self) {
        if !self.short {
            self.short = true;
            tracing::error!(
                "there is no file descriptor for a new file of bodies: new mail is refused, what \
                 was accepted goes on"
            );
        }
    }

    fn note_space(&mut self, batch: &[Work]) {
        if !batch.iter().any(Work::is_mail) {
            return;
        }
        if std::mem::take(&mut self.full) {
            self.metrics.set_full(false);
            tracing::info!("there is space on the disk again: new mail is accepted");
        }
        if std::mem::take(&mut self.short) {
            tracing::info!("there are file descriptors again: new mail is accepted");
        }
    }

    fn stopped(&self, batch: &[Work]) -> Vec<Outcome> {
        let reason = self.shared.stopped().expect("invariant: stop() was called");
        all(batch, &StoreError::Stopped(reason))
    }

    async fn refuse_rest(&mut self) {
        self.work.close();
        while let Some(work) = self.work.recv().await {
            let reason = self
                .shared
                .stopped()
                .unwrap_or_else(|| "it was closed".into());
            let outcome = work.failed(&StoreError::Stopped(reason));
            work.answer(outcome);
        }
    }
}

/// Work for one transaction.
#[derive(Default)]
struct Batch {
    works: Vec<Work>,
    rows: usize,
    octets: usize,
    /// Somebody waits for it, not only for outcomes of deliveries and hits to be written down.
    hurried: bool,
}

impl Batch {
    fn push(&mut self, work: Work) {
        self.hurried |= work.is_hurried();
        self.rows += work.rows();
        self.octets += work.octets();
        self.works.push(work);
    }

    fn is_full(&self) -> bool {
        self.works.len() >= BATCH_WORKS || self.rows >= BATCH_ROWS || self.octets >= BATCH_OCTETS
    }

    fn can_wait(&self) -> bool {
        !self.hurried && !self.is_full()
    }
}

fn all(batch: &[Work], error: &StoreError) -> Vec<Outcome> {
    batch.iter().map(|work| work.failed(error)).collect()
}

/// The moment that stands for "never".
pub(super) const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);
