//! What is told of a delivery once, however often mail says it.
//!
//! Anybody can send a report a second time, and providers do. Were each one told, one recipient could
//! make any number of complaints. It is known by the delivery's events, for as long as these are kept.

use std::collections::{BTreeSet, HashSet};

use postbell_model::{DeliveryId, EventKind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::super::rows::{self, RowError, blob};
use super::super::statements::{BatchStatement, Query};
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
    pub(super) async fn look(
        connection: &mut SqliteConnection,
        statement: &BatchStatement,
        facts: impl Iterator<Item = &Told>,
    ) -> Result<Self, sqlx::Error> {
        let feedback = facts.filter(|told| is_feedback(told.kind));
        let about: BTreeSet<_> = feedback.filter_map(Told::delivery).collect();
        let about: Vec<_> = about.into_iter().collect();
        let bind = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
        let mut before = HashSet::new();
        for query in statement.batch(&about, bind) {
            for row in query.fetch_all(&mut *connection).await? {
                match read(&row) {
                    Ok(told) => drop(before.insert(told)),
                    Err(error) => tracing::error!(%error, "an event can't be read"),
                }
            }
        }
        Ok(Self(before))
    }

    /// Notes that something is told of a delivery; whether it may be.
    pub(super) fn take(&mut self, delivery: DeliveryId, kind: EventKind) -> bool {
        !is_feedback(kind) || self.0.insert((delivery, kind))
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
