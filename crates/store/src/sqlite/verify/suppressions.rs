//! Whether entries of the suppression list are found by those who look for them.

use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection};

use super::super::suppression::is_found;
use super::Verified;

/// An entry whose number is not that of its key keeps no mail back.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    verified: &mut Verified,
) -> Result<(), sqlx::Error> {
    let sql = "SELECT id, workspace_id, key, hash FROM suppression";
    let mut found = sqlx::query(sql).fetch(connection);
    let mut wrong = Vec::new();
    while let Some(row) = found.try_next().await? {
        if !is_found(&row)? {
            let (entry, workspace): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            wrong.push(format!(
                "entry {entry} of the suppression list, of workspace {workspace}, is not found by its address"
            ));
        }
    }
    verified.all_wrong("suppressions", wrong);
    Ok(())
}
