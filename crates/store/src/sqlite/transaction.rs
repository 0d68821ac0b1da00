//! One transaction of the committer: bodies and rows are written at the same time, the commit
//! stands after both.

use std::collections::HashMap;
use std::io;

use postbell_model::{DeliveryId, Lane, Monotonic, Timestamp};
use sqlx::{Executor, SqliteConnection};

use crate::metrics::Synced;
use crate::segment::Append;
use crate::{Claimed, Position, Submission};

use super::claims::Claim;
use super::committer::Committer;
use super::idempotency::{self, Known};
use super::intake::{self, Arrival};
use super::reports::{self, Noted};
use super::rows::integer;
use super::script::{Rows, without_event};
use super::work::{Outcome, Work};
use super::{changes, places, settle};

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// Why nothing of a batch was committed.
#[derive(Debug)]
pub(super) enum CommitError {
    Sql(sqlx::Error),
    /// These deliveries had ended before: without them the batch is sound.
    Ended(Vec<DeliveryId>),
    /// There is no room for the bodies.
    BodiesFull,
    /// There is no file descriptor for a new file of bodies.
    NoDescriptors,
    /// The bodies could not be written or synced.
    Bodies(io::Error),
}

impl CommitError {
    fn of_bodies(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::BodiesFull,
            // Only opening a file fails so: nothing was written, and no sync was tried.
            _ if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) => Self::NoDescriptors,
            _ => Self::Bodies(error),
        }
    }
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// What a transaction writes, and what follows once it is committed.
#[derive(Debug, Default)]
pub(super) struct Staged<'b> {
    pub rows: Rows<'b>,
    /// Events that senders are perhaps to be told of.
    pub reports: Vec<Noted>,
    /// The earliest time at which something became due in each lane that was touched.
    pub lanes: HashMap<Lane, Timestamp>,
    /// The same of what is paused: the lane's row is written, and no claim looks for it.
    pub paused_lanes: HashMap<Lane, Timestamp>,
    /// What was known of pauses when it was.
    pauses: u64,
    /// Whether something became due that nobody was offered.
    pub rings: bool,
    /// Claims that end.
    pub ended: Vec<DeliveryId>,
    /// Lanes whose row was made anew from the deliveries.
    pub slept: Vec<Lane>,
}

/// What the script leaves to be done after the commit.
#[derive(Debug, Default)]
struct Aftermath {
    newest: Option<Position>,
    dead_segments: Vec<u64>,
    /// Whether senders are perhaps to be told of something.
    reports: bool,
    /// How much each operation has changed and each purge removed, in the order of the batch.
    operated: Vec<u64>,
}

impl Staged<'_> {
    /// Something of `lane` is due at `at`.
    pub(super) fn due(&mut self, lane: &Lane, at: Timestamp) {
        lower(&mut self.lanes, lane, at);
    }

    /// Something of `lane` is due at `at` but for a pause, by what was known of pauses then.
    pub(super) fn due_once_resumed(&mut self, lane: &Lane, at: Timestamp, pauses: u64) {
        lower(&mut self.paused_lanes, lane, at);
        self.pauses = pauses;
    }

    /// A segment is needed for this many bodies more, or fewer.
    pub(super) fn count_bodies(&mut self, segment: u64, count: i64) {
        let counts = &mut self.rows.segments;
        match counts.iter_mut().find(|(counted, _)| *counted == segment) {
            Some((_, so_far)) => *so_far += count,
            None => counts.push((segment, count)),
        }
    }
}

fn lower(lanes: &mut HashMap<Lane, Timestamp>, lane: &Lane, at: Timestamp) {
    match lanes.get_mut(lane) {
        Some(earliest) => *earliest = at.min(*earliest),
        None => {
            lanes.insert(lane.clone(), at);
        }
    }
}

/// A batch on its way to disk.
pub(super) struct Transaction<'c> {
    committer: &'c mut Committer,
}

impl<'c> Transaction<'c> {
    pub(super) const fn new(committer: &'c mut Committer) -> Self {
        Self { committer }
    }

    /// One outcome for each piece of work at its place, all synced.
    pub(super) async fn run(mut self, batch: &[Work]) -> Result<Vec<Outcome>, CommitError> {
        let submissions = batch.iter().filter_map(Work::submission);
        let known = idempotency::known(&mut self.committer.connection, submissions).await?;
        let (arrivals, append) = self.place(batch, &known);
        let mut staged = Staged::default();
        intake::stage(&arrivals, &mut staged);
        let settled = settle::stage(&self.committer.shared, batch, &mut staged);
        changes::stage(&self.committer.shared, batch, &mut staged);
        for segment in self.committer.segments.left() {
            staged.count_bodies(*segment, 0);
        }
        let known_lanes = &self.committer.known_lanes;
        staged.rows.lanes = known_lanes.sooner(&staged.lanes);
        let paused_lanes = known_lanes.sooner(&staged.paused_lanes);
        staged.rows.lanes.extend(paused_lanes);
        let aftermath = match self.write(batch, &known, &staged, append).await {
            Ok(aftermath) => aftermath,
            Err(error) => {
                self.roll_back().await;
                return Err(error);
            }
        };
        // In flight before anybody can read the rows, so that no claim takes them twice.
        let fresh = self.claim_fresh(&arrivals);
        let begun = self.committer.clock.monotonic();
        let committed = execute(&mut self.committer.connection, "COMMIT").await;
        self.synced(Synced::Database, begun);
        if let Err(error) = committed {
            self.unclaim(&fresh);
            self.roll_back().await;
            return Err(error.into());
        }
        let operated = self.committed(&staged, aftermath, fresh);
        Ok(settle::outcomes(batch, &known, (settled, operated)))
    }

    fn place<'b>(
        &mut self,
        batch: &'b [Work],
        known: &Known,
    ) -> (Vec<Arrival<'b>>, Option<Append>) {
        let submissions: Vec<_> = unknown(batch, known).collect();
        if submissions.is_empty() {
            return (Vec::new(), None);
        }
        let bodies = submissions.iter().map(|s| (s.message.id, s.body.clone()));
        let (places, append) = self.committer.segments.place(bodies.collect());
        let arrivals = intake::plan(
            submissions.into_iter().zip(places),
            &self.committer.shared,
            &self.committer.fresh,
        );
        (arrivals, Some(append))
    }

    async fn write(
        &mut self,
        batch: &[Work],
        known: &Known,
        staged: &Staged<'_>,
        append: Option<Append>,
    ) -> Result<Aftermath, CommitError> {
        let begun = self.committer.clock.monotonic();
        let (clock, metrics) = (self.committer.clock.clone(), self.committer.metrics.clone());
        let append = async {
            let appended = append.map(Append::run);
            if appended.is_some() {
                metrics.synced(Synced::Bodies, clock.monotonic().since(begun));
            }
            appended
        };
        // The database has a thread of its own, which is given the rows first.
        let rows = write_rows(self.committer, batch, known, staged);
        let (rows, appended) = tokio::join!(biased; rows, append);
        match appended {
            Some(Ok(file)) => self.committer.segments.written(file),
            None => {}
            Some(Err(error)) => {
                self.committer.segments.failed(&error);
                return Err(CommitError::of_bodies(error.source));
            }
        }
        rows
    }

    fn synced(&self, files: Synced, begun: Monotonic) {
        let took = self.committer.clock.monotonic().since(begun);
        self.committer.metrics.synced(files, took);
    }

    async fn roll_back(&mut self) {
        // It fails where SQLite has rolled back by itself, which is as good.
        let _rolled_back = execute(&mut self.committer.connection, "ROLLBACK").await;
        let shared = &self.committer.shared;
        if shared.claims().end_operated() {
            shared.ring_queued();
        }
    }

    fn claim_fresh(&self, arrivals: &[Arrival<'_>]) -> Vec<Claimed> {
        let mut claims = self.committer.shared.claims();
        let mut fresh = Vec::new();
        for arrival in arrivals {
            for delivery in &arrival.deliveries {
                if delivery.offered {
                    claims.insert(delivery.new.id, arrival.claim(delivery));
                    fresh.push(arrival.claimed(delivery));
                }
            }
        }
        fresh
    }

    fn unclaim(&self, fresh: &[Claimed]) {
        let mut claims = self.committer.shared.claims();
        for claimed in fresh {
            claims.remove(claimed.delivery.id);
        }
    }

    /// What follows once the rows are safe: claims, signals, offers, files that nobody needs.
    /// What the operations have done comes back.
    fn committed(self, staged: &Staged<'_>, aftermath: Aftermath, fresh: Vec<Claimed>) -> Vec<u64> {
        let rings = self.end_claims(staged) || staged.rings;
        let known_lanes = &mut self.committer.known_lanes;
        known_lanes.committed(&staged.paused_lanes, &[]);
        known_lanes.committed(&staged.lanes, &staged.slept);
        for claimed in fresh {
            let sent = self.committer.fresh.try_send(claimed);
            if sent.is_err() {
                tracing::debug!("deliveries were accepted while their stage was stopping");
            }
        }
        self.committer.segments.looked_at_left();
        if let Some(newest) = aftermath.newest {
            places::raise(&self.committer.newest, newest);
            let position = i64::try_from(newest.0).unwrap_or(i64::MAX);
            self.committer.metrics.position.set(position);
        }
        if rings {
            self.committer.shared.ring_queued();
        }
        if aftermath.reports {
            self.committer.shared.ring_reports();
        }
        if !aftermath.dead_segments.is_empty() {
            let remove = self.committer.segments.remover(aftermath.dead_segments);
            self.committer.removals.spawn_blocking(remove);
        }
        aftermath.operated
    }

    fn end_claims(&self, staged: &Staged<'_>) -> bool {
        let mut claims = self.committer.shared.claims();
        let mut rings = claims.end_operated();
        for delivery in &staged.ended {
            let ended: Option<(Claim, bool)> = claims.remove(*delivery);
            rings |= ended.is_some_and(|(_, wakes)| wakes);
        }
        for (lane, at) in &staged.lanes {
            claims.due(lane, *at);
        }
        // What was paused when it came may have been resumed meanwhile.
        if claims.pauses() != staged.pauses {
            for (lane, at) in &staged.paused_lanes {
                claims.due(lane, *at);
            }
        }
        rings
    }
}

async fn write_rows(
    committer: &mut Committer,
    batch: &[Work],
    known: &Known,
    staged: &Staged<'_>,
) -> Result<Aftermath, CommitError> {
    let Committer {
        connection,
        statements,
        script,
        segments,
        shared,
        ..
    } = committer;
    let written = script.run(connection, &staged.rows).await?;
    if written.events < staged.rows.events.len() as u64 {
        let ended = without_event(connection, &staged.rows.events).await?;
        return Err(CommitError::Ended(ended));
    }
    for submission in unknown(batch, known) {
        idempotency::write(connection, submission).await?;
    }
    let applied = changes::apply(connection, (&*statements, &**shared), batch).await?;
    let noted: Vec<_> = staged.reports.iter().chain(&applied.noted).collect();
    let reports = reports::apply(connection, statements, &noted, batch).await?;
    let live = written.live.iter().chain(&applied.live).chain(&reports);
    let dead_segments = dead(live, segments.current());
    for segment in &dead_segments {
        let delete = sqlx::query("DELETE FROM segment WHERE id = ?");
        delete
            .bind(integer(*segment))
            .execute(&mut *connection)
            .await?;
    }
    Ok(Aftermath {
        newest: written.newest.max(applied.newest),
        dead_segments,
        reports: !noted.is_empty(),
        operated: applied.operated,
    })
}

/// The submissions of a batch that are to be stored.
fn unknown<'b>(batch: &'b [Work], known: &Known) -> impl Iterator<Item = &'b Submission> {
    let submissions = batch.iter().filter_map(Work::submission);
    submissions.filter(|submission| known.earlier(submission).is_none())
}

/// Segments that nothing needs any more, but for the one that is written to.
fn dead<'l>(live: impl Iterator<Item = &'l (u64, i64)>, current: u64) -> Vec<u64> {
    // A segment that was counted several times has its last count.
    let last: HashMap<u64, i64> = live.copied().collect();
    last.into_iter()
        .filter(|(segment, live)| *live <= 0 && *segment != current)
        .map(|(s, _)| s)
        .collect()
}

/// A statement without arguments; stays prepared.
async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::query(sql)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fault_of_the_disk_stops_the_store() {
        let of = |code| CommitError::of_bodies(io::Error::from_raw_os_error(code));
        const ENOSPC: i32 = 28;
        const EIO: i32 = 5;
        assert!(matches!(of(ENOSPC), CommitError::BodiesFull));
        assert!(matches!(of(EMFILE), CommitError::NoDescriptors));
        assert!(matches!(of(ENFILE), CommitError::NoDescriptors));
        assert!(matches!(of(EIO), CommitError::Bodies(_)));
    }
}
