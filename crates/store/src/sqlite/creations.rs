//! New rows of what belongs to something that may be removed at the same moment.
//!
//! What is removed keeps its row, so that a foreign key does not see it. A statement therefore
//! inserts its row only where what it is to belong to is still there, which one transaction decides.

use postbell_model::WorkspaceEvent;
use sqlx::Connection;

use crate::TenantError;

use super::event_rows;
use super::statements::Query;
use super::tenants::{SqliteTenants, count_change, is_unique_violation, store_error};

/// Ends a statement that inserts something of a workspace; its id is bound last.
pub(super) const IN_WORKSPACE: &str =
    "WHERE EXISTS (SELECT 1 FROM workspace WHERE id = ? AND removed_at IS NULL)";

/// The same of a configuration set of a workspace; their ids are bound last.
pub(super) const IN_SET: &str = "WHERE EXISTS (SELECT 1 FROM configuration_set \
    WHERE id = ? AND workspace_id = ? AND removed_at IS NULL)";

/// What is to be made.
pub(super) struct Creation<'a> {
    pub kind: &'static str,
    pub name: &'a str,
    /// The event that tells of it.
    pub event: Option<WorkspaceEvent>,
    /// What is wrong where no row was inserted.
    pub gone: TenantError,
}

impl SqliteTenants {
    /// Runs a statement that inserts one row or none, counts the change and takes a new snapshot:
    /// the new row's number. A broken uniqueness means that there is one already.
    pub(super) async fn create_in(
        &self,
        query: Query<'_>,
        creation: Creation<'_>,
    ) -> Result<i64, TenantError> {
        let mut connection = self.connection().await?;
        let written = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let inserted = query.execute(&mut *transaction).await?;
            if inserted.rows_affected() == 0 {
                transaction.rollback().await?;
                return Ok(None);
            }
            if let Some(event) = &creation.event {
                event_rows::append_workspace_event(&mut transaction, event).await?;
            }
            count_change(&mut transaction).await?;
            transaction.commit().await?;
            Ok(Some(inserted.last_insert_rowid()))
        };
        let written: Result<_, sqlx::Error> = written.await;
        let id = written.map_err(|error| match is_unique_violation(&error) {
            true => TenantError::Exists {
                kind: creation.kind,
                name: creation.name.to_owned(),
            },
            false => store_error(&error).into(),
        })?;
        self.load(&mut connection).await?;
        id.ok_or(creation.gone)
    }
}
