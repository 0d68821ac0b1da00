//! Lanes: keeping their rows, finding what is due, claiming it.

use std::collections::HashMap;
use std::sync::Arc;

use postbell_model::suppression::{LocalPart, SuppressedBy};
use postbell_model::{Delivery, DeliveryId, Lane, Timestamp, WorkspaceId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use crate::{Body, BodyRef, Claimed, StoreError};

use super::claims::{Claim, Origin};
use super::committer::NEVER;
use super::errors::read_error;
use super::pauses::IS_PAUSED;
use super::reports;
use super::rows::{self, RowError};
use super::scheduled;
use super::shared::Shared;
use super::statements::BatchStatement;
use super::suppression::{self, Holds, Key};

// How many lanes are remembered; beyond that the memory is emptied and fills again.
const KNOWN_MAX: usize = 50_000;
// How many lanes are looked at beyond those that may be passed over.
const SPARE: usize = 8;

/// Which lanes are of a workspace that is not paused.
fn sends() -> String {
    format!("workspace_id NOT IN (SELECT id FROM workspace WHERE {IS_PAUSED})")
}

/// Which messages are from a domain that is not paused: a message is of the domain of its From
/// field.
fn domain_sends() -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM domain p WHERE p.workspace_id = m.workspace_id AND {IS_PAUSED} \
         AND substr(m.source, -1 - length(p.name)) = '@' || p.name)"
    )
}

/// Lanes whose row is known to be early enough, so that it need not be written again.
#[derive(Debug, Default)]
pub(super) struct KnownLanes(HashMap<Lane, Timestamp>);

impl KnownLanes {
    /// Those that are due sooner than they were known to be: their rows have to be written.
    pub(super) fn sooner(&self, due: &HashMap<Lane, Timestamp>) -> Vec<(Lane, Timestamp)> {
        let is_sooner = |lane, at| self.0.get(lane).is_none_or(|known| known > at);
        due.iter()
            .filter(|(lane, at)| is_sooner(*lane, *at))
            .map(|(lane, at)| (lane.clone(), *at))
            .collect()
    }

    /// Takes over what a transaction has written, once it is committed.
    pub(super) fn committed(&mut self, due: &HashMap<Lane, Timestamp>, slept: &[Lane]) {
        for (lane, at) in due {
            match self.0.get_mut(lane) {
                Some(known) => *known = (*known).min(*at),
                None => {
                    if self.0.len() >= KNOWN_MAX {
                        self.0.clear();
                    }
                    self.0.insert(lane.clone(), *at);
                }
            }
        }
        for lane in slept {
            self.0.remove(lane);
        }
    }
}

/// Lanes that are due and have something to claim.
pub(super) async fn due(
    pool: &SqlitePool,
    shared: &Shared,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Lane>, StoreError> {
    // Lanes of which all that is due is in flight stand in the index as well.
    let beyond = {
        let mut claims = shared.claims();
        claims.forget_resumed(now);
        limit.saturating_add(claims.lanes())
    };
    let sql = format!(
        "SELECT workspace_id, domain FROM lane WHERE next_at <= ? AND {} \
         ORDER BY next_at LIMIT ?",
        sends()
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(now.as_micros())
        .bind(i64::try_from(beyond).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    let lanes = found.iter().filter_map(|row| readable(row, shared));
    let lanes: Vec<_> = lanes.collect();
    let claims = shared.claims();
    Ok(lanes
        .into_iter()
        .filter(|lane| !claims.passed_over(lane, now))
        .take(limit)
        .collect())
}

/// When a lane or a scheduled delivery is due next.
pub(super) async fn next_due(
    pool: &SqlitePool,
    shared: &Shared,
) -> Result<Option<Timestamp>, StoreError> {
    let beyond = shared.claims().lanes().saturating_add(SPARE);
    let sql = format!(
        "SELECT workspace_id, domain, next_at FROM lane WHERE {} ORDER BY next_at LIMIT ?",
        sends()
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::try_from(beyond).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    let lanes = next_lane(shared, &found);
    let scheduled = scheduled::next(pool).await?;
    Ok(lanes.into_iter().chain(scheduled).min())
}

/// The earliest of these lanes, or of those that have more than what is in flight.
fn next_lane(shared: &Shared, found: &[SqliteRow]) -> Option<Timestamp> {
    let lanes = found.iter().filter_map(|row| {
        let lane = readable(row, shared)?;
        Some((lane, rows::time(row, 2).ok()?))
    });
    let lanes: Vec<_> = lanes.collect();
    let claims = shared.claims();
    let mut awake = lanes
        .into_iter()
        .filter(|(lane, at)| !claims.passed_over(lane, *at));
    let earliest = awake.next().map(|(_, at)| at);
    let resumes = claims.next_resume().filter(|at| *at < NEVER);
    earliest.into_iter().chain(resumes).min()
}

/// A lane whose row can't be read is reported once and passed over: it must not hold up the
/// others.
fn readable(row: &SqliteRow, shared: &Shared) -> Option<Lane> {
    let lane = read_lane(row);
    if let Err(error) = &lane
        && shared.is_first_unreadable_lane()
    {
        tracing::error!(%error, "a lane can't be read and is passed over");
    }
    lane.ok()
}

fn read_lane(row: &SqliteRow) -> Result<Lane, RowError> {
    Ok(Lane {
        workspace: WorkspaceId(rows::number(row, 0, "lane.workspace_id")?),
        domain: rows::domain(row.try_get(1)?, "lane.domain")?,
    })
}

/// Whether a workspace has anybody on its suppression list, and where that stands.
const LISTED: &str = "EXISTS (SELECT 1 FROM suppression WHERE workspace_id = ?1)";
const LISTED_AT: usize = 7 + rows::MESSAGE_WIDTH;

/// The statements of a claim.
#[derive(Debug)]
pub(super) struct ClaimQueries {
    due: Arc<str>,
    /// The same, where domains of the workspace are paused.
    due_and_sent: Arc<str>,
    /// The look at the suppression list.
    look: BatchStatement,
}

/// What a claim found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub claimed: Vec<Claimed>,
    /// Claimed as well, to be ended: their recipients are on the suppression list.
    pub suppressed: Vec<(DeliveryId, SuppressedBy)>,
    /// Deliveries whose rows can't be read, with the reason.
    pub unreadable: Vec<(DeliveryId, String)>,
    /// Nothing is due and nothing is in flight: the lane's row is out of date.
    pub asleep: bool,
}

impl ClaimQueries {
    pub(super) fn new(look: BatchStatement) -> Self {
        // A delivery without its message is found, too: as one that can't be read.
        let columns = rows::MESSAGE_COLUMNS;
        let due = |sent: &str| {
            format!(
                "SELECT d.id, d.recipient, d.attempt, d.sequence, d.expires_at, d.notify, d.orcpt, \
                 {columns}, {LISTED} FROM delivery d INDEXED BY delivery_due \
                 LEFT JOIN message m ON m.id = d.message_id \
                 WHERE d.workspace_id = ?1 AND d.domain = ?2 AND d.state = 'queued' \
                 AND d.next_at <= ?3 {sent} ORDER BY d.next_at LIMIT ?4"
            )
        };
        Self {
            due: due("").into(),
            due_and_sent: due(&format!("AND {}", domain_sends())).into(),
            look,
        }
    }

    /// Claims up to `limit` of what is due in a lane.
    pub(super) async fn claim(
        &self,
        pool: &SqlitePool,
        shared: &Shared,
        (lane, now): (&Lane, Timestamp),
        limit: usize,
    ) -> Result<Found, StoreError> {
        let caught_up = shared.catch_up(pool).await;
        caught_up.map_err(|error| read_error(&error))?;
        let look = Look::begin(shared);
        let seen = self.see(pool, shared, (lane, now), limit).await?;
        Ok(look.take((lane, now), &seen, limit))
    }

    async fn see(
        &self,
        pool: &SqlitePool,
        shared: &Shared,
        (lane, now): (&Lane, Timestamp),
        limit: usize,
    ) -> Result<Seen, StoreError> {
        let local_part = shared.rules().local_part;
        let wanted = limit.saturating_add(shared.claims().in_lane(lane));
        let some_paused = shared.directory().has_paused_domains(lane.workspace);
        let sql = if some_paused {
            &self.due_and_sent
        } else {
            &self.due
        };
        let rows = sqlx::query(AssertSqlSafe(Arc::clone(sql)))
            .bind(i64::from(lane.workspace.0))
            .bind(lane.domain.as_str())
            .bind(now.as_micros())
            .bind(i64::try_from(wanted).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await
            .map_err(|error| read_error(&error))?;
        let resumes_at = if rows.len() < wanted {
            Some(next_after(pool, lane, now).await?)
        } else {
            None
        };
        let holds = self
            .holds(pool, &rows, (lane.workspace, local_part))
            .await?;
        Ok(Seen {
            holds,
            local_part,
            all_paused: some_paused && rows.is_empty(),
            rows,
            resumes_at,
        })
    }
}

impl ClaimQueries {
    /// What stands on the suppression list of the recipients, where the workspace has one.
    async fn holds(
        &self,
        pool: &SqlitePool,
        rows: &[SqliteRow],
        (workspace, local_part): (WorkspaceId, LocalPart),
    ) -> Result<Holds, StoreError> {
        let is_listed = |row: &SqliteRow| row.try_get::<bool, _>(LISTED_AT).unwrap_or(true);
        if !rows.first().is_some_and(is_listed) {
            return Ok(Holds::default());
        }
        // What can't be read is passed over here, and reported once it is claimed.
        let keys = rows.iter().filter_map(|row| {
            let address = rows::address(row.try_get(1).ok()?, "delivery.recipient").ok()?;
            Some(Key::of(workspace, &address, local_part))
        });
        suppression::of_lane(pool, &self.look, &keys.collect::<Vec<_>>()).await
    }
}

/// What a claim has read.
struct Seen {
    rows: Vec<SqliteRow>,
    /// What keeps recipients from getting mail.
    holds: Holds,
    local_part: LocalPart,
    /// When the lane has more, where all that is due was read.
    resumes_at: Option<Timestamp>,
    /// All that is due is paused, if anything is.
    all_paused: bool,
}

/// When the lane's first delivery after `now` is due.
async fn next_after(
    pool: &SqlitePool,
    lane: &Lane,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let sql = "SELECT MIN(next_at) FROM delivery INDEXED BY delivery_due \
        WHERE workspace_id = ? AND domain = ? AND state = 'queued' AND next_at > ?";
    let next: Option<i64> = sqlx::query_scalar(sql)
        .bind(i64::from(lane.workspace.0))
        .bind(lane.domain.as_str())
        .bind(now.as_micros())
        .fetch_one(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(next.map_or(NEVER, Timestamp::from_micros))
}

fn read_claimed(row: &SqliteRow, id: DeliveryId) -> Result<(Claimed, BodyRef), RowError> {
    let (message, body) = rows::read_message(row, 7)?;
    let delivery = Delivery {
        id,
        recipient: rows::address(row.try_get(1)?, "delivery.recipient")?,
        attempt: rows::number(row, 2, "delivery.attempt")?,
        sequence: rows::number(row, 3, "delivery.sequence")?,
        expires_at: rows::time(row, 4)?,
        report: rows::report_request(row, 5)?,
    };
    Ok((
        Claimed {
            delivery,
            message,
            body: Body::Stored(body),
        },
        body,
    ))
}

/// A look at the database: the claims know of it until it is dropped.
struct Look<'s> {
    shared: &'s Shared,
    /// What the claims had seen of pauses when it began.
    pauses: u64,
    /// The newest entry of the suppression list that it is sure to see.
    newest: i64,
}

impl<'s> Look<'s> {
    fn begin(shared: &'s Shared) -> Self {
        let newest = shared.recent().known_to();
        let pauses = shared.claims().look();
        Self {
            shared,
            pauses,
            newest,
        }
    }

    /// Claims what was seen and is free.
    fn take(&self, (lane, now): (&Lane, Timestamp), seen: &Seen, limit: usize) -> Found {
        let mut found = Found::default();
        let mut claims = self.shared.claims();
        let mut resumes_at = claims.still(lane, seen.resumes_at, self.pauses);
        claims.all_paused(lane, resumes_at.filter(|_| seen.all_paused));
        for row in &seen.rows {
            let Ok(octets) = rows::octets(row, 0, "delivery.id") else {
                continue;
            };
            let id = DeliveryId::from_bytes(octets);
            if !claims.is_free(id) {
                // What ended, or is about to, may be due all the same: put off, or left alone.
                if claims.get(id).is_none() {
                    resumes_at = None;
                }
                continue;
            }
            if found.claimed.len() + found.suppressed.len() >= limit {
                resumes_at = None;
                break;
            }
            match read_claimed(row, id) {
                Ok((claimed, body)) => {
                    let claim = index_claim(lane, &claimed, (body, self.newest));
                    claims.insert(id, claim);
                    match seen.holds.of_claimed(&claimed, (seen.local_part, now)) {
                        Some(by) => found.suppressed.push((id, by)),
                        None => found.claimed.push(claimed),
                    }
                }
                Err(error) => found.unreadable.push((id, error.to_string())),
            }
        }
        found.asleep = found.claimed.is_empty() && claims.in_lane(lane) == 0;
        claims.took(lane, resumes_at);
        found
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.shared.claims().looked();
    }
}

fn index_claim(lane: &Lane, claimed: &Claimed, (body, seen): (BodyRef, i64)) -> Claim {
    Claim {
        lane: lane.clone(),
        configuration_set: claimed.message.configuration_set,
        segment: body.segment,
        sequence: claimed.delivery.sequence,
        reports: reports::wanted(&claimed.message, &claimed.delivery.report),
        octets: 0,
        origin: Origin::Index,
        seen,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use postbell_model::Domain;
    use postbell_model::clock::Still;
    use tokio_util::task::TaskTracker;

    use super::super::{DATABASE, SqliteOptions, SqliteStore, database};
    use super::*;
    use crate::{Action, DeliveryFilter, Operate, Store};

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    async fn open(folder: &Path) -> SqliteStore {
        let options = SqliteOptions {
            commit_queue: 8,
            fresh_deliveries: 8,
            fresh_deliveries_per_lane: 8,
            fresh_octets: 1 << 20,
            segment_octets: 1 << 20,
            max_hits_waiting: 1_000_000,
        };
        let tasks = TaskTracker::new();
        let store = SqliteStore::open(folder, options, Arc::new(Still(NOW)), &tasks).await;
        store.unwrap()
    }

    /// A delivery that is due, in the lane that comes back.
    async fn due_in_lane(folder: &Path) -> Lane {
        let mut database = database::writer(&folder.join(DATABASE)).await.unwrap();
        for sql in [
            "INSERT INTO message VALUES (zeroblob(16), 1, 1, '', 'app@example.org', '', '', 1, 1, 0, 0, \
             '', NULL, '', 1, 0, 1, 0, NULL, NULL, NULL)",
            "INSERT INTO delivery (id, message_id, workspace_id, domain, recipient, next_at, \
             expires_at, state, attempt, sequence) VALUES (zeroblob(16), zeroblob(16), 1, \
             'example.com', 'a@example.com', 1, 2, 'queued', 1, 1)",
            "INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, sequence, kind, \
             at) VALUES (zeroblob(16), 1, 1, zeroblob(16), 1, 'Send', 1)",
            "INSERT INTO lane VALUES (1, 'example.com', 1)",
        ] {
            let done = sqlx::query(sql).execute(&mut database).await;
            done.unwrap();
        }
        Lane {
            workspace: WorkspaceId(1),
            domain: Domain::parse("example.com").unwrap(),
        }
    }

    #[tokio::test]
    async fn what_an_operator_ends_is_claimed_by_no_older_look() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let lane = due_in_lane(folder.path()).await;
        let (readers, shared) = (&store.readers, &store.shared);
        for (action, claimed) in [(Action::Hold, 0), (Action::Release, 1)] {
            let look = Look::begin(shared);
            let seen = store.claim_queries.see(readers, shared, (&lane, NOW), 9);
            let seen = seen.await.unwrap();
            let all = DeliveryFilter::default();
            let operated = store.operate(&all, &action, NOW).await.unwrap();
            assert_eq!(operated.changed, 1);
            let found = look.take((&lane, NOW), &seen, 9).claimed;
            assert!(
                found.is_empty(),
                "{action:?}: it was not queued, or is not any more"
            );
            drop(look);
            let found = store.claim_queries.claim(readers, shared, (&lane, NOW), 9);
            assert_eq!(found.await.unwrap().claimed.len(), claimed, "{action:?}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_lane_that_is_resumed_during_a_look_is_due() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let lane = due_in_lane(folder.path()).await;
        let (readers, shared) = (&store.readers, &store.shared);
        let paused = Seen {
            rows: Vec::new(),
            holds: Holds::default(),
            local_part: LocalPart::Fold,
            resumes_at: Some(NEVER),
            all_paused: true,
        };
        Look::begin(shared).take((&lane, NOW), &paused, 9);
        assert_eq!(due(readers, shared, NOW, 9).await.unwrap(), []);
        let look = Look::begin(shared);
        shared.claims().look_anew();
        look.take((&lane, NOW), &paused, 9);
        assert_eq!(due(readers, shared, NOW, 9).await.unwrap(), [lane]);
        drop(look);
        store.close().await;
    }
}
