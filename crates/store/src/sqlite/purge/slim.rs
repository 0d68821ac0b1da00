//! Slim records: what was told of them since, and in the end they themselves.

use postbell_model::{ConfigurationSetId, DeliveryId, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use crate::retention::PurgePart;
use crate::{KeptSince, Position, Purged, StoreError};

use super::super::SqliteStore;
use super::super::errors::read_error;
use super::super::rows::{self, RowError, blob};
use super::{Horizon, IS_RETRIED, Leaving, PAGE};

impl SqliteStore {
    /// Events that were told of slim records go as those of messages do.
    pub(super) async fn purge_slim_events(
        &self,
        since: KeptSince,
        after: Option<(Timestamp, DeliveryId)>,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let Some(before) = since.messages else {
            return Ok((Purged::default(), PurgePart::Slim(None)));
        };
        let old = self.old_told(before, after).await?;
        let Some(last) = old.last() else {
            return Ok((Purged::default(), PurgePart::Slim(None)));
        };
        let next = PurgePart::SlimEvents(Some((last.told_at, last.id)));
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        let horizon = Horizon::look(&mut reader).await?;
        drop(reader);
        let over = old.iter().filter(|told| {
            let heard = horizon.is_behind(told.newest, told.workspace, Some(told.set));
            heard && !told.is_retried
        });
        let over: Vec<_> = over.collect();
        let leaving = Leaving {
            quiet: over.iter().map(|told| told.id).collect(),
            // What has come since the look before that of the horizon is newer than what it knows.
            as_of: over
                .iter()
                .map(|told| told.newest)
                .max()
                .unwrap_or_default(),
            ..Leaving::default()
        };
        let mut purged = Purged {
            events: over.iter().map(|told| told.events).sum(),
            ..Purged::default()
        };
        purged.events = match purged.is_nothing() {
            true => 0,
            false => self.changed(super::Change::Purge(leaving)).await?,
        };
        Ok((purged, next))
    }

    async fn old_told(
        &self,
        before: Timestamp,
        after: Option<(Timestamp, DeliveryId)>,
    ) -> Result<Vec<OldTold>, StoreError> {
        let (at, id) = after.unzip();
        let sql = format!(
            "SELECT l.id, l.told_at, l.workspace_id, l.configuration_set_id, \
             COUNT(e.position), COALESCE(MAX(e.position), 0), COALESCE(MAX({IS_RETRIED}), 0) \
             FROM (SELECT * FROM slim_delivery INDEXED BY slim_delivery_told \
             WHERE told_at < ? AND (told_at, id) > (?, ?) ORDER BY told_at, id LIMIT ?) l \
             LEFT JOIN event e ON e.delivery_id = l.id GROUP BY l.told_at, l.id \
             ORDER BY l.told_at, l.id"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(before.as_micros())
            .bind(at.map_or(i64::MIN, Timestamp::as_micros))
            .bind(id.map_or_else(Vec::new, |id| blob(id.as_bytes())))
            .bind(PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        Ok(found.iter().map(read).collect::<Result<_, _>>()?)
    }

    pub(super) async fn purge_slim(
        &self,
        since: KeptSince,
        after: Option<DeliveryId>,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let Some(before) = since.slim else {
            return Ok((Purged::default(), PurgePart::Files));
        };
        let sql = "SELECT id FROM slim_delivery WHERE id > ? AND id < ? AND told_at IS NULL \
            ORDER BY id LIMIT ?";
        let found = sqlx::query(sql)
            .bind(after.map_or_else(Vec::new, |id| blob(id.as_bytes())))
            .bind(blob(DeliveryId::lowest_at(before).as_bytes()))
            .bind(PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        let ids = found
            .iter()
            .map(|row| rows::octets(row, 0, "slim_delivery.id"));
        let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
        let slim: Vec<_> = ids.into_iter().map(DeliveryId::from_bytes).collect();
        let Some(last) = slim.last().copied() else {
            return Ok((Purged::default(), PurgePart::Files));
        };
        let purged = Purged {
            slim: slim.len() as u64,
            ..Purged::default()
        };
        let leaving = Leaving {
            slim,
            ..Leaving::default()
        };
        self.remove_some(leaving, purged).await?;
        Ok((purged, PurgePart::Slim(Some(last))))
    }
}

/// A slim record of which something was told long enough ago.
struct OldTold {
    id: DeliveryId,
    told_at: Timestamp,
    workspace: WorkspaceId,
    set: ConfigurationSetId,
    events: u64,
    newest: Position,
    is_retried: bool,
}

fn read(row: &SqliteRow) -> Result<OldTold, RowError> {
    Ok(OldTold {
        id: DeliveryId::from_bytes(rows::octets(row, 0, "slim_delivery.id")?),
        told_at: rows::time(row, 1)?,
        workspace: WorkspaceId(rows::number(row, 2, "slim_delivery.workspace_id")?),
        set: ConfigurationSetId(rows::number(row, 3, "configuration_set_id")?),
        events: rows::unsigned(row, 4, "event.position")?,
        newest: Position(rows::unsigned(row, 5, "event.position")?),
        is_retried: row.try_get(6)?,
    })
}
