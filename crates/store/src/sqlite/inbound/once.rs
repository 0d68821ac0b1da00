//! What is told of a delivery once, however often mail says it.
//!
//! Anybody can send a report or a wish a second time, and providers do. Were each one told, one recipient
//! could make any number of complaints. It is known by the delivery's events, for as long as these are
//! kept. A wish to get no more is told again where it is not heeded any more, as it is by HTTP.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use postbell_model::{DeliveryId, EventKind, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::super::engagement::is_unsubscribed;
use super::super::rows::{self, RowError, blob};
use super::super::statements::{BatchStatement, Query, Statements};
use super::super::suppression::Rules;
use super::Told;

/// The statement that finds which feedback was told: delivery.
pub(super) fn statement() -> BatchStatement {
    // CROSS JOIN keeps the order: from what is asked for to its rows.
    BatchStatement::new(
        "SELECT DISTINCT e.delivery_id, e.kind FROM",
        1,
        "AS v CROSS JOIN event e INDEXED BY event_feedback ON e.delivery_id = v.column1 \
         WHERE e.kind IN ('Complaint', 'NotSpam')",
    )
}

/// What was told of which deliveries, and is not told of them again.
#[derive(Debug, Default)]
pub(super) struct Once(HashSet<(DeliveryId, EventKind)>);

impl Once {
    /// Looks up what was told of these facts' deliveries.
    pub(super) async fn look<'t>(
        connection: &mut SqliteConnection,
        statements: &Statements,
        facts: impl Iterator<Item = (Timestamp, &'t Told)>,
        rules: Rules<'_>,
    ) -> Result<Self, sqlx::Error> {
        let mut feedback = BTreeSet::new();
        let mut wishes = BTreeMap::new();
        for (at, told) in facts {
            let Some(delivery) = told.delivery() else {
                continue;
            };
            if is_feedback(told.kind) {
                feedback.insert(delivery);
            } else if told.kind == EventKind::Unsubscribe {
                wishes.insert(delivery, at);
            }
        }
        let feedback: Vec<_> = feedback.into_iter().collect();
        let bind = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
        let mut before = HashSet::new();
        for query in statements.receptions.feedback.batch(&feedback, bind) {
            for row in query.fetch_all(&mut *connection).await? {
                match read(&row) {
                    Ok(told) => drop(before.insert(told)),
                    Err(error) => tracing::error!(%error, "an event can't be read"),
                }
            }
        }
        for (delivery, at) in wishes {
            let (list, about) = (&statements.list, (rules, at));
            if is_unsubscribed(&mut *connection, list, delivery, about).await? {
                before.insert((delivery, EventKind::Unsubscribe));
            }
        }
        Ok(Self(before))
    }

    /// Notes that something is told of a delivery; whether it may be.
    pub(super) fn take(&mut self, delivery: DeliveryId, kind: EventKind) -> bool {
        let is_told_once = is_feedback(kind) || kind == EventKind::Unsubscribe;
        !is_told_once || self.0.insert((delivery, kind))
    }
}

/// A complaint, or its contrary, whatever type of feedback it gives: types can be made up.
const fn is_feedback(kind: EventKind) -> bool {
    matches!(kind, EventKind::Complaint | EventKind::NotSpam)
}

fn read(row: &SqliteRow) -> Result<(DeliveryId, EventKind), RowError> {
    let kind = row.try_get::<&str, _>(1)?.parse();
    let kind = kind.map_err(|_| RowError::Column("event.kind"))?;
    Ok((
        DeliveryId::from_bytes(rows::octets(row, 0, "event.delivery_id")?),
        kind,
    ))
}
