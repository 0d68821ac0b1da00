//! What waits of credentials that were revoked: held or cancelled as was asked for.
//!
//! The wish stands in the credential's row until nothing is left to be done, so that it is carried
//! out by whoever has the store, be it after a crash.

use std::time::Duration;

use async_trait::async_trait;
use postbell_model::{CredentialId, LeftQueue, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Action, DeliveryFilter, Finished, Holder, Operate, Revocations, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::rows::{self, RowError};
use super::tenants::store_error;

// How long a door may let mail in that does not know of it: the directory is read anew every second,
// and a message that was being decided on takes a moment more.
const UNAWARE: Duration = Duration::from_secs(5);

/// What was asked for when a credential was revoked.
struct Wish {
    credential: CredentialId,
    left: LeftQueue,
    revoked_at: Timestamp,
}

#[async_trait]
impl Revocations for SqliteStore {
    async fn finish_revocations_beside(
        &self,
        of: Option<CredentialId>,
        now: Timestamp,
        holder: &dyn Holder,
    ) -> Result<Finished, StoreError> {
        let mut all = Finished::default();
        for wish in self.wishes().await? {
            if of.is_some_and(|of| of != wish.credential) {
                continue;
            }
            let filter = DeliveryFilter {
                credential: Some(wish.credential),
                ..DeliveryFilter::default()
            };
            let action = match wish.left {
                LeftQueue::Keep => continue,
                LeftQueue::Hold => Action::Hold,
                LeftQueue::Cancel => Action::Cancel,
            };
            let done = self.operate_beside(&filter, &action, now, holder).await?;
            all.done.changed += done.changed;
            all.done.left_alone += done.left_alone;
            if done.left_alone == 0 && self.is_known(&wish, now) {
                self.fulfilled(&wish).await?;
            } else {
                all.open += 1;
            }
        }
        Ok(all)
    }
}

impl SqliteStore {
    /// Whether every door knows by now. A store that was opened later has known from the start.
    fn is_known(&self, wish: &Wish, now: Timestamp) -> bool {
        wish.revoked_at <= self.opened_at || now >= wish.revoked_at.after(UNAWARE)
    }

    async fn wishes(&self) -> Result<Vec<Wish>, StoreError> {
        let sql = "SELECT id, left_queue, revoked_at FROM credential \
            WHERE left_queue IS NOT NULL AND revoked_at IS NOT NULL";
        let found = sqlx::query(sql).fetch_all(&self.readers).await;
        let found = found.map_err(|error| read_error(&error))?;
        Ok(found.iter().map(read_wish).collect::<Result<_, _>>()?)
    }

    /// Nobody reads the wish in the directory: it need not be read anew.
    async fn fulfilled(&self, wish: &Wish) -> Result<(), StoreError> {
        let mut connection = self.tenants.connection().await?;
        let sql = "UPDATE credential SET left_queue = NULL WHERE id = ? AND left_queue = ?";
        let query = sqlx::query(sql)
            .bind(i64::from(wish.credential.0))
            .bind(wish.left.name());
        let done = query.execute(&mut *connection).await;
        done.map(drop).map_err(|error| store_error(&error))
    }
}

fn read_wish(row: &SqliteRow) -> Result<Wish, RowError> {
    let left = LeftQueue::of_name(row.try_get(1)?);
    Ok(Wish {
        credential: CredentialId(rows::number(row, 0, "credential.id")?),
        left: left.ok_or(RowError::Column("credential.left_queue"))?,
        revoked_at: rows::time(row, 2)?,
    })
}
