//! The events of what others say of deliveries, by mail or by way of the tracking host, and the states
//! that follow.
//!
//! It is said of deliveries that nobody has claimed for it, so it is read in the transaction how each
//! of them stands, after all else that the transaction does to them.

use std::collections::{BTreeSet, HashMap};

use postbell_model::consequence::consequence;
use postbell_model::{ConfigurationSetId, DeliveryId, DeliveryState, Fact, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{InboundFact, Position, Taken};

use super::super::rows::{self, RowError, blob};
use super::super::statements::{BatchStatement, Query};
use super::super::suppression::{Follow, Rules};
use super::intake::ReceptionStatements;
use super::once::Once;
use super::{Incoming, Told};

/// How a delivery stands.
struct Standing {
    state: DeliveryState,
    is_changed: bool,
    /// The number of its latest event.
    sequence: u32,
    workspace: WorkspaceId,
    set: ConfigurationSetId,
    /// Its events were removed, and little else is left.
    is_slim: bool,
    /// When the newest of what is told of it now has come.
    told_at: Option<Timestamp>,
}

/// How a delivery stands that something was told of.
type StandingRow<'l> = (&'l DeliveryId, &'l Standing, Timestamp);

/// An event as it is appended.
struct Line<'b> {
    told: &'b Told,
    at: Timestamp,
    workspace: WorkspaceId,
    set: ConfigurationSetId,
    delivery: Option<DeliveryId>,
    sequence: u32,
}

/// What is appended to the log, and how the deliveries stand then.
pub(in crate::sqlite) struct Log<'b> {
    lines: Vec<Line<'b>>,
    deliveries: HashMap<DeliveryId, Standing>,
    once: Once,
}

impl<'b> Log<'b> {
    /// Looks how the deliveries stand that something is said of.
    pub(in crate::sqlite) async fn look(
        connection: &mut SqliteConnection,
        statements: &ReceptionStatements,
        about: impl Iterator<Item = DeliveryId>,
    ) -> Result<Self, sqlx::Error> {
        let about: BTreeSet<_> = about.collect();
        let about: Vec<_> = about.into_iter().collect();
        let mut deliveries = HashMap::with_capacity(about.len());
        find(
            connection,
            (&statements.deliveries, false),
            &about,
            &mut deliveries,
        )
        .await?;
        let mut gone = about;
        gone.retain(|delivery| !deliveries.contains_key(delivery));
        find(connection, (&statements.slim, true), &gone, &mut deliveries).await?;
        Ok(Self {
            lines: Vec::new(),
            deliveries,
            once: Once::default(),
        })
    }

    /// Tells nothing of a delivery a second time that is told once.
    pub(super) fn telling(self, once: Once) -> Self {
        Self { once, ..self }
    }

    pub(super) fn take(&mut self, incoming: &'b Incoming) -> Taken {
        let mut taken = Taken::default();
        for mail in &incoming.mails {
            for told in &mail.facts {
                match self.tell(told, mail.mail.at) {
                    true => taken.recorded += 1,
                    false => taken.left_out += 1,
                }
            }
        }
        taken
    }

    /// Notes an event of a fact; whether it can be.
    pub(in crate::sqlite) fn tell(&mut self, told: &'b Told, at: Timestamp) -> bool {
        let line = self.line(told, at);
        let can_be = line.is_some();
        self.lines.extend(line);
        can_be
    }

    /// The event of a fact; `None`: it can't be.
    fn line(&mut self, told: &'b Told, at: Timestamp) -> Option<Line<'b>> {
        let (delivery, fact) = match &told.fact {
            InboundFact::Delivery { delivery, fact } => (*delivery, fact),
            InboundFact::Workspace {
                workspace,
                configuration_set,
                ..
            } => {
                // An event of no delivery has no place among its events.
                return Some(Line {
                    told,
                    at,
                    workspace: *workspace,
                    set: *configuration_set,
                    delivery: None,
                    sequence: 0,
                });
            }
        };
        let standing = self.deliveries.get_mut(&delivery)?;
        if !is_said_by_others(fact) {
            return None;
        }
        let follows = consequence(standing.state, fact).ok()?;
        let sequence = standing.sequence.checked_add(1)?;
        if !self.once.take(delivery, told.kind) {
            return None;
        }
        standing.is_changed |= standing.state != follows.state;
        standing.state = follows.state;
        standing.sequence = sequence;
        standing.told_at = standing.told_at.max(Some(at));
        Some(Line {
            told,
            at,
            workspace: standing.workspace,
            set: standing.set,
            delivery: Some(delivery),
            sequence,
        })
    }

    /// Changes the deliveries and appends the events: the place of the last.
    pub(in crate::sqlite) async fn write(
        &self,
        connection: &mut SqliteConnection,
        statements: &ReceptionStatements,
    ) -> Result<Option<Position>, sqlx::Error> {
        self.write_deliveries(connection, statements).await?;
        let mut newest = None;
        for query in statements.events.batch(&self.lines, Line::bind) {
            let written = query.execute(&mut *connection).await?;
            newest = Some(Position(written.last_insert_rowid().unsigned_abs()));
        }
        Ok(newest)
    }

    async fn write_deliveries(
        &self,
        connection: &mut SqliteConnection,
        statements: &ReceptionStatements,
    ) -> Result<(), sqlx::Error> {
        let told = self.deliveries.iter();
        let told = told.filter_map(|(id, standing)| Some((id, standing, standing.told_at?)));
        let mut told: Vec<StandingRow<'_>> = told.collect();
        // By the order of the table: neighbours share a page.
        told.sort_unstable_by_key(|(id, _, _)| *id);
        let (slim, full): (Vec<_>, Vec<_>) = told
            .into_iter()
            .partition(|(_, standing, _)| standing.is_slim);
        let (changed, counted): (Vec<_>, Vec<_>) = full
            .into_iter()
            .partition(|(_, standing, _)| standing.is_changed);
        let count = |query: Query<'static>, (id, standing, _): &StandingRow<'_>| {
            let query = query.bind(blob(id.as_bytes()));
            query.bind(i64::from(standing.sequence))
        };
        let change = |query: Query<'static>, (id, standing, _): &StandingRow<'_>| {
            let query = query.bind(blob(id.as_bytes()));
            let query = query.bind(standing.state.name());
            query.bind(i64::from(standing.sequence))
        };
        let counted = statements.count_deliveries.batch(&counted, count);
        let changed = statements.change_deliveries.batch(&changed, change);
        let slim = statements.change_slim.batch(&slim, |query, row| {
            change(query, row).bind(row.2.as_micros())
        });
        for query in counted.chain(changed).chain(slim) {
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// What may put somebody on the suppression list.
    pub(in crate::sqlite) fn follow(&self, rules: Rules<'_>) -> Vec<Follow<'b>> {
        let follow = self.lines.iter().filter_map(|line| {
            let told: &'b Told = line.told;
            let InboundFact::Delivery { delivery, fact } = &told.fact else {
                return None;
            };
            rules.ask(fact).then_some(Follow {
                delivery: *delivery,
                event: told.id,
                at: line.at,
                fact,
            })
        });
        follow.collect()
    }

    /// Deliveries that may be in flight, with the number of their latest event.
    pub(in crate::sqlite) fn told(&self) -> Vec<(DeliveryId, u32)> {
        let told = self.deliveries.iter();
        let told = told.filter(|(_, standing)| standing.told_at.is_some() && !standing.is_slim);
        told.map(|(id, standing)| (*id, standing.sequence))
            .collect()
    }
}

/// Whether it is among what others say of a delivery: nothing else is taken from them.
const fn is_said_by_others(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::LateBounce { .. }
            | Fact::LateDelay { .. }
            | Fact::Confirmed { .. }
            | Fact::Complaint(_)
            | Fact::NotSpam(_)
            | Fact::Reply(_)
            | Fact::Unsubscribe { .. }
            | Fact::Open(_)
            | Fact::Click(_)
    )
}

impl Line<'_> {
    fn bind(query: Query<'static>, line: &Self) -> Query<'static> {
        query
            .bind(blob(line.told.id.as_bytes()))
            .bind(i64::from(line.workspace.0))
            .bind(i64::from(line.set.0))
            .bind(line.delivery.map(|delivery| blob(delivery.as_bytes())))
            .bind(i64::from(line.sequence))
            .bind(line.told.kind.name())
            .bind(line.at.as_micros())
            .bind(line.told.payload.clone())
    }
}

/// Adds how these deliveries stand. One whose row can't be read is as good as gone.
async fn find(
    connection: &mut SqliteConnection,
    (statement, is_slim): (&BatchStatement, bool),
    about: &[DeliveryId],
    found: &mut HashMap<DeliveryId, Standing>,
) -> Result<(), sqlx::Error> {
    let bind = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    for query in statement.batch(about, bind) {
        for row in query.fetch_all(&mut *connection).await? {
            match read(&row, is_slim) {
                Ok((id, standing)) => drop(found.insert(id, standing)),
                Err(error) => {
                    tracing::error!(%error, "a delivery can't be read: what came of it is left out");
                }
            }
        }
    }
    Ok(())
}

fn read(row: &SqliteRow, is_slim: bool) -> Result<(DeliveryId, Standing), RowError> {
    let id = DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?);
    let state = row.try_get::<&str, _>(1)?.parse();
    let standing = Standing {
        state: state.map_err(|_| RowError::Column("delivery.state"))?,
        is_changed: false,
        sequence: rows::number(row, 2, "delivery.sequence")?,
        workspace: WorkspaceId(rows::number(row, 3, "delivery.workspace_id")?),
        set: ConfigurationSetId(rows::number(row, 4, "configuration_set_id")?),
        is_slim,
        told_at: None,
    };
    Ok((id, standing))
}
