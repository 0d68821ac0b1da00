//! What stands of an address on the suppression list, and was told of it.
//!
//! What somebody has wished stays: without the address nobody could heed it. That an address is dead
//! is no wish.

use postbell_model::suppression::LocalPart;
use postbell_model::{Address, WorkspaceId};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::super::BackupError;
use super::super::suppression::local_part;
use super::BATCH;
use super::forget::NOBODY;

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<(), BackupError> {
    let workspace = workspace.map(|workspace| i64::from(workspace.0));
    let key = LocalPart::Fold.key(address);
    // Where case counts on the list, it does not here: that takes a look at all of it.
    let is_it = match local_part(connection).await? {
        LocalPart::Fold => "s.key = ?1",
        LocalPart::Exact => "lower(s.key) = ?1",
    };
    let of = |cause: &str| {
        format!(
            "IN (SELECT s.rowid FROM workspace w CROSS JOIN suppression s \
             ON s.workspace_id = w.id AND {is_it} WHERE (?2 IS NULL OR w.id = ?2) {cause})"
        )
    };
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for sql in [
        format!(
            "DELETE FROM suppression WHERE id {}",
            of("AND s.cause = 'BOUNCE'")
        ),
        "DELETE FROM soft_bounce WHERE lower(key) = ?1 AND (?2 IS NULL OR workspace_id = ?2)"
            .to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .bind(key.as_str())
            .bind(workspace)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    forget_events(connection, address, workspace).await
}

/// Events about entries, which all may be: of those about deliveries none is looked at.
async fn forget_events(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<i64>,
) -> Result<(), BackupError> {
    let sql = "SELECT position FROM event WHERE delivery_id IS NULL AND sequence = 0 \
        AND kind IN ('SuppressionAdded', 'SuppressionRemoved') \
        AND CASE WHEN json_valid(payload) THEN lower(payload ->> '$.address') END = lower(?1) \
        AND (?2 IS NULL OR workspace_id = ?2)";
    let positions: Vec<i64> = sqlx::query_scalar(sql)
        .bind(address.to_string())
        .bind(workspace)
        .fetch_all(&mut *connection)
        .await?;
    let stretch = usize::try_from(BATCH).unwrap_or(1);
    for positions in positions.chunks(stretch) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for position in positions {
            let sql = "UPDATE event SET payload = \
                json_set(json_remove(payload, '$.note'), '$.address', ?) WHERE position = ?";
            sqlx::query(sql)
                .bind(NOBODY)
                .bind(position)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}
