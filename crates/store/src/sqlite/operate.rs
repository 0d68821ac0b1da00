//! What an operator does to waiting deliveries, page by page: each page is found by the readers
//! and changed by the committer, which leaves alone what is in flight or has changed meanwhile.

use std::collections::HashSet;

use async_trait::async_trait;
use postbell_model::consequence::consequence;
use postbell_model::report::called_for;
use postbell_model::{
    Attempt, BounceClass, BounceType, ConfigurationSetId, DeliveryId, DeliveryState, Domain, Fact,
    HostTry, Lane, Notify, Phase, Reply, Timestamp, WorkspaceId,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::operator::QueuePlace;
use crate::{Action, Batch, Course, DeliveryFilter, Operate, Position, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::event_rows::EventRow;
use super::inspect::{Waits, push_filter};
use super::reports::Noted;
use super::rows::{self, RowError, blob, integer};
use super::shared::Shared;
use super::statements::{Query, Statements};
use super::transaction::Staged;
use super::work::Change;

// Small enough that mail which is accepted meanwhile hardly notices the transaction.
const PAGE: i64 = 256;

/// A delivery that waits, as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub delivery: DeliveryId,
    lane: Lane,
    configuration_set: ConfigurationSetId,
    state: DeliveryState,
    attempt: u32,
    sequence: u32,
    next_at: Timestamp,
    /// Where its body is; `None`: its message is missing.
    segment: Option<u64>,
    was_sent: bool,
    /// The reports that its sender wants; `None`: the sender gets none.
    reports: Option<Notify>,
}

/// A page of them, and what to do.
#[derive(Debug)]
pub(super) struct Operation {
    pub found: Vec<Found>,
    /// Those of them that are in flight, and that nobody works on.
    pub aside: HashSet<DeliveryId>,
    pub action: Action,
    pub at: Timestamp,
}

/// What an operation changes besides the deliveries.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub changed: u64,
    pub newest: Option<Position>,
    /// What each segment that was counted is still needed for.
    pub live: Vec<(u64, i64)>,
    /// Events that senders are perhaps to be told of.
    pub noted: Vec<Noted>,
}

/// The page of deliveries in one state after the last one of the page before; only those that are
/// due later than a moment, where one is given.
pub(super) async fn page(
    pool: &SqlitePool,
    (filter, waits): (&DeliveryFilter, Waits),
    later_than: Option<Timestamp>,
    last: Option<&QueuePlace>,
) -> Result<Vec<Found>, StoreError> {
    let mut query = QueryBuilder::new(
        "WITH page AS (SELECT d.id, d.next_at, d.workspace_id, d.domain, d.message_id, d.state, \
         d.attempt, d.sequence, d.notify, d.orcpt",
    );
    query.push(waits.from(filter));
    push_filter(&mut query, filter);
    if let Some(later_than) = later_than {
        query.push(" AND d.next_at > ");
        query.push_bind(later_than.as_micros());
    }
    if let Some(last) = last {
        push_after(&mut query, waits, last);
    }
    query.push(" ORDER BY ");
    query.push(waits.order());
    query.push(" LIMIT ");
    query.push_bind(PAGE);
    query.push(
        ") SELECT d.id, d.workspace_id, d.domain, m.configuration_set_id, d.state, d.attempt, \
         d.sequence, d.next_at, m.body_segment, EXISTS (SELECT 1 FROM event e \
         WHERE e.delivery_id = d.id AND e.kind = 'Send'), m.reports, d.notify, d.orcpt \
         FROM page d LEFT JOIN message m ON m.id = d.message_id ORDER BY ",
    );
    query.push(waits.order());
    let found = query.build().fetch_all(pool).await;
    let found = found.map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read).collect::<Result<_, _>>()?)
}

/// Those that stand behind `last` in the order of [`Waits::order`].
fn push_after(query: &mut QueryBuilder<Sqlite>, waits: Waits, last: &QueuePlace) {
    query.push(format!(" AND ({}) > (", waits.order()));
    let mut columns = query.separated(", ");
    if waits.by_lane() {
        columns.push_bind(i64::from(last.lane.workspace.0));
        columns.push_bind(last.lane.domain.as_str().to_owned());
    }
    columns.push_bind(last.next_at.as_micros());
    columns.push_bind(blob(last.delivery.as_bytes()));
    query.push(")");
}

fn read(row: &SqliteRow) -> Result<Found, RowError> {
    let state = row.try_get::<&str, _>(4)?.parse();
    // It is found without its message, too: an operator is to be rid of it.
    let has_message = row.try_get::<Option<i64>, _>(8)?.is_some();
    Ok(Found {
        delivery: DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?),
        lane: Lane {
            workspace: WorkspaceId(rows::number(row, 1, "delivery.workspace_id")?),
            domain: rows::domain(row.try_get(2)?, "delivery.domain")?,
        },
        // No set has the number 0.
        configuration_set: ConfigurationSetId(if has_message {
            rows::number(row, 3, "configuration_set_id")?
        } else {
            0
        }),
        state: state.map_err(|_| RowError::Column("delivery.state"))?,
        attempt: rows::number(row, 5, "delivery.attempt")?,
        sequence: rows::number(row, 6, "delivery.sequence")?,
        next_at: rows::time(row, 7)?,
        segment: if has_message {
            Some(rows::unsigned(row, 8, "message.body_segment")?)
        } else {
            None
        },
        was_sent: row.try_get(9)?,
        reports: if row.try_get::<Option<bool>, _>(10)? == Some(true) {
            Some(rows::report_request(row, 11)?.wanted())
        } else {
            None
        },
    })
}

impl Found {
    pub(super) fn place(&self) -> QueuePlace {
        QueuePlace {
            lane: self.lane.clone(),
            next_at: self.next_at,
            delivery: self.delivery,
        }
    }

    pub(super) const fn domain(&self) -> &Domain {
        &self.lane.domain
    }

    /// What is told of it; nothing where only its time changes.
    fn fact(&self, action: &Action, at: Timestamp) -> Option<Fact> {
        Some(match action {
            Action::Retry => return None,
            Action::Hold => Fact::Held,
            Action::Release => Fact::Released {
                state: if self.was_sent {
                    DeliveryState::Queued
                } else {
                    DeliveryState::Scheduled
                },
            },
            Action::Cancel => Fact::Cancelled,
            Action::Reject(reason) => Fact::Reject { reason: *reason },
            Action::Fail(reply) => Fact::Bounce {
                attempt: self.failed_attempt(reply, at),
                class: BounceClass::Other,
                bounce_type: BounceType::of_refusal(BounceClass::Other),
            },
        })
    }

    /// No host was tried: the reply is the operator's.
    fn failed_attempt(&self, reply: &Reply, at: Timestamp) -> Attempt {
        Attempt {
            number: self.attempt,
            started_at: at,
            ended_at: at,
            tracking_notes: Vec::new(),
            tries: vec![operator_try(self.lane.domain.clone(), reply.clone())],
        }
    }
}

const fn operator_try(host: Domain, reply: Reply) -> HostTry {
    HostTry {
        host,
        ip: None,
        tls: None,
        plaintext: None,
        phase: Phase::Render,
        reply,
        from_peer: false,
        dsn: false,
    }
}

impl Operation {
    /// Those that nobody works on. What leaves the queue can't be claimed from now on until the
    /// transaction has ended: a claim may read a snapshot in which it is still due.
    fn free<'o>(&'o self, shared: &Shared) -> Vec<&'o Found> {
        let mut claims = shared.claims();
        let ends = !matches!(self.action, Action::Retry | Action::Release);
        let mut free = Vec::with_capacity(self.found.len());
        for found in &self.found {
            let is_claimed = claims.get(found.delivery).is_some();
            if is_claimed && !self.aside.contains(&found.delivery) {
                continue;
            }
            if ends && !is_claimed && found.state == DeliveryState::Queued {
                claims.operate(found.delivery, &found.lane);
            }
            free.push(found);
        }
        free
    }

    /// Stages what follows: claims that nobody works on end, and what is queued is due in its lane.
    pub(super) fn stage(&self, staged: &mut Staged<'_>) {
        staged.ended.extend(&self.aside);
        if matches!(self.action, Action::Retry | Action::Release) {
            for found in &self.found {
                staged.due(&found.lane, self.at.min(found.next_at));
            }
            staged.rings = true;
        }
    }

    /// Changes the deliveries, with their events.
    pub(super) async fn carry_out(
        &self,
        connection: &mut SqliteConnection,
        statements: &Statements,
        shared: &Shared,
    ) -> Result<Done, sqlx::Error> {
        let free = self.free(shared);
        let mut done = Done::default();
        if self.action == Action::Retry {
            let bind = |query: Query<'static>, found: &&Found| {
                query
                    .bind(blob(found.delivery.as_bytes()))
                    .bind(self.at.as_micros())
            };
            for query in statements.release.batch(&free, bind) {
                done.changed += query.execute(&mut *connection).await?.rows_affected();
            }
            return Ok(done);
        }
        for found in free {
            self.change(connection, found, &mut done).await?;
        }
        Ok(done)
    }

    /// Changes one delivery, where it still stands as it was found.
    async fn change(
        &self,
        connection: &mut SqliteConnection,
        found: &Found,
        done: &mut Done,
    ) -> Result<(), sqlx::Error> {
        let Some(fact) = found.fact(&self.action, self.at) else {
            return Ok(());
        };
        let Ok(follows) = consequence(found.state, &fact) else {
            return Ok(());
        };
        let due_by = match fact {
            Fact::Released {
                state: DeliveryState::Queued,
            } => self.at.as_micros(),
            _ => i64::MAX,
        };
        let sql = "UPDATE delivery SET state = ?, next_at = MIN(next_at, ?), \
            sequence = sequence + 1 WHERE id = ? AND state = ? AND sequence = ?";
        let changed = sqlx::query(sql)
            .bind(follows.state.name())
            .bind(due_by)
            .bind(blob(found.delivery.as_bytes()))
            .bind(found.state.name())
            .bind(i64::from(found.sequence))
            .execute(&mut *connection)
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(());
        }
        done.changed += 1;
        let event = EventRow::new(
            (found.lane.workspace, found.configuration_set),
            found.delivery,
            i64::from(found.sequence) + 1,
            (self.at, &fact, follows.state),
        );
        done.newest = event.append(connection).await?.or(done.newest);
        let Some(segment) = found.segment else {
            return Ok(());
        };
        let wanted = found.reports;
        if wanted
            .and_then(|wanted| called_for(wanted, &fact))
            .is_some()
        {
            done.noted.push(Noted {
                delivery: found.delivery,
                sequence: i64::from(found.sequence) + 1,
                segment,
            });
        }
        if follows.state.is_final() {
            let live = end_body(connection, segment).await?;
            done.live.retain(|(counted, _)| *counted != segment);
            done.live.push((segment, live));
        }
        Ok(())
    }
}

/// A segment is needed for one body less. How many are left.
async fn end_body(connection: &mut SqliteConnection, segment: u64) -> Result<i64, sqlx::Error> {
    let sql = "UPDATE segment SET live = live - 1 WHERE id = ? RETURNING live";
    let live: Option<i64> = sqlx::query_scalar(sql)
        .bind(integer(segment))
        .fetch_optional(connection)
        .await?;
    // A segment that is gone is needed for nothing.
    Ok(live.unwrap_or(1))
}

impl SqliteStore {
    fn in_flight(&self, mut deliveries: Vec<DeliveryId>) -> Vec<DeliveryId> {
        let claims = self.shared.claims();
        deliveries.retain(|delivery| claims.get(*delivery).is_some());
        deliveries
    }
}

#[async_trait]
impl Operate for SqliteStore {
    async fn operate_some(
        &self,
        filter: &DeliveryFilter,
        action: &Action,
        now: Timestamp,
        course: &mut Course,
    ) -> Result<Batch, StoreError> {
        let states = action.about(filter).map(|about| (Waits::of(&about), about));
        let Some((waits, filter)) = states.filter(|(waits, _)| course.states < waits.len()) else {
            course.ended = true;
            return Ok(Batch::default());
        };
        // What is due already needs no push.
        let later_than = (*action == Action::Retry).then_some(now);
        let filter = (&filter, waits[course.states]);
        let found = page(&self.readers, filter, later_than, course.last.as_ref()).await?;
        let Some(end) = found.last() else {
            course.states += 1;
            course.last = None;
            course.ended = course.states == waits.len();
            return Ok(Batch::default());
        };
        let end = end.place();
        let count = found.len() as u64;
        let domains = found.iter().map(|found| found.domain().clone()).collect();
        let is_aside = |delivery: &DeliveryId| course.aside.contains(delivery);
        let ids: Vec<_> = found.iter().map(|found| found.delivery).collect();
        let aside: HashSet<_> = ids.iter().copied().filter(is_aside).collect();
        let operation = Operation {
            aside: aside.clone(),
            found,
            action: action.clone(),
            at: now,
        };
        let changed = self.changed(Change::Operate(operation)).await?;
        course.aside.retain(|delivery| !aside.contains(delivery));
        course.last = Some(end);
        Ok(Batch {
            changed,
            left_alone: count - changed,
            in_flight: self.in_flight(ids),
            domains,
        })
    }
}
