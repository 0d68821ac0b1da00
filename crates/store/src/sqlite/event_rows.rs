//! Appending to the event log, and reading stretches of it.

use std::sync::Arc;

use async_trait::async_trait;
use postbell_model::{
    Audience, ConfigurationSetId, DeliveryId, DeliveryState, Event, EventId, EventKind, Fact,
    Timestamp, WorkspaceEvent, WorkspaceId,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use tokio::sync::watch;

use crate::{
    EventLog, Logged, LoggedEvent, LoggedWorkspaceEvent, Page, Position, StoreError, record,
};

use super::SqliteStore;
use super::errors::read_error;
use super::rows::{self, RowError, blob, integer};
use super::slim;
use super::statements::{Query, placeholders};

// How far ahead one look goes, whoever's events they are: what a destination whose set is
// silent costs.
const WINDOW: u64 = 20_000;

/// The statement that appends events: what stands before its rows of values, how many values a
/// row has, and what stands behind them.
///
/// An event is written only beside the change of state that it tells of: the delivery then has
/// its number, and the state that follows from it.
pub(super) const INSERT: (&str, usize, &str) = (
    "INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, sequence, kind, at, \
     payload) SELECT column1, column2, column3, column4, column5, column6, column7, column8 FROM",
    9,
    "AS v JOIN delivery ON delivery.id = v.column4 AND delivery.sequence = v.column5 \
     AND delivery.state = v.column9 WHERE true ON CONFLICT (delivery_id, sequence) DO NOTHING",
);

/// The columns that [`read_event`] expects, in its order.
pub(super) const EVENT_COLUMNS: &str =
    "e.position, e.id, e.at, e.delivery_id, e.sequence, e.kind, e.payload";
const WORKSPACE_AT: usize = 7;
const SET_AT: usize = 8;
const RECIPIENT_AT: usize = 9;
/// Where the message begins in [`logged_columns`].
pub(super) const MESSAGE_AT: usize = 10;
/// Where what is left of a delivery begins in [`select`].
const SLIM_AT: usize = MESSAGE_AT + rows::MESSAGE_WIDTH;

/// The columns that [`read_logged`] expects, of an event `e`, its delivery `d` and its message `m`.
pub(super) fn logged_columns() -> String {
    format!(
        "{EVENT_COLUMNS}, e.workspace_id, e.configuration_set_id, d.recipient, {}",
        rows::MESSAGE_COLUMNS
    )
}

/// Events with what they are about, the columns as [`read_logged`] expects them. An event about a
/// workspace has no delivery; of one whose delivery is no longer kept is told what is left of it.
pub(super) fn select() -> String {
    // What is left of a delivery is only looked for where there is nothing else.
    format!(
        "SELECT {}, {} FROM event e LEFT JOIN delivery d ON d.id = e.delivery_id \
         LEFT JOIN message m ON m.id = d.message_id LEFT JOIN slim_delivery l \
         ON l.id = CASE WHEN m.id IS NULL THEN e.delivery_id END \
         WHERE (e.delivery_id IS NULL OR m.id IS NOT NULL OR l.id IS NOT NULL)",
        logged_columns(),
        slim::COLUMNS
    )
}

/// An event on its way into the log.
#[derive(Debug)]
pub(super) struct EventRow {
    pub id: EventId,
    pub workspace: WorkspaceId,
    pub configuration_set: ConfigurationSetId,
    pub delivery: DeliveryId,
    pub sequence: i64,
    pub at: Timestamp,
    pub kind: EventKind,
    pub payload: Option<String>,
    /// What the delivery's state becomes.
    pub state: DeliveryState,
}

impl EventRow {
    pub(super) fn new(
        (workspace, configuration_set): (WorkspaceId, ConfigurationSetId),
        delivery: DeliveryId,
        sequence: i64,
        (at, fact, state): (Timestamp, &Fact, DeliveryState),
    ) -> Self {
        Self {
            id: EventId::new(at),
            workspace,
            configuration_set,
            delivery,
            sequence,
            at,
            kind: fact.kind(),
            payload: record::write(fact),
            state,
        }
    }

    /// Appends it alone: its place, or `None` where the delivery is not as it tells.
    pub(super) async fn append(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Position>, sqlx::Error> {
        let (head, columns, tail) = INSERT;
        let sql = format!("{head} {} {tail}", placeholders(columns, 1));
        let written = Self::bind(sqlx::query(AssertSqlSafe(sql)), self)
            .execute(connection)
            .await?;
        let position = Position(written.last_insert_rowid().unsigned_abs());
        Ok((written.rows_affected() > 0).then_some(position))
    }

    pub(super) fn bind(query: Query<'static>, event: &Self) -> Query<'static> {
        query
            .bind(blob(event.id.as_bytes()))
            .bind(i64::from(event.workspace.0))
            .bind(i64::from(event.configuration_set.0))
            .bind(blob(event.delivery.as_bytes()))
            .bind(event.sequence)
            .bind(event.kind.name())
            .bind(event.at.as_micros())
            .bind(event.payload.clone())
            .bind(event.state.name())
    }
}

/// The statements that read the log.
#[derive(Debug)]
pub(super) struct EventQueries {
    after_of_set: Arc<str>,
    after_of_workspace: Arc<str>,
    one: Arc<str>,
}

impl EventQueries {
    pub(super) fn new() -> Self {
        let select = select();
        let after = |of: &str| {
            format!(
                "{select} AND e.position > ? AND e.position <= ? AND {of} = ? \
                 ORDER BY e.position LIMIT ?"
            )
        };
        Self {
            after_of_set: after("e.configuration_set_id").into(),
            after_of_workspace: after("e.workspace_id").into(),
            one: format!("{select} AND e.position = ?").into(),
        }
    }

    /// At most `limit` events of an audience after `after`, up to `newest`.
    pub(super) async fn after(
        &self,
        pool: &SqlitePool,
        audience: Audience,
        (after, newest): (Position, Position),
        limit: usize,
    ) -> Result<Page, StoreError> {
        let until = Position(newest.0.min(after.0.saturating_add(WINDOW))).max(after);
        let (sql, of) = match audience {
            Audience::Set(set) => (&self.after_of_set, set.0),
            Audience::Workspace(workspace) => (&self.after_of_workspace, workspace.0),
        };
        let found = sqlx::query(AssertSqlSafe(Arc::clone(sql)))
            .bind(integer(after.0))
            .bind(integer(until.0))
            .bind(i64::from(of))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await
            .map_err(|error| read_error(&error))?;
        let read_to = match found.last() {
            Some(last) if found.len() == limit => position(last)?,
            _ => until,
        };
        Ok(Page {
            events: found.iter().filter_map(readable).collect(),
            read_to,
        })
    }

    /// The event at a position.
    pub(super) async fn one(
        &self,
        pool: &SqlitePool,
        at: Position,
    ) -> Result<Option<Logged>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(self.one.clone()))
            .bind(integer(at.0))
            .fetch_optional(pool)
            .await
            .map_err(|error| read_error(&error))?;
        Ok(row.as_ref().map(read_logged).transpose()?)
    }
}

#[async_trait]
impl EventLog for SqliteStore {
    fn newest(&self) -> watch::Receiver<Position> {
        self.newest.clone()
    }

    async fn events_after(
        &self,
        audience: Audience,
        after: Position,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let newest = *self.newest.borrow();
        self.event_queries
            .after(&self.readers, audience, (after, newest), limit)
            .await
    }

    async fn event(&self, position: Position) -> Result<Option<Logged>, StoreError> {
        self.event_queries.one(&self.readers, position).await
    }
}

/// An event that can't be read is reported and passed over: it must not hold up the others.
pub(super) fn readable(row: &SqliteRow) -> Option<Logged> {
    read_logged(row)
        .inspect_err(|error| {
            let position = row.try_get::<i64, _>(0).unwrap_or_default();
            tracing::error!(event.position = position, %error, "an event can't be read and is passed over");
        })
        .ok()
}

pub(super) fn position(row: &SqliteRow) -> Result<Position, RowError> {
    Ok(Position(rows::unsigned(row, 0, "event.position")?))
}

/// The kind of an event as stored.
pub(super) fn kind(row: &SqliteRow, at: usize) -> Result<EventKind, RowError> {
    let name: &str = row.try_get(at)?;
    name.parse().map_err(|_| RowError::Column("event.kind"))
}

/// Reads an event of [`logged_columns`], which may be about a workspace alone.
pub(super) fn read_logged(row: &SqliteRow) -> Result<Logged, RowError> {
    if row.try_get::<Option<&[u8]>, _>(3)?.is_none() {
        return read_workspace_event(row).map(Logged::Workspace);
    }
    if row.try_get::<Option<&[u8]>, _>(MESSAGE_AT)?.is_none() {
        return read_slim_event(row).map(Logged::Delivery);
    }
    read_logged_event(row).map(Logged::Delivery)
}

/// Reads the event of a delivery of which little is left.
fn read_slim_event(row: &SqliteRow) -> Result<LoggedEvent, RowError> {
    let (position, event) = read_event(row)?;
    let recipient = row.try_get(SLIM_AT + slim::RECIPIENT)?;
    Ok(LoggedEvent {
        position,
        event,
        recipient: rows::address(recipient, "slim_delivery.recipient")?,
        message: slim::read_message(row, SLIM_AT)?,
    })
}

/// Reads the event of a delivery with its message, whose columns begin at [`MESSAGE_AT`].
pub(super) fn read_logged_event(row: &SqliteRow) -> Result<LoggedEvent, RowError> {
    let (position, event) = read_event(row)?;
    Ok(LoggedEvent {
        position,
        event,
        recipient: rows::address(row.try_get(RECIPIENT_AT)?, "delivery.recipient")?,
        message: rows::read_message(row, MESSAGE_AT)?.0,
    })
}

/// Reads the event of a delivery and its place from a row that begins with [`EVENT_COLUMNS`].
pub(super) fn read_event(row: &SqliteRow) -> Result<(Position, Event), RowError> {
    let event = Event {
        id: EventId::from_bytes(rows::octets(row, 1, "event.id")?),
        at: rows::time(row, 2)?,
        delivery: DeliveryId::from_bytes(rows::octets(row, 3, "event.delivery_id")?),
        sequence: rows::number(row, 4, "event.sequence")?,
        fact: record::read(kind(row, 5)?, row.try_get(6)?)?,
    };
    Ok((position(row)?, event))
}

fn read_workspace_event(row: &SqliteRow) -> Result<LoggedWorkspaceEvent, RowError> {
    let event = WorkspaceEvent {
        id: EventId::from_bytes(rows::octets(row, 1, "event.id")?),
        at: rows::time(row, 2)?,
        workspace: WorkspaceId(rows::number(row, WORKSPACE_AT, "event.workspace_id")?),
        configuration_set: set_of_workspace_event(row, SET_AT)?,
        fact: record::read_workspace(kind(row, 5)?, row.try_get(6)?)?,
    };
    Ok(LoggedWorkspaceEvent {
        position: position(row)?,
        event,
    })
}

/// The set whose destinations hear of an event about a workspace; no set has the number 0.
pub(super) fn set_of_workspace_event(
    row: &SqliteRow,
    at: usize,
) -> Result<Option<ConfigurationSetId>, RowError> {
    let set = rows::number(row, at, "event.configuration_set_id")?;
    Ok((set > 0).then_some(ConfigurationSetId(set)))
}

/// Appends an event about a workspace: its place.
pub(super) async fn append_workspace_event(
    connection: &mut SqliteConnection,
    event: &WorkspaceEvent,
) -> Result<Position, sqlx::Error> {
    // No set has the number 0, and an event of no delivery has no place among its events.
    let set = event.configuration_set.map_or(0, |set| set.0);
    let sql = "INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, sequence, \
        kind, at, payload) VALUES (?, ?, ?, NULL, 0, ?, ?, ?)";
    let written = sqlx::query(sql)
        .bind(blob(event.id.as_bytes()))
        .bind(i64::from(event.workspace.0))
        .bind(i64::from(set))
        .bind(event.fact.kind().name())
        .bind(event.at.as_micros())
        .bind(record::write_workspace(&event.fact))
        .execute(connection)
        .await?;
    Ok(Position(written.last_insert_rowid().unsigned_abs()))
}
