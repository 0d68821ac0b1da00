//! What the committer removes.

use postbell_model::{DeliveryId, DestinationId, MessageId, Timestamp};
use sqlx::SqliteConnection;

use crate::Position;

use super::super::idempotency;
use super::super::rows::{blob, integer};
use super::super::statements::{BatchStatement, Query};

/// Keys that are removed at a time.
const KEYS: i64 = 256;

/// What is to be removed in one transaction.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Leaving {
    pub messages: Vec<MessageId>,
    /// With their events and what is still kept of calls about these.
    pub deliveries: Vec<DeliveryId>,
    /// Events about workspaces.
    pub events: Vec<Position>,
    /// Of the log of calls, by destination and number.
    pub calls: Vec<(DestinationId, u64)>,
    /// Some of the keys that have expired at this time.
    pub expired: Option<Timestamp>,
}

impl Leaving {
    /// Rows that it is about, roughly.
    pub(in crate::sqlite) fn rows(&self) -> usize {
        // A delivery has two or three events.
        self.messages.len() + 4 * self.deliveries.len() + self.events.len() + self.calls.len()
    }
}

/// The statements that remove.
#[derive(Debug)]
pub(in crate::sqlite) struct PurgeStatements {
    /// Delivery.
    pub retries_of_deliveries: BatchStatement,
    /// Delivery.
    pub events_of_deliveries: BatchStatement,
    /// Delivery.
    pub deliveries: BatchStatement,
    /// Message.
    pub messages: BatchStatement,
    /// Position.
    pub retries_of_events: BatchStatement,
    /// Position.
    pub events: BatchStatement,
    /// Destination, number.
    pub calls: BatchStatement,
}

impl PurgeStatements {
    pub(in crate::sqlite) fn new() -> Self {
        let remove = |head: &str, columns| BatchStatement::new(head, columns, "");
        // CROSS JOIN keeps the order: from the few that leave to what belongs to them.
        let retries = |of: &str| {
            let head = "DELETE FROM webhook_retry WHERE (destination_id, position) IN \
                (SELECT t.id, e.position FROM";
            let tail = format!(
                "AS v CROSS JOIN event e ON e.{of} = v.column1 \
                 CROSS JOIN destination t ON t.workspace_id = e.workspace_id)"
            );
            BatchStatement::new(head, 1, &tail)
        };
        Self {
            retries_of_deliveries: retries("delivery_id"),
            events_of_deliveries: remove("DELETE FROM event WHERE delivery_id IN", 1),
            deliveries: remove("DELETE FROM delivery WHERE id IN", 1),
            messages: remove("DELETE FROM message WHERE id IN", 1),
            retries_of_events: retries("position"),
            events: remove("DELETE FROM event WHERE position IN", 1),
            calls: remove(
                "DELETE FROM webhook_call WHERE (destination_id, number) IN",
                2,
            ),
        }
    }
}

/// Removes all of it. How many rows went, retries aside.
pub(in crate::sqlite) async fn remove(
    connection: &mut SqliteConnection,
    statements: &PurgeStatements,
    leaving: &Leaving,
) -> Result<u64, sqlx::Error> {
    let delivery = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    let message = |query: Query<'static>, id: &MessageId| query.bind(blob(id.as_bytes()));
    let event = |query: Query<'static>, position: &Position| query.bind(integer(position.0));
    let call = |query: Query<'static>, (destination, number): &(DestinationId, u64)| {
        let query = query.bind(blob(destination.as_bytes()));
        query.bind(integer(*number))
    };
    // Retries first: their events say whose they are.
    let of_deliveries = &leaving.deliveries;
    let retries = statements
        .retries_of_deliveries
        .batch(of_deliveries, delivery);
    run(connection, retries).await?;
    let retries = statements.retries_of_events.batch(&leaving.events, event);
    run(connection, retries).await?;
    let events = statements
        .events_of_deliveries
        .batch(of_deliveries, delivery);
    let mut removed = run(connection, events).await?;
    let deliveries = statements.deliveries.batch(of_deliveries, delivery);
    removed += run(connection, deliveries).await?;
    let messages = statements.messages.batch(&leaving.messages, message);
    removed += run(connection, messages).await?;
    let events = statements.events.batch(&leaving.events, event);
    removed += run(connection, events).await?;
    let calls = statements.calls.batch(&leaving.calls, call);
    removed += run(connection, calls).await?;
    if let Some(now) = leaving.expired {
        removed += idempotency::forget(connection, now, KEYS).await?;
    }
    Ok(removed)
}

async fn run(
    connection: &mut SqliteConnection,
    queries: impl Iterator<Item = Query<'static>>,
) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    for query in queries {
        removed += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(removed)
}
