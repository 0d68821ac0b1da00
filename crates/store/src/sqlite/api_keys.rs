//! Rows of API keys.

use async_trait::async_trait;
use postbell_model::{ApiKey, ApiKeyKind, Timestamp, WorkspaceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::{ApiKeyChange, ApiKeys, TenantError, Tenants};

use super::creations::{Creation, IN_WORKSPACE};
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, read_all, store_error};

#[async_trait]
impl ApiKeys for SqliteTenants {
    async fn create_api_key(&self, key: ApiKey) -> Result<(), TenantError> {
        let sql = format!(
            "INSERT INTO api_key (prefix, workspace_id, name, kind, hash, created_at, \
             expires_at, last_used_at) SELECT ?, ?, ?, ?, ?, ?, ?, ? {IN_WORKSPACE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(key.prefix)
            .bind(i64::from(key.workspace.0))
            .bind(key.name.clone())
            .bind(key.kind.name())
            .bind(key.hash.to_vec())
            .bind(key.created_at.as_micros())
            .bind(key.expires_at.map(Timestamp::as_micros))
            .bind(key.last_used_at.map(Timestamp::as_micros))
            .bind(i64::from(key.workspace.0));
        let creation = Creation {
            kind: "API key",
            name: &key.name,
            event: None,
            gone: TenantError::NoSuchWorkspace(key.workspace),
        };
        self.create_in(query, creation).await.map(drop)
    }

    async fn change_api_key(&self, prefix: &str, change: ApiKeyChange) -> Result<(), TenantError> {
        self.find_api_key(prefix)?;
        let sql = "UPDATE api_key SET name = COALESCE(?1, name), \
            expires_at = CASE WHEN ?2 THEN ?3 ELSE expires_at END WHERE prefix = ?4";
        let expires_at = change.expires_at.flatten();
        let query = sqlx::query(sql)
            .bind(change.name.clone())
            .bind(change.expires_at.is_some())
            .bind(expires_at.map(Timestamp::as_micros))
            .bind(prefix.to_owned());
        let name = change.name.unwrap_or_default();
        self.create(query, "API key", &name).await.map(drop)
    }

    async fn remove_api_key(&self, prefix: &str) -> Result<(), TenantError> {
        self.find_api_key(prefix)?;
        let query = sqlx::query("DELETE FROM api_key WHERE prefix = ?").bind(prefix.to_owned());
        let changed = self.change(query).await;
        changed.map_err(|error| store_error(&error))??;
        Ok(())
    }

    fn api_key(&self, hash: &[u8; 32]) -> Option<ApiKey> {
        self.directory().api_key(hash).cloned()
    }
}

impl SqliteTenants {
    fn find_api_key(&self, prefix: &str) -> Result<(), TenantError> {
        let directory = self.directory();
        let mut all = directory.api_keys();
        let found = all.any(|key| key.prefix == prefix);
        if found {
            return Ok(());
        }
        Err(TenantError::NoSuchApiKey(prefix.to_owned()))
    }
}

pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<ApiKey>, RowError> {
    let sql = "SELECT prefix, workspace_id, name, kind, hash, created_at, expires_at, \
        last_used_at FROM api_key";
    read_all(connection, sql, read_key).await
}

fn read_key(row: &SqliteRow) -> Result<ApiKey, RowError> {
    let hash: &[u8] = row.try_get(4)?;
    let time = |at| -> Result<Option<Timestamp>, RowError> {
        Ok(row
            .try_get::<Option<i64>, _>(at)?
            .map(Timestamp::from_micros))
    };
    Ok(ApiKey {
        prefix: row.try_get(0)?,
        workspace: WorkspaceId(rows::number(row, 1, "api_key.workspace_id")?),
        name: row.try_get(2)?,
        kind: ApiKeyKind::of_name(row.try_get(3)?).ok_or(RowError::Column("api_key.kind"))?,
        hash: hash
            .try_into()
            .map_err(|_| RowError::Column("api_key.hash"))?,
        created_at: rows::time(row, 5)?,
        expires_at: time(6)?,
        last_used_at: time(7)?,
    })
}
