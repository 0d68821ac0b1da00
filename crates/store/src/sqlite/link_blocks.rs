//! Links that lead nowhere any more. They stand in the directory.

use async_trait::async_trait;
use postbell_model::tracking::LinkBlock;
use postbell_model::{Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{BlockedLinks, LinkBlocks, TenantError};

use super::SqliteStore;
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, count_change, read_all, store_error};

const URL: &str = "url";
const DOMAIN: &str = "domain";
const WORKSPACE: &str = "workspace";

#[async_trait]
impl LinkBlocks for SqliteTenants {
    async fn block_links(
        &self,
        block: LinkBlock,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<bool, TenantError> {
        let mut connection = self.connection().await?;
        let place = Place::of(&block);
        let done = insert(&mut connection, &place, reason, now).await;
        let is_new = done.map_err(|error| store_error(&error))??;
        self.load(&mut connection).await?;
        Ok(is_new)
    }

    async fn unblock_links(&self, block: &LinkBlock) -> Result<bool, TenantError> {
        let mut connection = self.connection().await?;
        let deleted = delete(&mut connection, &Place::of(block)).await;
        let deleted = deleted.map_err(|error| store_error(&error))?;
        self.load(&mut connection).await?;
        Ok(deleted)
    }
}

#[async_trait]
impl LinkBlocks for SqliteStore {
    async fn block_links(
        &self,
        block: LinkBlock,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<bool, TenantError> {
        self.tenants.block_links(block, reason, now).await
    }

    async fn unblock_links(&self, block: &LinkBlock) -> Result<bool, TenantError> {
        self.tenants.unblock_links(block).await
    }
}

/// A block as it is written down.
struct Place<'b> {
    block: &'b LinkBlock,
    kind: &'static str,
    value: String,
}

impl<'b> Place<'b> {
    fn of(block: &'b LinkBlock) -> Self {
        let (kind, value) = match block {
            LinkBlock::Url(url) => (URL, url.clone()),
            LinkBlock::Domain(domain) => (DOMAIN, domain.as_str().to_owned()),
            LinkBlock::Workspace(workspace) => (WORKSPACE, workspace.0.to_string()),
        };
        Self { block, kind, value }
    }
}

/// Whether they were not blocked before. Who blocks them again may have another reason.
async fn insert(
    connection: &mut SqliteConnection,
    place: &Place<'_>,
    reason: Option<String>,
    now: Timestamp,
) -> Result<Result<bool, TenantError>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if let LinkBlock::Workspace(workspace) = place.block
        && !is_there(&mut transaction, *workspace).await?
    {
        return Ok(Err(TenantError::NoSuchWorkspace(*workspace)));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM link_block WHERE kind = ? AND value = ?)";
    let was_blocked: bool = sqlx::query_scalar(sql)
        .bind(place.kind)
        .bind(place.value.as_str())
        .fetch_one(&mut *transaction)
        .await?;
    let sql = "INSERT INTO link_block (kind, value, reason, blocked_at) VALUES (?, ?, ?, ?) \
        ON CONFLICT (kind, value) DO UPDATE SET reason = COALESCE(excluded.reason, reason)";
    sqlx::query(sql)
        .bind(place.kind)
        .bind(place.value.as_str())
        .bind(reason)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
    count_change(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Ok(!was_blocked))
}

async fn is_there(
    connection: &mut SqliteConnection,
    workspace: WorkspaceId,
) -> Result<bool, sqlx::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM workspace WHERE id = ? AND removed_at IS NULL)";
    let query = sqlx::query_scalar(sql).bind(i64::from(workspace.0));
    query.fetch_one(connection).await
}

/// Whether they were blocked.
async fn delete(connection: &mut SqliteConnection, place: &Place<'_>) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let deleted = sqlx::query("DELETE FROM link_block WHERE kind = ? AND value = ?")
        .bind(place.kind)
        .bind(place.value.as_str())
        .execute(&mut *transaction)
        .await?;
    if deleted.rows_affected() > 0 {
        count_change(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(deleted.rows_affected() > 0)
}

/// Reads all blocks, in the order in which they were made.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<BlockedLinks>, RowError> {
    let sql = "SELECT kind, value, reason, blocked_at FROM link_block ORDER BY number";
    read_all(connection, sql, read_block).await
}

fn read_block(row: &SqliteRow) -> Result<BlockedLinks, RowError> {
    let value: &str = row.try_get(1)?;
    let block = match row.try_get(0)? {
        URL => LinkBlock::Url(value.to_owned()),
        DOMAIN => LinkBlock::Domain(rows::domain(value, "link_block.value")?),
        WORKSPACE => {
            let number = value.parse();
            let number = number.map_err(|_| RowError::Column("link_block.value"))?;
            LinkBlock::Workspace(WorkspaceId(number))
        }
        _ => return Err(RowError::Column("link_block.kind")),
    };
    Ok(BlockedLinks {
        block,
        reason: row.try_get(2)?,
        since: rows::time(row, 3)?,
    })
}
