//! Removing what is over: found by the readers, removed by the committer in small transactions.
//!
//! Messages are gone through by their ids, which order by time, and deliveries are made in the
//! millisecond of their message: what is old is found without an index of its own. What is found to
//! be over stays so, since a delivery that has ended does not begin again and no cursor goes back;
//! calls that an operator has made due meanwhile go with their event.

mod horizon;
mod inbound;
mod links;
mod remove;
mod slim;

use std::time::Duration;

use async_trait::async_trait;
use postbell_model::{
    ConfigurationSetId, DeliveryId, DeliveryState, DestinationId, MessageId, Timestamp, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::retention::PurgePart;
use crate::{KeptSince, Position, PurgeRound, Purged, Retention, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::event_rows;
use super::places;
use super::rows::{self, RowError, blob, integer};
use super::suppression::ListOver;
use super::work::Change;
use horizon::Horizon;

pub(super) use remove::{Leaving, PurgeStatements, remove};

/// Messages, or events about workspaces, that are looked at in one stretch.
const PAGE: i64 = 256;
/// Calls that are: each is little work.
const CALLS: i64 = 1_024;
/// Deliveries that are removed in one transaction, so that mail which is accepted meanwhile hardly
/// notices it. A message to more goes in several, its own row with the last.
const DELIVERIES: usize = 256;

/// Whether calls about an event `e` are still to be made.
const IS_RETRIED: &str = "EXISTS (SELECT 1 FROM destination t JOIN webhook_retry r \
    ON r.destination_id = t.id AND r.position = e.position \
    WHERE t.workspace_id = e.workspace_id AND r.next_at IS NOT NULL)";

#[async_trait]
impl Retention for SqliteStore {
    async fn purge_some(
        &self,
        since: KeptSince,
        now: Timestamp,
        round: &mut PurgeRound,
    ) -> Result<Purged, StoreError> {
        let (purged, next) = match round.0 {
            PurgePart::Messages(after) => self.purge_messages(since, after).await?,
            PurgePart::Workspaces(after) => self.purge_workspaces(since, after).await?,
            PurgePart::Calls(after) => self.purge_calls(after).await?,
            PurgePart::Keys => self.purge_keys(now).await?,
            PurgePart::Suppressions => self.purge_suppressions(since, now).await?,
            PurgePart::SlimEvents(after) => self.purge_slim_events(since, after).await?,
            PurgePart::Slim(after) => self.purge_slim(since, after).await?,
            PurgePart::Files => self.purge_files(since).await?,
            PurgePart::Inbound(after) => self.purge_inbound(since, after).await?,
            PurgePart::Links => self.purge_links(since).await?,
            PurgePart::Over => return Ok(Purged::default()),
        };
        round.0 = next;
        self.metrics.purged(&purged);
        Ok(purged)
    }
}

impl SqliteStore {
    async fn purge_messages(
        &self,
        since: KeptSince,
        after: Option<MessageId>,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let Some(before) = since.messages else {
            return Ok((Purged::default(), PurgePart::Keys));
        };
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        let old = old_messages(&mut reader, before, after).await?;
        if old.is_empty() {
            let next = PurgePart::Workspaces(Position::default());
            return Ok((Purged::default(), next));
        }
        let horizon = Horizon::look(&mut reader).await?;
        let (mut purged, mut next) = (Purged::default(), PurgePart::Messages(after));
        let (mut messages, mut deliveries) = (Vec::new(), Vec::new());
        for message in &old {
            if let Some(ended) = message.ended(&mut reader, before, &horizon).await? {
                // Only a message that stands alone is more than one transaction takes.
                let room = DELIVERIES.saturating_sub(deliveries.len());
                if !messages.is_empty() && ended.len() > room {
                    break;
                }
                purged.events += ended.iter().map(|(_, events)| events).sum::<u64>();
                deliveries.extend(ended.into_iter().map(|(delivery, _)| delivery));
                messages.push(message.id);
            }
            next = PurgePart::Messages(Some(message.id));
        }
        drop(reader);
        purged.messages = messages.len() as u64;
        purged.deliveries = deliveries.len() as u64;
        let as_of = (horizon.newest(), since.slim);
        let removed = self.remove_messages(messages, &deliveries, as_of).await?;
        if removed == 0 {
            purged = Purged::default();
        }
        Ok((purged, next))
    }

    /// How many rows went: none where something was told of one of them since they were looked at.
    async fn remove_messages(
        &self,
        messages: Vec<MessageId>,
        deliveries: &[DeliveryId],
        (as_of, slim_since): (Position, Option<Timestamp>),
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut messages = Some(messages);
        let mut parts = deliveries.chunks(DELIVERIES).peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let leaving = Leaving {
                messages: messages.take_if(|_| is_last).unwrap_or_default(),
                deliveries: part.to_vec(),
                as_of,
                slim_since,
                ..Leaving::default()
            };
            removed += self.changed(Change::Purge(leaving)).await?;
        }
        Ok(removed)
    }

    async fn purge_workspaces(
        &self,
        since: KeptSince,
        after: Position,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let Some(before) = since.messages else {
            return Ok((Purged::default(), PurgePart::Calls(None)));
        };
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        let horizon = Horizon::look(&mut reader).await?;
        let end = places::before(&mut reader, before, horizon.newest()).await?;
        let old = old_events(&mut reader, (after, end), before).await?;
        drop(reader);
        let Some(last) = old.last() else {
            return Ok((Purged::default(), PurgePart::Calls(None)));
        };
        let next = PurgePart::Workspaces(last.position);
        let is_over = |event: &&OldEvent| {
            !event.is_retried && horizon.is_behind(event.position, event.workspace, event.set)
        };
        let over = old.iter().filter(is_over).map(|event| event.position);
        let leaving = Leaving {
            events: over.collect(),
            ..Leaving::default()
        };
        let purged = Purged {
            events: leaving.events.len() as u64,
            ..Purged::default()
        };
        self.remove_some(leaving, purged).await?;
        Ok((purged, next))
    }

    /// Calls go with what they were about.
    async fn purge_calls(
        &self,
        after: Option<(DestinationId, u64)>,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let (destination, number) = after.unzip();
        let sql = "SELECT c.destination_id, c.number, e.position IS NULL FROM webhook_call c \
            LEFT JOIN event e ON e.position = c.position \
            WHERE (c.destination_id, c.number) > (?, ?) ORDER BY 1, 2 LIMIT ?";
        let found = sqlx::query(sql)
            .bind(destination.map_or_else(Vec::new, |id| blob(id.as_bytes())))
            .bind(integer(number.unwrap_or_default()))
            .bind(CALLS)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        let found: Vec<_> = found.iter().map(read_call).collect::<Result<_, _>>()?;
        let Some((last, _)) = found.last() else {
            return Ok((Purged::default(), PurgePart::Keys));
        };
        let next = PurgePart::Calls(Some(*last));
        let gone = found.iter().filter(|(_, is_gone)| *is_gone);
        let leaving = Leaving {
            calls: gone.map(|(call, _)| *call).collect(),
            ..Leaving::default()
        };
        let purged = Purged {
            calls: leaving.calls.len() as u64,
            ..Purged::default()
        };
        self.remove_some(leaving, purged).await?;
        Ok((purged, next))
    }

    /// Each key that is written removes others that have expired; this is for those who write none.
    async fn purge_keys(&self, now: Timestamp) -> Result<(Purged, PurgePart), StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM idempotency WHERE expires_at <= ?)";
        let found: bool = sqlx::query_scalar(sql)
            .bind(now.as_micros())
            .fetch_one(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        if !found {
            return Ok((Purged::default(), PurgePart::Suppressions));
        }
        let leaving = Leaving {
            expired: Some(now),
            ..Leaving::default()
        };
        let purged = Purged {
            keys: self.changed(Change::Purge(leaving)).await?,
            ..Purged::default()
        };
        Ok((purged, PurgePart::Keys))
    }

    async fn purge_suppressions(
        &self,
        since: KeptSince,
        now: Timestamp,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let over = ListOver {
            expired_at: now,
            counted_before: since.slim,
        };
        if !self.is_list_over(over).await? {
            return Ok((Purged::default(), PurgePart::SlimEvents(None)));
        }
        let leaving = Leaving {
            list: Some(over),
            ..Leaving::default()
        };
        let purged = Purged {
            suppressions: self.changed(Change::Purge(leaving)).await?,
            ..Purged::default()
        };
        Ok((purged, PurgePart::Suppressions))
    }

    async fn remove_some(&self, leaving: Leaving, purged: Purged) -> Result<(), StoreError> {
        if purged.is_nothing() {
            return Ok(());
        }
        self.change(Change::Purge(leaving)).await
    }
}

/// A message that was accepted long enough ago.
struct OldMessage {
    id: MessageId,
    workspace: WorkspaceId,
    set: ConfigurationSetId,
}

async fn old_messages(
    reader: &mut SqliteConnection,
    before: Timestamp,
    after: Option<MessageId>,
) -> Result<Vec<OldMessage>, StoreError> {
    let sql = "SELECT id, workspace_id, configuration_set_id FROM message \
        WHERE id > ? AND id < ? ORDER BY id LIMIT ?";
    let found = sqlx::query(sql)
        .bind(after.map_or_else(Vec::new, |id| blob(id.as_bytes())))
        .bind(blob(MessageId::lowest_at(before).as_bytes()))
        .bind(PAGE)
        .fetch_all(reader)
        .await
        .map_err(|error| read_error(&error))?;
    let read = |row: &SqliteRow| -> Result<_, RowError> {
        Ok(OldMessage {
            id: MessageId::from_bytes(rows::octets(row, 0, "message.id")?),
            workspace: WorkspaceId(rows::number(row, 1, "message.workspace_id")?),
            set: ConfigurationSetId(rows::number(row, 2, "configuration_set_id")?),
        })
    };
    Ok(found.iter().map(read).collect::<Result<_, _>>()?)
}

impl OldMessage {
    /// Its deliveries with the number of their events, where all are over and nobody needs them.
    async fn ended(
        &self,
        reader: &mut SqliteConnection,
        before: Timestamp,
        horizon: &Horizon,
    ) -> Result<Option<Vec<(DeliveryId, u64)>>, StoreError> {
        // One without any event is damaged, and stays for whoever looks into that.
        const NEVER: i64 = i64::MAX;
        let sql = format!(
            "SELECT d.id, d.state, COUNT(e.position), COALESCE(MAX(e.position), 0), \
             COALESCE(MAX(e.at), {NEVER}), MAX({IS_RETRIED}), \
             MAX(EXISTS (SELECT 1 FROM report_due r WHERE r.position = e.position)) \
             FROM delivery d LEFT JOIN event e ON e.delivery_id = d.id \
             WHERE d.id >= ? AND d.id < ? AND d.message_id = ? GROUP BY d.id"
        );
        let made_at = self.id.made_at();
        let later = made_at.after(Duration::from_millis(1));
        let found = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(blob(DeliveryId::lowest_at(made_at).as_bytes()))
            .bind(blob(DeliveryId::lowest_at(later).as_bytes()))
            .bind(blob(self.id.as_bytes()))
            .fetch_all(reader)
            .await
            .map_err(|error| read_error(&error))?;
        let mut ended = Vec::with_capacity(found.len());
        for row in &found {
            let delivery = OldDelivery::read(row)?;
            let heard = horizon.is_behind(delivery.newest, self.workspace, Some(self.set));
            if !delivery.is_over(before) || !heard {
                return Ok(None);
            }
            ended.push((delivery.id, delivery.events));
        }
        Ok((!ended.is_empty()).then_some(ended))
    }
}

/// A delivery of one, with what is asked of its events.
struct OldDelivery {
    id: DeliveryId,
    has_ended: bool,
    events: u64,
    newest: Position,
    newest_at: Timestamp,
    is_called_for: bool,
}

impl OldDelivery {
    fn read(row: &SqliteRow) -> Result<Self, RowError> {
        let state = row.try_get::<&str, _>(1)?.parse();
        Ok(Self {
            id: DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?),
            has_ended: state.is_ok_and(DeliveryState::is_final),
            events: rows::unsigned(row, 2, "event.position")?,
            newest: Position(rows::unsigned(row, 3, "event.position")?),
            newest_at: rows::time(row, 4)?,
            is_called_for: row.try_get::<bool, _>(5)? || row.try_get::<bool, _>(6)?,
        })
    }

    fn is_over(&self, before: Timestamp) -> bool {
        self.has_ended && self.newest_at < before && !self.is_called_for
    }
}

/// An event about a workspace.
struct OldEvent {
    position: Position,
    workspace: WorkspaceId,
    /// The set whose destinations hear of it as well.
    set: Option<ConfigurationSetId>,
    is_retried: bool,
}

async fn old_events(
    reader: &mut SqliteConnection,
    (after, end): (Position, Position),
    before: Timestamp,
) -> Result<Vec<OldEvent>, StoreError> {
    let sql = format!(
        "SELECT e.position, e.workspace_id, {IS_RETRIED}, e.configuration_set_id FROM event e \
         WHERE e.delivery_id IS NULL AND e.sequence = 0 AND e.position > ? AND e.position <= ? \
         AND e.at < ? ORDER BY e.position LIMIT ?"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(integer(after.0))
        .bind(integer(end.0))
        .bind(before.as_micros())
        .bind(PAGE)
        .fetch_all(reader)
        .await
        .map_err(|error| read_error(&error))?;
    let read = |row: &SqliteRow| -> Result<_, RowError> {
        Ok(OldEvent {
            position: Position(rows::unsigned(row, 0, "event.position")?),
            workspace: WorkspaceId(rows::number(row, 1, "event.workspace_id")?),
            is_retried: row.try_get(2)?,
            set: event_rows::set_of_workspace_event(row, 3)?,
        })
    };
    Ok(found.iter().map(read).collect::<Result<_, _>>()?)
}

/// Where a call stands in the log of calls, and whether its event is gone.
fn read_call(row: &SqliteRow) -> Result<((DestinationId, u64), bool), RowError> {
    let destination = rows::octets(row, 0, "webhook_call.destination_id")?;
    let number = rows::unsigned(row, 1, "webhook_call.number")?;
    let call = (DestinationId::from_bytes(destination), number);
    Ok((call, row.try_get(2)?))
}
