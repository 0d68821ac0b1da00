//! Rows of destinations, and what an operator does to them.

use async_trait::async_trait;
use postbell_model::{
    ConfigurationSetId, Destination, DestinationId, DestinationState, PreviousSecret, Secret,
    Timestamp, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{
    Backlog, DeadLetter, DestinationChange, LoggedCall, Replay, StoreError, TenantError, Tenants,
    Webhooks, WhichCalls, record,
};

use super::rows::{self, RowError, blob, integer};
use super::statements::Query;
use super::tenants::{SqliteTenants, read_all, store_error};
use super::{calls, replays};

/// The new row of a destination, where its workspace and its set are still there. A trigger makes
/// its cursor, at the newest event of that moment.
pub(super) fn insert(destination: &Destination) -> Query<'static> {
    let sql = "INSERT INTO destination (id, workspace_id, configuration_set_id, name, url, secret, \
        previous_secret, previous_until, matching_event_types, format, settings, replays, state, \
        created_at) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? \
        WHERE EXISTS (SELECT 1 FROM workspace WHERE id = ? AND removed_at IS NULL) \
        AND (? IS NULL OR EXISTS (SELECT 1 FROM configuration_set \
        WHERE id = ? AND workspace_id = ? AND removed_at IS NULL))";
    let (workspace, set) = (
        i64::from(destination.workspace.0),
        destination.configuration_set.map(|set| i64::from(set.0)),
    );
    let previous = destination.previous_secret.as_ref();
    sqlx::query(sql)
        .bind(blob(destination.id.as_bytes()))
        .bind(workspace)
        .bind(set)
        .bind(destination.name.clone())
        .bind(destination.url.clone())
        .bind(destination.secret.expose().to_vec())
        .bind(previous.map(|previous| previous.secret.expose().to_vec()))
        .bind(previous.map(|previous| previous.until.as_micros()))
        .bind(names(&destination.matching_event_types))
        .bind(destination.format.clone())
        .bind(record::write_settings(&destination.settings))
        .bind(integer(destination.replays))
        .bind(destination.state.name())
        .bind(destination.created_at.as_micros())
        .bind(workspace)
        .bind(set)
        .bind(set)
        .bind(workspace)
}

fn names(types: &[String]) -> String {
    serde_json::to_string(types).expect("invariant: strings are always JSON")
}

/// Reads all destinations, in the order in which they were made.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<Destination>, RowError> {
    let sql = "SELECT id, workspace_id, configuration_set_id, name, url, secret, previous_secret, \
        previous_until, matching_event_types, format, settings, replays, state, created_at \
        FROM destination ORDER BY id";
    read_all(connection, sql, read_destination).await
}

fn read_destination(row: &SqliteRow) -> Result<Destination, RowError> {
    let set: Option<u32> = row.try_get(2)?;
    let types: &str = row.try_get(8)?;
    let state = DestinationState::of_name(row.try_get(12)?);
    Ok(Destination {
        id: DestinationId::from_bytes(rows::octets(row, 0, "destination.id")?),
        workspace: WorkspaceId(rows::number(row, 1, "destination.workspace_id")?),
        configuration_set: set.map(ConfigurationSetId),
        name: row.try_get(3)?,
        url: row.try_get(4)?,
        secret: Secret::new(row.try_get::<Vec<u8>, _>(5)?),
        previous_secret: read_previous(row)?,
        matching_event_types: serde_json::from_str(types)
            .map_err(|_| RowError::Column("destination.matching_event_types"))?,
        format: row.try_get(9)?,
        settings: record::read_settings(row.try_get(10)?)
            .ok_or(RowError::Column("destination.settings"))?,
        replays: rows::unsigned(row, 11, "destination.replays")?,
        state: state.ok_or(RowError::Column("destination.state"))?,
        created_at: rows::time(row, 13)?,
    })
}

fn read_previous(row: &SqliteRow) -> Result<Option<PreviousSecret>, RowError> {
    let secret: Option<Vec<u8>> = row.try_get(6)?;
    let until: Option<i64> = row.try_get(7)?;
    Ok(secret.zip(until).map(|(secret, until)| PreviousSecret {
        secret: Secret::new(secret),
        until: Timestamp::from_micros(until),
    }))
}

impl SqliteTenants {
    /// Runs a statement about one destination.
    pub(super) async fn change_one(
        &self,
        destination: DestinationId,
        query: Query<'static>,
    ) -> Result<(), TenantError> {
        if self.directory().destination(destination).is_none() {
            return Err(TenantError::NoSuchDestination(destination));
        }
        let changed = self.change(query).await;
        changed.map_err(|error| store_error(&error))??;
        Ok(())
    }
}

#[async_trait]
impl Webhooks for SqliteTenants {
    async fn change_destination(
        &self,
        destination: DestinationId,
        change: DestinationChange,
    ) -> Result<(), TenantError> {
        // Settings that are all as usual are stored as none, which is not to mean "as it is".
        let sql = "UPDATE destination SET url = COALESCE(?, url), \
            matching_event_types = COALESCE(?, matching_event_types), \
            format = COALESCE(?, format), state = COALESCE(?, state), \
            settings = IIF(?, ?, settings) WHERE id = ?";
        let query = sqlx::query(sql)
            .bind(change.url)
            .bind(change.matching_event_types.as_deref().map(names))
            .bind(change.format)
            .bind(change.state.map(DestinationState::name))
            .bind(change.settings.is_some())
            .bind(change.settings.as_ref().and_then(record::write_settings))
            .bind(blob(destination.as_bytes()));
        self.change_one(destination, query).await
    }

    async fn rotate_secret(
        &self,
        destination: DestinationId,
        secret: Secret,
        until: Timestamp,
    ) -> Result<(), TenantError> {
        let sql = "UPDATE destination SET previous_secret = secret, previous_until = ?, \
            secret = ? WHERE id = ?";
        let query = sqlx::query(sql)
            .bind(until.as_micros())
            .bind(secret.expose().to_vec())
            .bind(blob(destination.as_bytes()));
        self.change_one(destination, query).await
    }

    async fn remove_destination(&self, destination: DestinationId) -> Result<(), TenantError> {
        // A trigger removes what is kept of it.
        let sql = "DELETE FROM destination WHERE id = ?";
        let query = sqlx::query(sql).bind(blob(destination.as_bytes()));
        self.change_one(destination, query).await
    }

    async fn calls(
        &self,
        destination: DestinationId,
        which: WhichCalls,
        limit: usize,
    ) -> Result<Vec<LoggedCall>, StoreError> {
        let mut connection = self.connection().await?;
        calls::read(&mut connection, destination, which, limit).await
    }

    async fn dead(
        &self,
        destination: DestinationId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut connection = self.connection().await?;
        calls::read_dead(&mut connection, destination, limit).await
    }

    async fn backlog(&self, destination: DestinationId) -> Result<Backlog, StoreError> {
        let mut connection = self.connection().await?;
        calls::backlog(&mut connection, destination).await
    }

    async fn count_replay(
        &self,
        destination: DestinationId,
        replay: &Replay,
    ) -> Result<u64, StoreError> {
        let mut connection = self.connection().await?;
        replays::count(&mut connection, destination, replay).await
    }

    async fn replay(
        &self,
        destination: DestinationId,
        replay: &Replay,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut done = 0;
        {
            let mut connection = self.connection().await?;
            replays::run(&mut connection, destination, replay, (now, &mut done)).await?;
        }
        if done > 0 {
            let sql = "UPDATE destination SET replays = replays + 1 WHERE id = ?";
            let query = sqlx::query(sql).bind(blob(destination.as_bytes()));
            let counted = self.change(query).await;
            counted.map_err(|error| store_error(&error))??;
        }
        Ok(done)
    }
}
