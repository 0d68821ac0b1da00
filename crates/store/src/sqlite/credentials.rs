//! Usernames and passwords of submission.

use postbell_model::{
    Credential, CredentialId, LeftQueue, ScramKeys, Secret, Timestamp, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::allowances::read_limits;
use super::creations::{Creation, IN_WORKSPACE};
use super::rows::{self, RowError};
use super::tenants::{SqliteTenants, read_all, row_number, store_error};
use crate::{NewCredential, StoreError, TenantError, Tenants};

impl SqliteTenants {
    pub(super) async fn insert_credential(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<Credential, TenantError> {
        let hash = String::from_utf8(new.password_hash.expose().to_vec());
        let hash =
            hash.map_err(|_| StoreError::Refused("the password's hash is no text".into()))?;
        let sql = format!(
            "INSERT INTO credential (workspace_id, username, password_hash, created_at, rate, \
             quota, scram_salt, scram_iterations, scram_stored_key, scram_server_key) \
             SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? {IN_WORKSPACE}"
        );
        let scram = new.scram.as_ref();
        let key = |key: &Secret| key.expose().to_vec();
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::from(new.workspace.0))
            .bind(new.username.clone())
            .bind(hash)
            .bind(now.as_micros())
            .bind(new.limits.rate.map(i64::from))
            .bind(new.limits.quota.map(i64::from))
            .bind(scram.map(|keys| keys.salt.clone()))
            .bind(scram.map(|keys| i64::from(keys.iterations)))
            .bind(scram.map(|keys| key(&keys.stored_key)))
            .bind(scram.map(|keys| key(&keys.server_key)))
            .bind(i64::from(new.workspace.0));
        let creation = Creation {
            kind: "credential",
            name: &new.username,
            event: None,
            gone: TenantError::NoSuchWorkspace(new.workspace),
        };
        let id = self.create_in(query, creation).await?;
        Ok(Credential {
            id: CredentialId(row_number(id)?),
            workspace: new.workspace,
            username: new.username,
            password_hash: new.password_hash,
            scram: new.scram,
            limits: new.limits,
            created_at: now,
            revoked_at: None,
        })
    }

    pub(super) async fn set_revoked(
        &self,
        username: &str,
        left: LeftQueue,
        now: Timestamp,
    ) -> Result<(), TenantError> {
        if self.directory().credential(username).is_none() {
            return Err(TenantError::NoSuchCredential(username.to_owned()));
        }
        let sql = "UPDATE credential SET revoked_at = COALESCE(revoked_at, ?), left_queue = ? \
            WHERE username = ?";
        let query = sqlx::query(sql)
            .bind(now.as_micros())
            .bind((left != LeftQueue::Keep).then_some(left.name()))
            .bind(username.to_owned());
        let changed = self.change(query).await;
        changed.map_err(|error| store_error(&error))??;
        Ok(())
    }
}

pub(super) async fn read_credentials(
    connection: &mut SqliteConnection,
) -> Result<Vec<Credential>, RowError> {
    let sql = "SELECT id, workspace_id, username, password_hash, created_at, revoked_at, \
        rate, quota, scram_salt, scram_iterations, scram_stored_key, scram_server_key \
        FROM credential";
    read_all(connection, sql, read).await
}

fn read(row: &SqliteRow) -> Result<Credential, RowError> {
    let revoked_at: Option<i64> = row.try_get(5)?;
    Ok(Credential {
        id: CredentialId(rows::number(row, 0, "credential.id")?),
        workspace: WorkspaceId(rows::number(row, 1, "credential.workspace_id")?),
        username: row.try_get(2)?,
        password_hash: Secret::new(row.try_get::<String, _>(3)?),
        scram: read_scram(row)?,
        limits: read_limits(row, 6)?,
        created_at: rows::time(row, 4)?,
        revoked_at: revoked_at.map(Timestamp::from_micros),
    })
}

/// The keys, where all four columns hold something.
fn read_scram(row: &SqliteRow) -> Result<Option<ScramKeys>, RowError> {
    let octets = |at| row.try_get::<Option<Vec<u8>>, _>(at);
    let iterations: Option<i64> = row.try_get(9)?;
    let (Some(salt), Some(iterations), Some(stored_key), Some(server_key)) =
        (octets(8)?, iterations, octets(10)?, octets(11)?)
    else {
        return Ok(None);
    };
    Ok(Some(ScramKeys {
        salt,
        iterations: u32::try_from(iterations)
            .map_err(|_| RowError::Column("credential.scram_iterations"))?,
        stored_key: Secret::new(stored_key),
        server_key: Secret::new(server_key),
    }))
}
