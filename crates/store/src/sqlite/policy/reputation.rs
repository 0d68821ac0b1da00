//! Counting how mail fares: read from the log by a reader, written by a small transaction.

use async_trait::async_trait;
use postbell_model::reputation::Figures;
use postbell_model::{ConfigurationSetId, Domain, Pause, Sender, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::reputation::Hour;
use crate::{Counted, Position, Reputation, StoreError, TenantError};

use super::super::errors::read_error;
use super::super::places;
use super::super::rows::{self, RowError, integer};
use super::super::tenants::{SqliteTenants, store_error};
use super::super::{SqliteInspector, SqliteStore};

/// Events that are looked at in one stretch: some milliseconds.
const STRETCH: u64 = 5_000;
const HOUR: i64 = 3_600_000_000;
// Older hours are of no use to anybody.
const HOURS_KEPT: i64 = 32 * 24;

/// What a stretch of the log comes to, by workspace and hour. A late report is about a delivery that
/// has ended before; one whose payload can't be read is about no dead address.
const COUNT: &str = "SELECT e.workspace_id, e.at / ?1, \
    SUM(e.kind = 'Delivery' OR (e.kind = 'Bounce' AND \
    CASE WHEN json_valid(e.payload) THEN e.payload ->> '$.late' END IS NULL)), \
    SUM(e.kind = 'Bounce' AND COALESCE( \
    CASE WHEN json_valid(e.payload) THEN e.payload ->> '$.bounce_type' END, '') = 'Permanent'), \
    SUM(e.kind = 'Complaint') \
    FROM event e LEFT JOIN reputation_start s ON s.workspace_id = e.workspace_id \
    WHERE e.position > ?2 AND e.position <= ?3 AND e.configuration_set_id <> ?4 \
    AND e.kind IN ('Delivery', 'Bounce', 'Complaint') AND e.at >= COALESCE(s.at, e.at) \
    AND (?5 = '' OR NOT EXISTS \
    (SELECT 1 FROM delivery d WHERE d.id = e.delivery_id AND d.domain = ?5)) \
    GROUP BY 1, 2";

/// How far it was counted, and how often something was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    position: Position,
    starts: i64,
}

/// What a stretch came to.
struct Stretch {
    from: Cursor,
    to: Position,
    hours: Vec<Hour>,
    is_last: bool,
}

#[async_trait]
impl Reputation for SqliteStore {
    async fn count_outcomes(
        &self,
        since: Timestamp,
        simulated: Option<&Domain>,
    ) -> Result<Counted, StoreError> {
        let newest = *self.newest.borrow();
        let stretch = {
            let mut reader = self.readers.begin().await.map_err(|e| read_error(&e))?;
            let stretch = read_stretch(&mut reader, newest, (since, simulated)).await?;
            reader.rollback().await.map_err(|e| read_error(&e))?;
            stretch
        };
        if stretch.to > stretch.from.position {
            self.tenants.count_stretch(&stretch, since).await?;
        }
        Ok(if stretch.is_last {
            Counted::All
        } else {
            Counted::Some
        })
    }

    async fn reputations(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(WorkspaceId, Figures)>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(|e| read_error(&e))?;
        read_figures(&mut reader, since).await
    }

    async fn pause_active(
        &self,
        workspace: WorkspaceId,
        pause: Pause,
    ) -> Result<bool, TenantError> {
        let sender = Sender::Workspace(workspace);
        self.tenants.pause_if_active(&sender, pause).await
    }
}

impl SqliteInspector {
    /// The figures of the workspaces that have some, since a moment: as far as a server has counted
    /// them.
    ///
    /// # Errors
    /// The database can't be read.
    pub async fn reputations(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(WorkspaceId, Figures)>, StoreError> {
        let mut reader = self.pool.acquire().await.map_err(|e| read_error(&e))?;
        read_figures(&mut reader, since).await
    }
}

impl SqliteTenants {
    /// Adds a stretch to what was counted, unless it was counted or something was forgotten since it
    /// was read: then it is read again.
    async fn count_stretch(&self, stretch: &Stretch, since: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let write = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let sql = "UPDATE reputation_cursor SET position = ? WHERE position = ? AND starts = ?";
            let moved = sqlx::query(sql)
                .bind(integer(stretch.to.0))
                .bind(integer(stretch.from.position.0))
                .bind(stretch.from.starts)
                .execute(&mut *transaction)
                .await?;
            if moved.rows_affected() > 0 {
                add(&mut transaction, &stretch.hours).await?;
                let sql = "DELETE FROM reputation WHERE hour < ?";
                let oldest = since.as_micros() / HOUR - HOURS_KEPT;
                let forget = sqlx::query(sql).bind(oldest);
                forget.execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        write.await.map_err(|error| store_error(&error))
    }
}

/// Forgets how a workspace's mail has fared until now.
pub(in crate::sqlite) async fn begin_anew(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let id = i64::from(workspace.0);
    let forget = sqlx::query("DELETE FROM reputation WHERE workspace_id = ?").bind(id);
    forget.execute(&mut *connection).await?;
    let sql = "INSERT INTO reputation_start (workspace_id, at) VALUES (?, ?) \
        ON CONFLICT (workspace_id) DO UPDATE SET at = excluded.at";
    let start = sqlx::query(sql).bind(id).bind(now.as_micros());
    start.execute(&mut *connection).await?;
    let count = sqlx::query("UPDATE reputation_cursor SET starts = starts + 1");
    count.execute(connection).await.map(drop)
}

async fn read_stretch(
    reader: &mut SqliteConnection,
    newest: Position,
    (since, simulated): (Timestamp, Option<&Domain>),
) -> Result<Stretch, StoreError> {
    let from = cursor(reader).await?;
    let behind = newest.0.saturating_sub(from.position.0);
    let after = if behind > STRETCH {
        places::before(reader, since, newest)
            .await?
            .max(from.position)
    } else {
        from.position
    };
    let to = Position(newest.0.min(after.0.saturating_add(STRETCH))).max(after);
    let found = sqlx::query(COUNT)
        .bind(HOUR)
        .bind(integer(after.0))
        .bind(integer(to.0))
        .bind(i64::from(ConfigurationSetId::OWN.0))
        .bind(simulated.map_or("", Domain::as_str).to_owned())
        .fetch_all(reader)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(Stretch {
        from,
        to,
        hours: found.iter().map(read_hour).collect::<Result<_, _>>()?,
        is_last: to >= newest,
    })
}

async fn cursor(reader: &mut SqliteConnection) -> Result<Cursor, StoreError> {
    let row = sqlx::query("SELECT position, starts FROM reputation_cursor")
        .fetch_one(reader)
        .await
        .map_err(|error| read_error(&error))?;
    let starts = row.try_get(1).map_err(|error| read_error(&error))?;
    Ok(Cursor {
        position: Position(rows::unsigned(&row, 0, "reputation_cursor.position")?),
        starts,
    })
}

fn read_hour(row: &SqliteRow) -> Result<Hour, RowError> {
    Ok(Hour {
        workspace: WorkspaceId(rows::number(row, 0, "event.workspace_id")?),
        hour: row.try_get(1)?,
        figures: figures(row, 2)?,
    })
}

/// Three columns, which begin at this one.
fn figures(row: &SqliteRow, at: usize) -> Result<Figures, RowError> {
    Ok(Figures {
        outcomes: rows::unsigned(row, at, "reputation.outcomes")?,
        hard_bounces: rows::unsigned(row, at + 1, "reputation.hard_bounces")?,
        complaints: rows::unsigned(row, at + 2, "reputation.complaints")?,
    })
}

async fn add(connection: &mut SqliteConnection, hours: &[Hour]) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO reputation (workspace_id, hour, outcomes, hard_bounces, complaints) \
        VALUES (?, ?, ?, ?, ?) ON CONFLICT (workspace_id, hour) DO UPDATE SET \
        outcomes = outcomes + excluded.outcomes, \
        hard_bounces = hard_bounces + excluded.hard_bounces, \
        complaints = complaints + excluded.complaints";
    for Hour {
        workspace,
        hour,
        figures,
    } in hours
    {
        sqlx::query(sql)
            .bind(i64::from(workspace.0))
            .bind(hour)
            .bind(integer(figures.outcomes))
            .bind(integer(figures.hard_bounces))
            .bind(integer(figures.complaints))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn read_figures(
    connection: &mut SqliteConnection,
    since: Timestamp,
) -> Result<Vec<(WorkspaceId, Figures)>, StoreError> {
    let sql = "SELECT workspace_id, SUM(outcomes), SUM(hard_bounces), SUM(complaints) \
        FROM reputation WHERE hour >= ? GROUP BY workspace_id ORDER BY workspace_id";
    let found = sqlx::query(sql)
        .bind(since.as_micros() / HOUR)
        .fetch_all(connection)
        .await
        .map_err(|error| read_error(&error))?;
    let read = |row: &SqliteRow| -> Result<_, RowError> {
        let workspace = WorkspaceId(rows::number(row, 0, "reputation.workspace_id")?);
        Ok((workspace, figures(row, 1)?))
    };
    Ok(found.iter().map(read).collect::<Result<_, _>>()?)
}
