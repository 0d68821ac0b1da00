//! New mail to addresses on the list: taken, and ended at once.
//!
//! The rows are written as for any mail, with the look among them: it costs no statement of its own.
//! What it finds is few as a rule, and is ended before anybody can see it.

use std::collections::{HashMap, HashSet};

use postbell_model::{DeliveryId, Fact};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::record;

use super::super::intake::DeliveryRow;
use super::super::rows::{blob, integer};
use super::super::statements::Query;
use super::rows::{HOLD_AT, Hold, Key, ListStatements, hold_of, place_of};

/// A recipient of new mail who is looked up.
#[derive(Debug)]
pub(in crate::sqlite) struct Sought {
    /// The delivery, by its place among those of the transaction.
    pub delivery: usize,
    pub key: Key,
}

impl Sought {
    pub(in crate::sqlite) fn bind(query: Query<'static>, sought: &Self) -> Query<'static> {
        sought.key.seek(sought.delivery, query)
    }

    /// What a row that was found is about, of all that were bound in the order of their deliveries.
    pub(in crate::sqlite) fn found(all: &[Self], row: &SqliteRow) -> Option<(usize, Hold)> {
        let delivery = place_of(row, usize::MAX)?;
        let at = all.binary_search_by_key(&delivery, |sought| sought.delivery);
        let sought = all.get(at.ok()?)?;
        let is_of_it = sought.key.is_of(row);
        is_of_it.then(|| (delivery, hold_of(row, HOLD_AT)))
    }
}

/// What a transaction does not send of what it takes.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Unsent {
    pub deliveries: HashSet<DeliveryId>,
    /// What each segment that was counted is still needed for.
    pub live: Vec<(u64, i64)>,
}

/// Ends those of the new deliveries that an entry which was found is about, each with a `Reject` in
/// the place of its first event.
pub(in crate::sqlite) async fn end_arrivals(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    rows: &[DeliveryRow<'_>],
    found: Vec<(usize, Hold)>,
) -> Result<Unsent, sqlx::Error> {
    let mut ended: HashMap<DeliveryId, String> = HashMap::new();
    let mut bodies: HashMap<u64, i64> = HashMap::new();
    for (at, hold) in found {
        let Some(row) = rows.get(at) else { continue };
        let is_known = ended.contains_key(&row.id());
        if is_known || !hold.holds(row.stream(), row.accepted_at()) {
            continue;
        }
        let fact = Fact::Suppressed(Box::new(hold.by));
        ended.insert(row.id(), record::write(&fact).unwrap_or_default());
        *bodies.entry(row.segment()).or_default() += 1;
    }
    if ended.is_empty() {
        return Ok(Unsent::default());
    }
    let deliveries: Vec<_> = ended.iter().collect();
    let id =
        |query: Query<'static>, (id, _): &(&DeliveryId, &String)| query.bind(blob(id.as_bytes()));
    for query in statements.end_deliveries.batch(&deliveries, id) {
        query.execute(&mut *connection).await?;
    }
    let event = |query: Query<'static>, (id, payload): &(&DeliveryId, &String)| {
        query.bind(blob(id.as_bytes())).bind((*payload).clone())
    };
    for query in statements.end_events.batch(&deliveries, event) {
        query.execute(&mut *connection).await?;
    }
    let live = let_go(connection, &bodies).await?;
    Ok(Unsent {
        deliveries: ended.into_keys().collect(),
        live,
    })
}

/// Files are needed for so many bodies less: for how many each still is.
async fn let_go(
    connection: &mut SqliteConnection,
    bodies: &HashMap<u64, i64>,
) -> Result<Vec<(u64, i64)>, sqlx::Error> {
    let mut live = Vec::with_capacity(bodies.len());
    for (segment, count) in bodies {
        let sql = "UPDATE segment SET live = live - ? WHERE id = ? RETURNING live";
        let left: i64 = sqlx::query_scalar(sql)
            .bind(count)
            .bind(integer(*segment))
            .fetch_one(&mut *connection)
            .await?;
        live.push((*segment, left));
    }
    Ok(live)
}
