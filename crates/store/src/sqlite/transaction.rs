//! One transaction of the committer: bodies and rows are written at the same time, the commit
//! stands after both.

use std::collections::{HashMap, HashSet};
use std::io;

use postbell_model::{DeliveryId, Lane, MessageId, Monotonic, Timestamp};
use sqlx::{Executor, SqliteConnection};

use crate::metrics::Synced;
use crate::segment::{Append, Class};
use crate::{BodyRef, Claimed, Position, Submission, Taken};

use super::claims::Claim;
use super::committer::Committer;
use super::idempotency::{self, Known};
use super::inbound::{self, Placed};
use super::intake::{self, Arrival};
use super::reports::{self, Noted};
use super::rows::integer;
use super::script::{Rows, without_event};
use super::suppression::{self, Follow, News};
use super::work::{Outcome, Work};
use super::{changes, engagement, places, settle};

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
    /// Facts that may put somebody on the suppression list.
    pub follow: Vec<Follow<'b>>,
}

/// What the script leaves to be done after the commit.
#[derive(Debug, Default)]
struct Aftermath {
    newest: Option<Position>,
    dead_segments: Vec<u64>,
    /// Whether senders are perhaps to be told of something.
    reports: bool,
    /// Whether something is to be forwarded.
    forwards: bool,
    /// Deliveries with the number of their latest event, of which others have told something.
    told: Vec<(DeliveryId, u32)>,
    /// Hits that were kept, and that were taken off the list.
    hits: (u64, u64),
    /// Files of what came in whose time is over.
    kept_ended: Vec<u64>,
    /// New deliveries whose recipient is on the suppression list.
    unsent: HashSet<DeliveryId>,
    /// What was put on it.
    news: News,
    done: Done,
}

/// What is answered of a transaction, in the order of the batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// How much each operation has changed and each purge removed.
    pub operated: Vec<u64>,
    /// What became of each message that came in.
    pub taken: Vec<Taken>,
    /// How often each unsubscription was told.
    pub unsubscribed: Vec<u64>,
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
        let (received, append_kept) = self.place_received(batch);
        let appends = append.into_iter().chain(append_kept).collect();
        let mut staged = Staged::default();
        intake::stage(&arrivals, self.committer.shared.rules(), &mut staged);
        let settled = settle::stage(&self.committer.shared, batch, &mut staged);
        changes::stage(&self.committer.shared, batch, &mut staged);
        for segment in self.committer.segments.left() {
            staged.count_bodies(*segment, 0);
        }
        let known_lanes = &self.committer.known_lanes;
        staged.rows.lanes = known_lanes.sooner(&staged.lanes);
        let paused_lanes = known_lanes.sooner(&staged.paused_lanes);
        staged.rows.lanes.extend(paused_lanes);
        let rows = (&staged, received.as_slice());
        let aftermath = match self.write(batch, &known, rows, appends).await {
            Ok(aftermath) => aftermath,
            Err(error) => {
                self.roll_back().await;
                return Err(error);
            }
        };
        // In flight before anybody can read the rows, so that no claim takes them twice.
        let fresh = self.claim_fresh(&arrivals, &aftermath.unsent);
        let begun = self.committer.clock.monotonic();
        let committed = execute(&mut self.committer.connection, "COMMIT").await;
        self.synced(Synced::Database, begun);
        if let Err(error) = committed {
            self.unclaim(&fresh);
            self.roll_back().await;
            return Err(error.into());
        }
        let done = self.committed(&staged, aftermath, fresh);
        Ok(settle::outcomes(batch, &known, settled, done))
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
        // What ends at once needs no body.
        let bodies = submissions.iter().filter(|s| intake::is_sent(s));
        let bodies: Vec<_> = bodies.map(|s| (s.message.id, s.body.clone())).collect();
        let append = (!bodies.is_empty()).then(|| {
            let now = self.committer.clock.now();
            self.committer.segments.place(Class::Queue, bodies, now)
        });
        let (places, append) = append.unzip();
        let mut places = places.unwrap_or_default().into_iter();
        let placed = submissions.into_iter().map(|submission| {
            let place = intake::is_sent(submission).then(|| places.next()).flatten();
            let nowhere = BodyRef::nowhere(submission.message.id);
            (submission, place.unwrap_or(nowhere))
        });
        let (shared, fresh) = (&self.committer.shared, &self.committer.fresh);
        (intake::plan(placed, shared, fresh), append)
    }

    /// What came in bears the id of its first message.
    fn place_received<'b>(&mut self, batch: &'b [Work]) -> (Vec<Placed<'b>>, Option<Append>) {
        let incoming: Vec<_> = batch.iter().filter_map(Work::incoming).collect();
        if incoming.is_empty() {
            return (Vec::new(), None);
        }
        let bodies = incoming.iter().filter_map(|incoming| {
            let first = incoming.mails.first()?;
            let id = MessageId::from_bytes(*first.mail.id.as_bytes());
            Some((id, incoming.body.clone()))
        });
        let now = self.committer.clock.now();
        let segments = &mut self.committer.segments;
        let (places, append) = segments.place(Class::Kept, bodies.collect(), now);
        let placed = incoming.into_iter().zip(places);
        let placed = placed.map(|(incoming, body)| Placed { incoming, body });
        (placed.collect(), Some(append))
    }

    async fn write(
        &mut self,
        batch: &[Work],
        known: &Known,
        rows: (&Staged<'_>, &[Placed<'_>]),
        appends: Vec<Append>,
    ) -> Result<Aftermath, CommitError> {
        let begun = self.committer.clock.monotonic();
        let (clock, metrics) = (self.committer.clock.clone(), self.committer.metrics.clone());
        let append = async {
            let appended: Vec<_> = appends.into_iter().map(Append::run).collect();
            if !appended.is_empty() {
                metrics.synced(Synced::Bodies, clock.monotonic().since(begun));
            }
            appended
        };
        // The database has a thread of its own, which is given the rows first.
        let rows = write_rows(self.committer, batch, known, rows);
        let (rows, appended) = tokio::join!(biased; rows, append);
        let mut failed = None;
        for appended in appended {
            match appended {
                Ok(file) => self.committer.segments.written(file),
                Err(error) => {
                    self.committer.segments.failed(&error);
                    failed = failed.or(Some(error.source));
                }
            }
        }
        match failed {
            Some(error) => Err(CommitError::of_bodies(error)),
            None => rows,
        }
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

    fn claim_fresh(&self, arrivals: &[Arrival<'_>], unsent: &HashSet<DeliveryId>) -> Vec<Claimed> {
        let mut claims = self.committer.shared.claims();
        let mut fresh = Vec::new();
        for arrival in arrivals {
            for delivery in &arrival.deliveries {
                if delivery.offered && !unsent.contains(&delivery.new.id) {
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
    /// What is answered comes back.
    fn committed(self, staged: &Staged<'_>, aftermath: Aftermath, fresh: Vec<Claimed>) -> Done {
        self.tell_claims(&aftermath.told);
        // Before anybody is answered, so that what waits in memory stays here from then on.
        self.committer.shared.recent().put(&aftermath.news);
        let rings = self.end_claims(staged) || staged.rings;
        let known_lanes = &mut self.committer.known_lanes;
        known_lanes.committed(&staged.paused_lanes, &[]);
        known_lanes.committed(&staged.lanes, &staged.slept);
        self.committer.to_offer = fresh;
        self.committer.segments.looked_at_left();
        self.committer.segments.end_kept(&aftermath.kept_ended);
        if let Some(newest) = aftermath.newest {
            places::raise(&self.committer.newest, newest);
            let position = i64::try_from(newest.0).unwrap_or(i64::MAX);
            self.committer.metrics.position.set(position);
        }
        if rings {
            self.committer.shared.ring_queued();
        }
        self.count_hits(aftermath.hits);
        if aftermath.reports {
            self.committer.shared.ring_reports();
        }
        if aftermath.forwards {
            self.committer.shared.ring_forwards();
        }
        if !aftermath.dead_segments.is_empty() {
            let remove = self.committer.segments.remover(aftermath.dead_segments);
            self.committer.removals.spawn_blocking(remove);
        }
        aftermath.done
    }

    fn count_hits(&self, (kept, gone): (u64, u64)) {
        if kept + gone > 0 {
            let waiting = self.committer.shared.hits.committed(kept, gone);
            self.committer.metrics.hits(kept, waiting);
        }
    }

    /// What is in flight goes on from what was told of it meanwhile.
    fn tell_claims(&self, told: &[(DeliveryId, u32)]) {
        if told.is_empty() {
            return;
        }
        let mut claims = self.committer.shared.claims();
        for (delivery, sequence) in told {
            claims.told(*delivery, *sequence);
        }
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
    (staged, placed): (&Staged<'_>, &[Placed<'_>]),
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
    let (list, sought) = (&statements.list, &staged.rows.deliveries);
    let unsent = suppression::end_arrivals(connection, list, sought, written.listed).await?;
    for submission in unknown(batch, known) {
        idempotency::write(connection, submission).await?;
    }
    let applied = changes::apply(connection, (&*statements, &**shared), batch).await?;
    let noted: Vec<_> = staged.reports.iter().chain(&applied.noted).collect();
    let reports = reports::apply(connection, statements, &noted, batch).await?;
    // After all else, since what others say of a delivery is about how it stands then.
    let rules = shared.rules();
    let received = inbound::write(connection, statements, placed, rules).await?;
    let engaged = engagement::write(connection, statements, batch, rules).await?;
    let follow = staged.follow.iter().chain(&received.follow);
    let follow = follow.chain(&engaged.follow);
    let added = suppression::follow(connection, list, rules, follow).await?;
    let live = written.live.iter().chain(&unsent.live).chain(&applied.live);
    let live = live.chain(&reports);
    let is_open = |segment| segments.is_current(segment) && !applied.kept_ended.contains(&segment);
    let dead_segments = dead(live, is_open);
    for segment in &dead_segments {
        let delete = sqlx::query("DELETE FROM segment WHERE id = ?");
        delete
            .bind(integer(*segment))
            .execute(&mut *connection)
            .await?;
    }
    Ok(Aftermath {
        newest: [
            applied.newest,
            received.newest,
            engaged.newest,
            added.newest,
        ]
        .into_iter()
        .fold(written.newest, Option::max),
        dead_segments,
        reports: !noted.is_empty(),
        forwards: received.forwards,
        told: received.told.into_iter().chain(engaged.told).collect(),
        hits: (engaged.kept, engaged.gone),
        kept_ended: applied.kept_ended,
        unsent: unsent.deliveries,
        news: added.news,
        done: Done {
            operated: applied.operated,
            taken: received.taken,
            unsubscribed: engaged.unsubscribed,
        },
    })
}

/// The submissions of a batch that are to be stored.
fn unknown<'b>(batch: &'b [Work], known: &Known) -> impl Iterator<Item = &'b Submission> {
    let submissions = batch.iter().filter_map(Work::submission);
    submissions.filter(|submission| known.earlier(submission).is_none())
}

/// Segments that nothing needs any more, but for those that are written to.
fn dead<'l>(live: impl Iterator<Item = &'l (u64, i64)>, is_open: impl Fn(u64) -> bool) -> Vec<u64> {
    // A segment that was counted several times has its last count.
    let last: HashMap<u64, i64> = live.copied().collect();
    last.into_iter()
        .filter(|(segment, live)| *live <= 0 && !is_open(*segment))
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
