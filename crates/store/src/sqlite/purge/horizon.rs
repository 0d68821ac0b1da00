//! How much of the log is still needed.

use std::collections::HashMap;

use postbell_model::{ConfigurationSetId, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Position, StoreError};

use super::super::errors::read_error;
use super::super::places;
use super::super::rows::{self, RowError};

/// A workspace and one of its sets; `None`: all of them, and the events about the workspace.
type Audience = (WorkspaceId, Option<ConfigurationSetId>);

/// As of one moment; it only moves on.
pub(super) struct Horizon {
    newest: Position,
    /// How far the slowest destination of each audience has come.
    heard: HashMap<Audience, Position>,
}

impl Horizon {
    pub(super) async fn look(reader: &mut SqliteConnection) -> Result<Self, StoreError> {
        let newest = places::newest(reader).await?;
        let sql = "SELECT t.workspace_id, t.configuration_set_id, MIN(c.position) \
            FROM destination t JOIN cursor c ON c.destination_id = t.id GROUP BY 1, 2";
        let found = sqlx::query(sql).fetch_all(reader).await;
        let found = found.map_err(|error| read_error(&error))?;
        let heard = found.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { newest, heard })
    }

    pub(super) const fn newest(&self) -> Position {
        self.newest
    }

    /// Whether an event is not the newest, and every destination has heard of it that is to.
    pub(super) fn is_behind(
        &self,
        position: Position,
        workspace: WorkspaceId,
        set: Option<ConfigurationSetId>,
    ) -> bool {
        let heard = |audience| {
            let slowest = self.heard.get(&audience);
            slowest.is_none_or(|slowest| position <= *slowest)
        };
        position < self.newest && heard((workspace, None)) && heard((workspace, set))
    }
}

fn read(row: &SqliteRow) -> Result<(Audience, Position), RowError> {
    let workspace = WorkspaceId(rows::number(row, 0, "destination.workspace_id")?);
    let set = match row.try_get::<Option<i64>, _>(1)? {
        Some(_) => Some(rows::number(row, 1, "destination.configuration_set_id")?),
        None => None,
    };
    let slowest = Position(rows::unsigned(row, 2, "cursor.position")?);
    Ok(((workspace, set.map(ConfigurationSetId)), slowest))
}
