//! What waits of credentials that were revoked: held or cancelled as was asked for.
//!
//! The wish stands in the credential's row until nothing is left to be done, so that it is carried
//! out by whoever has the store, be it after a crash.

use async_trait::async_trait;
use postbell_model::{CredentialId, LeftQueue, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Action, DeliveryFilter, Holder, Operate, Operated, Revocations, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::rows::{self, RowError};
use super::tenants::store_error;

#[async_trait]
impl Revocations for SqliteStore {
    async fn finish_revocations_beside(
        &self,
        of: Option<CredentialId>,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<Operated, StoreError> {
        let mut all = Operated::default();
        for (credential, left) in self.wishes().await? {
            if of.is_some_and(|of| of != credential) {
                continue;
            }
            let filter = DeliveryFilter {
                credential: Some(credential),
                ..DeliveryFilter::default()
            };
            let action = match left {
                LeftQueue::Keep => continue,
                LeftQueue::Hold => Action::Hold,
                LeftQueue::Cancel => Action::Cancel,
            };
            let done = self.operate_beside(&filter, &action, now, holder).await?;
            all.changed += done.changed;
            all.left_alone += done.left_alone;
            if done.left_alone == 0 {
                self.fulfilled(credential, left).await?;
            }
        }
        Ok(all)
    }
}

impl SqliteStore {
    async fn wishes(&self) -> Result<Vec<(CredentialId, LeftQueue)>, StoreError> {
        let sql = "SELECT id, left_queue FROM credential WHERE left_queue IS NOT NULL";
        let found = sqlx::query(sql).fetch_all(&self.readers).await;
        let found = found.map_err(|error| read_error(&error))?;
        Ok(found.iter().map(read_wish).collect::<Result<_, _>>()?)
    }

    /// Nobody reads the wish in the directory: it need not be read anew.
    async fn fulfilled(&self, credential: CredentialId, left: LeftQueue) -> Result<(), StoreError> {
        let mut connection = self.tenants.connection().await?;
        let sql = "UPDATE credential SET left_queue = NULL WHERE id = ? AND left_queue = ?";
        let query = sqlx::query(sql)
            .bind(i64::from(credential.0))
            .bind(left.name());
        let done = query.execute(&mut *connection).await;
        done.map(drop).map_err(|error| store_error(&error))
    }
}

fn read_wish(row: &SqliteRow) -> Result<(CredentialId, LeftQueue), RowError> {
    let left = LeftQueue::of_name(row.try_get(1)?);
    Ok((
        CredentialId(rows::number(row, 0, "credential.id")?),
        left.ok_or(RowError::Column("credential.left_queue"))?,
    ))
}
