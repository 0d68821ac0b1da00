//! One transaction of the committer: bodies and rows are written at the same time, the commit
//! stands after both.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use postbell_model::{DeliveryId, Lane, Timestamp};
use sqlx::{Executor, Row, SqliteConnection};

use crate::segment::{Append, AppendError};
use crate::{Claimed, Position};

use super::claims::Claim;
use super::committer::Committer;
use super::event_rows::{EventRow, insert_events};
use super::intake::{self, Arrival};
use super::statements::{Query, Statements};
use super::work::{Outcome, Work};
use super::{changes, settle};

/// Why nothing of a batch was committed.
#[derive(Debug)]
pub(super) enum CommitError {
    Sql(sqlx::Error),
    /// There is no room for the bodies.
    BodiesFull,
    /// The bodies could not be written or synced.
    Bodies(io::Error),
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// What a transaction will have changed once it is committed.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub events: Vec<EventRow>,
    /// The earliest time at which something became due in each lane that was touched.
    pub lanes: HashMap<Lane, Timestamp>,
    /// Whether something became due that nobody was offered.
    pub rings: bool,
    /// Bodies more or fewer in each segment.
    pub segments: HashMap<u64, i64>,
    /// Claims that end.
    pub ended: Vec<DeliveryId>,
    /// Lanes whose row was made anew from the deliveries.
    pub slept: Vec<Lane>,
    newest: Option<Position>,
    dead_segments: Vec<u64>,
}

impl Staged {
    /// Something of `lane` is due at `at`.
    pub(super) fn due(&mut self, lane: &Lane, at: Timestamp) {
        match self.lanes.get_mut(lane) {
            Some(earliest) => *earliest = at.min(*earliest),
            None => {
                self.lanes.insert(lane.clone(), at);
            }
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
        let (arrivals, append) = self.place(batch);
        let written = self.write(batch, &arrivals, append).await;
        let (outcomes, staged) = match written {
            Ok(written) => written,
            Err(error) => {
                self.roll_back().await;
                return Err(error);
            }
        };
        // In flight before anybody can read the rows, so that no claim takes them twice.
        let fresh = self.claim_fresh(&arrivals);
        if let Err(error) = execute(&mut self.committer.connection, "COMMIT").await {
            self.unclaim(&fresh);
            self.roll_back().await;
            return Err(error.into());
        }
        self.committed(staged, fresh);
        Ok(outcomes)
    }

    fn place<'b>(&mut self, batch: &'b [Work]) -> (Vec<Arrival<'b>>, Option<Append>) {
        let bodies: Vec<_> = batch.iter().filter_map(Work::body).collect();
        if bodies.is_empty() {
            return (Vec::new(), None);
        }
        let (places, append) = self.committer.segments.place(bodies);
        let submissions = batch.iter().filter_map(Work::submission);
        let arrivals = intake::plan(
            submissions.zip(places),
            &self.committer.shared,
            &self.committer.fresh,
        );
        (arrivals, Some(append))
    }

    async fn write(
        &mut self,
        batch: &[Work],
        arrivals: &[Arrival<'_>],
        append: Option<Append>,
    ) -> Result<(Vec<Outcome>, Staged), CommitError> {
        let (appended, rows) = tokio::join!(
            carry_out(append),
            write_rows(self.committer, batch, arrivals)
        );
        match appended {
            Ok(Some(file)) => self.committer.segments.written(file),
            Ok(None) => {}
            Err(error) => {
                self.committer.segments.failed(&error);
                return Err(if is_full(&error.source) {
                    CommitError::BodiesFull
                } else {
                    CommitError::Bodies(error.source)
                });
            }
        }
        Ok(rows?)
    }

    async fn roll_back(&mut self) {
        // It fails where SQLite has rolled back by itself, which is as good.
        let _rolled_back = execute(&mut self.committer.connection, "ROLLBACK").await;
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
    fn committed(self, staged: Staged, fresh: Vec<Claimed>) {
        let rings = self.end_claims(&staged) || staged.rings;
        self.committer
            .known_lanes
            .committed(&staged.lanes, &staged.slept);
        for claimed in fresh {
            let sent = self.committer.fresh.try_send(claimed);
            if sent.is_err() {
                tracing::debug!("deliveries were accepted while their stage was stopping");
            }
        }
        if let Some(newest) = staged.newest {
            self.committer.newest.send_replace(newest);
        }
        if rings {
            self.committer.shared.ring_queued();
        }
        if !staged.dead_segments.is_empty() {
            drop(tokio::task::spawn_blocking(
                self.committer.segments.remover(staged.dead_segments),
            ));
        }
    }

    fn end_claims(&self, staged: &Staged) -> bool {
        let mut claims = self.committer.shared.claims();
        let mut rings = false;
        for delivery in &staged.ended {
            let ended: Option<(Claim, bool)> = claims.remove(*delivery);
            rings |= ended.is_some_and(|(_, wakes)| wakes);
        }
        for (lane, at) in &staged.lanes {
            claims.due(lane, *at);
        }
        rings
    }
}

async fn carry_out(append: Option<Append>) -> Result<Option<Arc<File>>, AppendError> {
    let Some(append) = append else {
        return Ok(None);
    };
    let written = tokio::task::spawn_blocking(|| append.run()).await;
    written.map_err(io::Error::other)?.map(Some)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

async fn write_rows(
    committer: &mut Committer,
    batch: &[Work],
    arrivals: &[Arrival<'_>],
) -> Result<(Vec<Outcome>, Staged), sqlx::Error> {
    let Committer {
        connection,
        statements,
        segments,
        known_lanes,
        shared,
        ..
    } = committer;
    let mut staged = Staged::default();
    execute(connection, "BEGIN IMMEDIATE").await?;
    intake::insert(connection, statements, arrivals, &mut staged).await?;
    let settled = settle::update(connection, statements, shared, batch, &mut staged).await?;
    changes::apply(connection, statements, shared, batch, &mut staged).await?;
    staged.newest = insert_events(connection, statements, &staged.events).await?;
    known_lanes
        .upsert(connection, statements, &staged.lanes)
        .await?;
    let current = segments.current();
    count_bodies(connection, statements, current, &mut staged).await?;
    Ok((settle::outcomes(batch, settled), staged))
}

/// Counts what each segment file is still needed for.
async fn count_bodies(
    connection: &mut SqliteConnection,
    statements: &Statements,
    current: u64,
    staged: &mut Staged,
) -> Result<(), sqlx::Error> {
    let counts: Vec<_> = staged
        .segments
        .iter()
        .filter(|(_, count)| **count != 0)
        .collect();
    let bind = |query: Query<'static>, (segment, count): &(&u64, &i64)| {
        query.bind(super::rows::integer(**segment)).bind(**count)
    };
    for query in statements.segments.batch(&counts, bind) {
        for row in query.fetch_all(&mut *connection).await? {
            let (segment, live): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let segment = segment.unsigned_abs();
            if live <= 0 && segment != current {
                staged.dead_segments.push(segment);
            }
        }
    }
    for segment in &staged.dead_segments {
        let delete = sqlx::query("DELETE FROM segment WHERE id = ?");
        delete
            .bind(super::rows::integer(*segment))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A statement without arguments; stays prepared.
async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::query(sql)).await?;
    Ok(())
}
