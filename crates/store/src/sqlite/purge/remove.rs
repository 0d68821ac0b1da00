//! What the committer removes.

use postbell_model::{DeliveryId, DestinationId, InboundId, MessageId, Timestamp};
use sqlx::SqliteConnection;

use crate::Position;

use super::super::idempotency;
use super::super::rows::{blob, integer};
use super::super::statements::{BatchStatement, Query};
use super::super::suppression::{self, ListOver};

/// Keys that are removed at a time.
const KEYS: i64 = 256;

/// What is to be removed in one transaction.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Leaving {
    pub messages: Vec<MessageId>,
    /// With their events and what is still kept of calls about these, unless something was told of
    /// one of them after `as_of`: then they stay, and their messages.
    pub deliveries: Vec<DeliveryId>,
    /// Slim records whose events go so.
    pub quiet: Vec<DeliveryId>,
    pub as_of: Position,
    /// Of deliveries that were made since then a slim record is left; `None`: of all.
    pub slim_since: Option<Timestamp>,
    /// Slim records.
    pub slim: Vec<DeliveryId>,
    /// Files of mail that came in, the newest in each being older than this.
    pub kept_before: Option<Timestamp>,
    /// Mail that came in.
    pub inbound: Vec<InboundId>,
    /// Names of addresses of links, unless one is kept again since `links_before`.
    pub links: Vec<[u8; 16]>,
    pub links_before: Option<Timestamp>,
    /// Events about workspaces.
    pub events: Vec<Position>,
    /// Of the log of calls, by destination and number.
    pub calls: Vec<(DestinationId, u64)>,
    /// Some of the keys that have expired at this time.
    pub expired: Option<Timestamp>,
    /// Some of what is over of the suppression list.
    pub list: Option<ListOver>,
}

impl Leaving {
    /// Rows that it is about, roughly.
    pub(in crate::sqlite) fn rows(&self) -> usize {
        // A delivery has two or three events, perhaps visits, and leaves a row.
        let deliveries = 6 * self.deliveries.len() + 2 * self.quiet.len() + self.slim.len();
        let others = self.events.len() + self.calls.len() + self.inbound.len() + self.links.len();
        self.messages.len() + deliveries + others
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
    /// Delivery; then the position as of which they were looked at.
    pub stirred: BatchStatement,
    /// Delivery; then the lowest of those that leave a slim record.
    pub leave_slim: BatchStatement,
    /// Delivery.
    pub quiet: BatchStatement,
    /// Delivery.
    pub slim: BatchStatement,
    /// Inbound message.
    pub inbound: BatchStatement,
    /// Delivery.
    pub visits: BatchStatement,
    /// Name; then before when it was last kept.
    pub links: BatchStatement,
}

/// What was removed.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Removed {
    /// How many rows, retries aside.
    pub rows: u64,
    /// What each segment that was counted is still needed for.
    pub live: Vec<(u64, i64)>,
    /// Files of what came in whose time is over.
    pub kept_ended: Vec<u64>,
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
            stirred: BatchStatement::new(
                "SELECT e.delivery_id FROM",
                1,
                "AS v CROSS JOIN event e ON e.delivery_id = v.column1 \
                 WHERE e.position > ? LIMIT 1",
            ),
            // What JSON can't be read has no stream.
            leave_slim: BatchStatement::new(
                "INSERT INTO slim_delivery (id, message_id, workspace_id, configuration_set_id, \
                 recipient, state, sequence, header_message_id, accepted_at, stream) \
                 SELECT d.id, d.message_id, d.workspace_id, m.configuration_set_id, d.recipient, \
                 d.state, d.sequence, m.header_message_id, m.accepted_at, \
                 CASE WHEN json_valid(m.instructions) THEN m.instructions ->> '$.stream' END FROM",
                1,
                "AS v CROSS JOIN delivery d ON d.id = v.column1 \
                 CROSS JOIN message m ON m.id = d.message_id WHERE d.id >= ?",
            ),
            quiet: remove("UPDATE slim_delivery SET told_at = NULL WHERE id IN", 1),
            slim: remove(
                "DELETE FROM slim_delivery WHERE told_at IS NULL AND id IN",
                1,
            ),
            inbound: remove("DELETE FROM inbound WHERE id IN", 1),
            visits: remove("DELETE FROM visit WHERE delivery_id IN", 1),
            links: BatchStatement::new("DELETE FROM link WHERE name IN", 1, "AND kept_at < ?"),
        }
    }
}

/// Removes all of it.
pub(in crate::sqlite) async fn remove(
    connection: &mut SqliteConnection,
    statements: &PurgeStatements,
    leaving: &Leaving,
) -> Result<Removed, sqlx::Error> {
    let mut removed = Removed {
        rows: remove_others(connection, statements, leaving).await?,
        ..Removed::default()
    };
    if !is_stirred(connection, statements, leaving).await? {
        removed.rows += remove_deliveries(connection, statements, leaving).await?;
    }
    let delivery = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    let slim = statements.slim.batch(&leaving.slim, delivery);
    removed.rows += run(connection, slim).await?;
    let id = |query: Query<'static>, id: &InboundId| query.bind(blob(id.as_bytes()));
    let inbound = statements.inbound.batch(&leaving.inbound, id);
    removed.rows += run(connection, inbound).await?;
    if let Some(before) = leaving.links_before {
        let name = |query: Query<'static>, name: &[u8; 16]| query.bind(name.to_vec());
        let links = statements.links.batch(&leaving.links, name);
        let links = links.map(|query| query.bind(before.as_micros()));
        removed.rows += run(connection, links).await?;
    }
    if let Some(before) = leaving.kept_before {
        removed.live = end_kept(connection, before).await?;
        removed.kept_ended = removed.live.iter().map(|(segment, _)| *segment).collect();
        removed.rows += removed.live.len() as u64;
    }
    Ok(removed)
}

/// The time of these files is over: what each is still needed for.
async fn end_kept(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<Vec<(u64, i64)>, sqlx::Error> {
    let sql = "UPDATE segment SET kept_at = NULL, live = live - 1 WHERE kept_at < ? \
        RETURNING id, live";
    let ended: Vec<(i64, i64)> = sqlx::query_as(sql)
        .bind(before.as_micros())
        .fetch_all(connection)
        .await?;
    let ended = ended.into_iter();
    Ok(ended.map(|(id, live)| (id.unsigned_abs(), live)).collect())
}

/// Whether something was told of one of the deliveries since they were looked at.
async fn is_stirred(
    connection: &mut SqliteConnection,
    statements: &PurgeStatements,
    leaving: &Leaving,
) -> Result<bool, sqlx::Error> {
    let delivery = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    for deliveries in [&leaving.deliveries, &leaving.quiet] {
        for query in statements.stirred.batch(deliveries, delivery) {
            let query = query.bind(integer(leaving.as_of.0));
            if query.fetch_optional(&mut *connection).await?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Deliveries, their events and their messages: how many rows went, retries aside.
async fn remove_deliveries(
    connection: &mut SqliteConnection,
    statements: &PurgeStatements,
    leaving: &Leaving,
) -> Result<u64, sqlx::Error> {
    let delivery = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    let message = |query: Query<'static>, id: &MessageId| query.bind(blob(id.as_bytes()));
    let mut removed = 0;
    for deliveries in [&leaving.deliveries, &leaving.quiet] {
        // Retries first: their events say whose they are.
        let retries = statements.retries_of_deliveries.batch(deliveries, delivery);
        run(connection, retries).await?;
        let events = statements.events_of_deliveries.batch(deliveries, delivery);
        removed += run(connection, events).await?;
    }
    let quiet = statements.quiet.batch(&leaving.quiet, delivery);
    run(connection, quiet).await?;
    let since = leaving.slim_since.map(DeliveryId::lowest_at);
    let since = since.map_or_else(Vec::new, |id| blob(id.as_bytes()));
    let slim = statements.leave_slim.batch(&leaving.deliveries, delivery);
    let slim = slim.map(|query| query.bind(since.clone()));
    run(connection, slim).await?;
    let visits = statements.visits.batch(&leaving.deliveries, delivery);
    run(connection, visits).await?;
    let deliveries = statements.deliveries.batch(&leaving.deliveries, delivery);
    removed += run(connection, deliveries).await?;
    let messages = statements.messages.batch(&leaving.messages, message);
    removed += run(connection, messages).await?;
    Ok(removed)
}

/// Events about workspaces, calls and keys: how many rows went, retries aside.
async fn remove_others(
    connection: &mut SqliteConnection,
    statements: &PurgeStatements,
    leaving: &Leaving,
) -> Result<u64, sqlx::Error> {
    let event = |query: Query<'static>, position: &Position| query.bind(integer(position.0));
    let call = |query: Query<'static>, (destination, number): &(DestinationId, u64)| {
        let query = query.bind(blob(destination.as_bytes()));
        query.bind(integer(*number))
    };
    let retries = statements.retries_of_events.batch(&leaving.events, event);
    run(connection, retries).await?;
    let events = statements.events.batch(&leaving.events, event);
    let mut removed = run(connection, events).await?;
    let calls = statements.calls.batch(&leaving.calls, call);
    removed += run(connection, calls).await?;
    if let Some(now) = leaving.expired {
        removed += idempotency::forget(connection, now, KEYS).await?;
    }
    if let Some(over) = leaving.list {
        removed += suppression::remove_some(connection, over).await?;
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
