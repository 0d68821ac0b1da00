//! All that is known of a message: its deliveries, their events, and who was told of them.

use std::collections::HashMap;
use std::sync::Arc;

use postbell_model::{
    Delivery, DeliveryId, DeliveryState, DestinationId, Event, Message, MessageId, Timestamp,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, QueryBuilder, Row};

use crate::{
    DeliveryHistory, EventHistory, History, MessageOrDelivery, Position, StoreError, Told,
};

use super::super::errors::read_error;
use super::super::event_rows::{EVENT_COLUMNS, read_event};
use super::super::rows::{self, RowError, blob, integer};
use super::filter;

/// Where the message begins in [`delivery_row`]'s row.
pub(super) const MESSAGE_AT: usize = 9;
const DELIVERY_COLUMNS: &str = "d.id, d.recipient, d.attempt, d.sequence, d.expires_at, \
    d.notify, d.orcpt, d.state, d.next_at";

pub(super) async fn history(
    pool: &SqlitePool,
    id: MessageOrDelivery,
) -> Result<Option<History>, StoreError> {
    let Some((message, ids)) = find(pool, id).await? else {
        return Ok(None);
    };
    let destinations = destinations(pool, &message).await?;
    let mut deliveries = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(row) = delivery_row(pool, id).await? {
            let (delivery, state, next_at) = read_delivery(&row, id).map_err(StoreError::from)?;
            deliveries.push(DeliveryHistory {
                delivery,
                state,
                next_at,
                events: events(pool, id, &destinations).await?,
            });
        }
    }
    Ok(Some(History {
        message,
        deliveries,
    }))
}

/// The message, and its deliveries in the order of their ids.
async fn find(
    pool: &SqlitePool,
    MessageOrDelivery(id): MessageOrDelivery,
) -> Result<Option<(Arc<Message>, Vec<DeliveryId>)>, StoreError> {
    let message = match delivery_row(pool, DeliveryId::from_bytes(id)).await? {
        Some(row) => Some(rows::read_message(&row, MESSAGE_AT)?.0),
        None => message(pool, MessageId::from_bytes(id)).await?,
    };
    let Some(message) = message else {
        return Ok(None);
    };
    let mut query = QueryBuilder::new("SELECT d.id FROM delivery d WHERE d.message_id = ");
    query.push_bind(blob(message.id.as_bytes()));
    filter::push_made_at(&mut query, message.id.made_at());
    query.push(" ORDER BY d.id");
    let found = query.build().fetch_all(pool).await;
    let found = found.map_err(|error| read_error(&error))?;
    let ids = found.iter().map(|row| rows::octets(row, 0, "delivery.id"));
    let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
    let ids = ids.into_iter().map(DeliveryId::from_bytes).collect();
    Ok(Some((message, ids)))
}

async fn message(pool: &SqlitePool, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
    let sql = format!(
        "SELECT {} FROM message m WHERE m.id = ?",
        rows::MESSAGE_COLUMNS
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(blob(id.as_bytes()))
        .fetch_optional(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(match found {
        Some(row) => Some(rows::read_message(&row, 0)?.0),
        None => None,
    })
}

/// A delivery's row with that of its message.
pub(super) async fn delivery_row(
    pool: &SqlitePool,
    id: DeliveryId,
) -> Result<Option<SqliteRow>, StoreError> {
    let sql = format!(
        "SELECT {DELIVERY_COLUMNS}, {} FROM delivery d JOIN message m ON m.id = d.message_id \
         WHERE d.id = ?",
        rows::MESSAGE_COLUMNS
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(blob(id.as_bytes()))
        .fetch_optional(pool)
        .await
        .map_err(|error| read_error(&error))
}

/// The delivery of a row, its state and when it is due.
pub(super) fn read_delivery(
    row: &SqliteRow,
    id: DeliveryId,
) -> Result<(Delivery, DeliveryState, Timestamp), RowError> {
    let delivery = Delivery {
        id,
        recipient: rows::address(row.try_get(1)?, "delivery.recipient")?,
        attempt: rows::number(row, 2, "delivery.attempt")?,
        sequence: rows::number(row, 3, "delivery.sequence")?,
        expires_at: rows::time(row, 4)?,
        report: rows::report_request(row, 5)?,
    };
    let state = row.try_get::<&str, _>(7)?.parse();
    let state = state.map_err(|_| RowError::Column("delivery.state"))?;
    Ok((delivery, state, rows::time(row, 8)?))
}

/// A delivery's latest event.
pub(super) async fn latest_event(
    pool: &SqlitePool,
    id: DeliveryId,
) -> Result<Option<Event>, StoreError> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM event e WHERE e.delivery_id = ? \
         ORDER BY e.sequence DESC LIMIT 1"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(blob(id.as_bytes()))
        .fetch_optional(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(match found {
        Some(row) => Some(read_event(&row)?.1),
        None => None,
    })
}

async fn events(
    pool: &SqlitePool,
    id: DeliveryId,
    destinations: &[Cursor],
) -> Result<Vec<EventHistory>, StoreError> {
    let sql =
        format!("SELECT {EVENT_COLUMNS} FROM event e WHERE e.delivery_id = ? ORDER BY e.sequence");
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(blob(id.as_bytes()))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    let mut events = Vec::with_capacity(found.len());
    for row in &found {
        let (position, event) = read_event(row)?;
        let retries = retries(pool, position).await?;
        let told = destinations.iter().map(|cursor| {
            (
                cursor.destination,
                cursor.told(position, event.at, &retries),
            )
        });
        events.push(EventHistory {
            position,
            told: told.collect(),
            event,
        });
    }
    Ok(events)
}

/// How far a destination has come.
struct Cursor {
    destination: DestinationId,
    position: Position,
    made_at: Timestamp,
}

impl Cursor {
    fn told(
        &self,
        position: Position,
        at: Timestamp,
        retries: &HashMap<DestinationId, Told>,
    ) -> Told {
        if at < self.made_at {
            return Told::Never;
        }
        match retries.get(&self.destination) {
            Some(told) => told.clone(),
            None if position <= self.position => Told::Done,
            None => Told::Waiting,
        }
    }
}

/// The destinations that hear of a message.
async fn destinations(pool: &SqlitePool, message: &Message) -> Result<Vec<Cursor>, StoreError> {
    let sql = "SELECT t.id, c.position, t.created_at FROM destination t \
        JOIN cursor c ON c.destination_id = t.id AND c.log = 0 \
        WHERE t.workspace_id = ?1 AND COALESCE(t.configuration_set_id, ?2) = ?2 ORDER BY t.id";
    let found = sqlx::query(sql)
        .bind(i64::from(message.workspace.0))
        .bind(i64::from(message.configuration_set.0))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read_cursor).collect::<Result<_, _>>()?)
}

fn read_cursor(row: &SqliteRow) -> Result<Cursor, RowError> {
    Ok(Cursor {
        destination: DestinationId::from_bytes(rows::octets(row, 0, "destination.id")?),
        position: Position(rows::unsigned(row, 1, "cursor.position")?),
        made_at: rows::time(row, 2)?,
    })
}

/// The open and the dead calls about an event.
async fn retries(
    pool: &SqlitePool,
    position: Position,
) -> Result<HashMap<DestinationId, Told>, StoreError> {
    let sql = "SELECT r.destination_id, r.attempts, r.next_at, r.last_error \
        FROM destination t JOIN webhook_retry r ON r.destination_id = t.id AND r.position = ?";
    let found = sqlx::query(sql)
        .bind(integer(position.0))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read_told).collect::<Result<_, _>>()?)
}

fn read_told(row: &SqliteRow) -> Result<(DestinationId, Told), RowError> {
    let destination = DestinationId::from_bytes(rows::octets(row, 0, "destination_id")?);
    let attempts = rows::number(row, 1, "webhook_retry.attempts")?;
    let next_at: Option<i64> = row.try_get(2)?;
    let last_error = row.try_get(3)?;
    let told = match next_at {
        Some(at) => Told::Again {
            attempts,
            next_at: Timestamp::from_micros(at),
            last_error,
        },
        None => Told::Dead {
            attempts,
            last_error,
        },
    };
    Ok((destination, told))
}
