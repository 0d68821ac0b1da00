//! What stands of an address on the suppression list, and was told of it.
//!
//! What somebody has wished stays: without the address nobody could heed it. That an address is dead
//! is no wish.

use futures_util::TryStreamExt;
use postbell_model::suppression::LocalPart;
use postbell_model::{Address, WorkspaceId};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::super::BackupError;
use super::super::rows;
use super::super::suppression::local_part;
use super::BATCH;
use super::forget::NOBODY;

/// The tables of the list, with what goes of each.
const TABLES: [(&str, &str); 2] = [
    ("suppression", "AND s.cause = 'BOUNCE'"),
    ("soft_bounce", ""),
];

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<WorkspaceId>,
) -> Result<(), BackupError> {
    let workspace = workspace.map(|workspace| i64::from(workspace.0));
    // Looked for before anything is written: nobody waits for it.
    let mut gone = Vec::new();
    for table in TABLES {
        gone.push((
            table,
            keys_of(connection, table, (address, workspace)).await?,
        ));
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for ((table, which), keys) in gone {
        for (workspace, key) in keys {
            let sql =
                format!("DELETE FROM {table} AS s WHERE workspace_id = ? AND key = ? {which}");
            sqlx::query(AssertSqlSafe(sql))
                .bind(workspace)
                .bind(key)
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await?;
    forget_events(connection, address, workspace).await
}

/// The keys of an address in a table, each with its workspace.
async fn keys_of(
    connection: &mut SqliteConnection,
    (table, which): (&str, &str),
    (address, workspace): (&Address, Option<i64>),
) -> Result<Vec<(i64, String)>, BackupError> {
    let key = LocalPart::Fold.key(address);
    // Where case counts on the list, it does not here: that takes a look at all of the domain's.
    let (is_it, sought) = match local_part(connection).await? {
        LocalPart::Fold => ("s.key = ?1", key.clone()),
        LocalPart::Exact => {
            let domain = address.domain().as_str().to_ascii_lowercase();
            ("substr(s.key, -length(?1)) = ?1", format!("@{domain}"))
        }
    };
    let sql = format!(
        "SELECT s.workspace_id, s.key FROM workspace w CROSS JOIN {table} s \
         ON s.workspace_id = w.id AND {is_it} WHERE (?2 IS NULL OR w.id = ?2) {which}"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(sought).bind(workspace);
    let mut found = query.fetch(connection);
    let mut keys = Vec::new();
    while let Some(row) = found.try_next().await? {
        let text: &str = row.try_get(1)?;
        if is_of(text, &key) {
            keys.push((row.try_get(0)?, text.to_owned()));
        }
    }
    Ok(keys)
}

/// Whether a text is an address of this key, whatever its case. SQLite knows the case of ASCII alone.
fn is_of(text: &str, key: &str) -> bool {
    text == key
        || rows::address(text, "suppression.key")
            .is_ok_and(|address| LocalPart::Fold.key(&address) == key)
}

/// Events about entries, which all may be: of those about deliveries none is looked at.
async fn forget_events(
    connection: &mut SqliteConnection,
    address: &Address,
    workspace: Option<i64>,
) -> Result<(), BackupError> {
    let sql = "SELECT position, \
        CASE WHEN json_valid(payload) THEN CAST(payload ->> '$.address' AS TEXT) END \
        FROM event WHERE delivery_id IS NULL AND sequence = 0 \
        AND kind IN ('SuppressionAdded', 'SuppressionRemoved') \
        AND (?1 IS NULL OR workspace_id = ?1)";
    // As text, whatever stands in a damaged event: it must not keep others from being erased.
    let key = LocalPart::Fold.key(address);
    let mut positions: Vec<i64> = Vec::new();
    let mut found = sqlx::query(sql).bind(workspace).fetch(&mut *connection);
    while let Some(row) = found.try_next().await? {
        let address: Option<&str> = row.try_get(1)?;
        if address.is_some_and(|address| is_of(address, &key)) {
            positions.push(row.try_get(0)?);
        }
    }
    drop(found);
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

#[cfg(test)]
mod tests {
    use super::super::super::{DATABASE, SqliteTenants, database};
    use super::*;

    /// A store in which somebody stands with three spellings, and somebody else.
    async fn listed(folder: &std::path::Path, compared: &'static str) -> SqliteConnection {
        let tenants = SqliteTenants::open(folder).await.unwrap();
        tenants.close().await;
        let mut database = database::writer(&folder.join(DATABASE)).await.unwrap();
        let script = "INSERT INTO workspace (id, name, created_at) VALUES (1, 'acme', 1); \
            INSERT INTO workspace (id, name, created_at) VALUES (2, 'other', 1)";
        sqlx::raw_sql(script).execute(&mut database).await.unwrap();
        let compare = sqlx::query("UPDATE suppression_keys SET local_part = ?").bind(compared);
        compare.execute(&mut database).await.unwrap();
        let keys: &[&str] = match compared {
            "exact" => &[
                "\u{c4}nn@example.com",
                "\u{e4}nn@example.com",
                "\u{e4}nna@example.com",
            ],
            _ => &["\u{e4}nn@example.com", "\u{e4}nna@example.com"],
        };
        for key in keys {
            for sql in [
                "INSERT INTO suppression (workspace_id, key, stream, cause, since) \
                 VALUES (1, ?1, '', 'BOUNCE', 1), (1, ?1, 'news', 'UNSUBSCRIBE', 1), \
                 (2, ?1, '', 'BOUNCE', 1)",
                "INSERT INTO soft_bounce VALUES (1, ?1, 1, 1), (2, ?1, 1, 1)",
                "INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, \
                 sequence, kind, at, payload) VALUES (randomblob(16), 1, 0, NULL, 0, \
                 'SuppressionAdded', 1, json_object('address', ?1))",
            ] {
                let done = sqlx::query(sql).bind(*key).execute(&mut database).await;
                done.unwrap();
            }
        }
        database
    }

    #[tokio::test]
    async fn a_damaged_event_keeps_nothing_from_being_erased() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = listed(folder.path(), "fold").await;
        for payload in [
            r#"{"address":7}"#,
            r#"{"address":0.5}"#,
            r#"{"address":[1]}"#,
        ] {
            let sql = "UPDATE event SET payload = ? WHERE position = \
                (SELECT MIN(position) FROM event WHERE kind = 'SuppressionAdded')";
            let damaged = sqlx::query(sql).bind(payload).execute(&mut database);
            assert_eq!(damaged.await.unwrap().rows_affected(), 1);
            let anna = Address::parse("\u{e4}nna@example.com").unwrap();
            forget(&mut database, &anna, None).await.unwrap();
        }
        let told = "SELECT COUNT(*) FROM event WHERE payload ->> '$.address' LIKE '%example.com'";
        let told: i64 = sqlx::query_scalar(told)
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(told, 0);
    }

    #[tokio::test]
    async fn an_address_is_found_however_it_is_written() {
        for compared in ["fold", "exact"] {
            let folder = tempfile::tempdir().unwrap();
            let mut database = listed(folder.path(), compared).await;
            let ann = Address::parse("\u{c4}NN@Example.com").unwrap();
            let acme = Some(WorkspaceId(1));
            forget(&mut database, &ann, acme).await.unwrap();
            let left = async |sql: &'static str, database: &mut SqliteConnection| {
                let count: Result<i64, _> = sqlx::query_scalar(sql).fetch_one(database).await;
                count.unwrap()
            };
            let others = "SELECT COUNT(*) FROM soft_bounce WHERE workspace_id = 1";
            assert_eq!(left(others, &mut database).await, 1, "{compared}");
            let dead = "SELECT COUNT(*) FROM suppression WHERE workspace_id = 1 \
                AND cause = 'BOUNCE'";
            assert_eq!(left(dead, &mut database).await, 1, "{compared}");
            let told = "SELECT COUNT(*) FROM event WHERE payload ->> '$.address' \
                LIKE '%example.com'";
            assert_eq!(left(told, &mut database).await, 1, "{compared}");
            // What was wished stays, and what others have.
            let wished = "SELECT COUNT(*) > 1 FROM suppression WHERE workspace_id = 1 \
                AND cause = 'UNSUBSCRIBE'";
            assert_eq!(left(wished, &mut database).await, 1, "{compared}");
            let elsewhere = "SELECT COUNT(*) > 1 FROM soft_bounce WHERE workspace_id = 2";
            assert_eq!(left(elsewhere, &mut database).await, 1, "{compared}");
            forget(&mut database, &ann, None).await.unwrap();
            let elsewhere = "SELECT COUNT(*) FROM soft_bounce WHERE workspace_id = 2";
            assert_eq!(left(elsewhere, &mut database).await, 1, "{compared}");
        }
    }
}
