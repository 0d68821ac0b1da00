//! Opening the database file: pragmas, version, schema.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::errors::OpenError;
use super::suppression;

// An earlier version may corrupt a WAL database on a checkpoint.
const SQLITE_OLDEST: (u32, u32, u32) = (3, 51, 3);
// How long a statement waits for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
// Every batch statement has nine sizes (see `ROOMS`); those that are used stay prepared.
const STATEMENTS_CACHED: usize = 192;

/// Each script brings the schema from its index to its index plus one; only ever appended to.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_spine.sql"),
    include_str!("0002_credential.sql"),
    include_str!("0003_instructions.sql"),
    include_str!("0004_credential_limits.sql"),
    include_str!("0005_routes.sql"),
    include_str!("0006_reports.sql"),
    include_str!("0007_domain_keys.sql"),
    include_str!("0009_held.sql"),
    include_str!("0010_destination.sql"),
    include_str!("0011_domains.sql"),
    include_str!("0012_tenants.sql"),
    include_str!("0015_inbound.sql"),
    include_str!("0016_forwards.sql"),
    include_str!("0017_tracking.sql"),
    include_str!("0018_engagement.sql"),
    include_str!("0019_suppression.sql"),
    include_str!("0020_sandbox.sql"),
    include_str!("0021_reputation.sql"),
    include_str!("0022_certificate.sql"),
    include_str!("0023_clicked_link.sql"),
    include_str!("0024_suppression_hash.sql"),
    include_str!("0025_feedback.sql"),
    include_str!("0026_retired_host.sql"),
];
/// The script that leaves numbers and keys of entries of the suppression list to be brought up.
const HASHES: usize = 20;

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        .pragma("mmap_size", "0")
        .pragma("cache_size", "-8192")
        .disable_statement_logging()
}

/// A connection that writes. To open it waits for no other that does.
pub(super) async fn writer(file: &Path) -> Result<SqliteConnection, OpenError> {
    let options = match is_empty(file) {
        true => options(file).auto_vacuum(SqliteAutoVacuum::Incremental),
        // To say so once more would be a write.
        false => options(file),
    };
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What a statement would undo by itself is kept in memory: a temporary file needs a
        // descriptor and room on another disk, and either may be wanting.
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", "1000");
    Ok(SqliteConnection::connect_with(&options).await?)
}

fn is_empty(file: &Path) -> bool {
    std::fs::metadata(file).map_or(true, |file| file.len() == 0)
}

/// Connections that read, with short transactions.
pub(super) async fn readers(file: &Path) -> Result<SqlitePool, OpenError> {
    Ok(SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options(file).read_only(true))
        .await?)
}

/// The one connection of those who look through a long stretch: nobody else waits for it.
pub(super) fn lookups(file: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options(file).read_only(true))
}

/// A connection that only reads, beside whoever writes.
pub(super) async fn reader(file: &Path) -> Result<SqliteConnection, OpenError> {
    Ok(SqliteConnection::connect_with(&options(file).read_only(true)).await?)
}

/// A connection that only reads a file that nobody writes to; it makes no other file.
pub(super) async fn still(file: &Path) -> Result<SqliteConnection, OpenError> {
    let options = options(file).read_only(true).immutable(true);
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// The newest schema that this program knows.
pub(super) const fn known() -> usize {
    MIGRATIONS.len()
}

/// Brings the schema up to date. Safe when several processes do it at once.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    check_version(connection).await?;
    if schema_version(connection).await? == MIGRATIONS.len() {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let version = schema_version(&mut transaction).await?;
    let known = MIGRATIONS.len();
    if version > known {
        return Err(OpenError::Newer { version, known });
    }
    for (at, script) in MIGRATIONS.iter().enumerate().skip(version) {
        sqlx::raw_sql(*script).execute(&mut *transaction).await?;
        if at == HASHES {
            suppression::bring_up(&mut transaction).await?;
        }
    }
    let pragma = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {known}"));
    sqlx::raw_sql(pragma).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

pub(super) async fn schema_version(connection: &mut SqliteConnection) -> Result<usize, OpenError> {
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let text: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?;
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < SQLITE_OLDEST {
        return Err(OpenError::SqliteTooOld(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    const BEFORE_SETTINGS: usize = 4;

    #[tokio::test]
    async fn destinations_of_an_older_program_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = writer(&folder.path().join("old.db")).await.unwrap();
        for script in &MIGRATIONS[..BEFORE_SETTINGS] {
            sqlx::raw_sql(*script).execute(&mut database).await.unwrap();
        }
        let old = "PRAGMA user_version = 4; \
            INSERT INTO workspace (id, name, created_at) VALUES (1, 'acme', 0); \
            INSERT INTO configuration_set VALUES (1, 1, 'default', NULL, NULL, 0, NULL); \
            INSERT INTO destination VALUES (x'00', 1, 1, 'hook', 'https://x.example/', x'01', \
                '[\"bounce\"]', 'postbell', 'disabled', 7); \
            UPDATE cursor SET position = 41;";
        sqlx::raw_sql(old).execute(&mut database).await.unwrap();
        migrate(&mut database).await.unwrap();

        let kept = "SELECT t.name, t.state, t.replays, t.settings IS NULL, c.position \
            FROM destination t JOIN cursor c ON c.destination_id = t.id";
        let kept = sqlx::query(kept).fetch_one(&mut database).await.unwrap();
        assert_eq!(kept.get::<&str, _>(0), "hook");
        assert_eq!(kept.get::<&str, _>(1), "disabled");
        assert_eq!((kept.get::<i64, _>(2), kept.get::<i64, _>(3)), (0, 1));
        assert_eq!(kept.get::<i64, _>(4), 41);

        // The triggers are there: one makes the cursor, the other takes it away.
        let new = "INSERT INTO destination (id, workspace_id, name, url, secret, \
            matching_event_types, format, state, created_at) \
            VALUES (x'02', 1, 'all', 'https://x.example/', x'01', '[]', 'postbell', 'active', 8); \
            DELETE FROM destination WHERE id = x'00';";
        sqlx::raw_sql(new).execute(&mut database).await.unwrap();
        let cursors: Vec<Vec<u8>> = sqlx::query_scalar("SELECT destination_id FROM cursor")
            .fetch_all(&mut database)
            .await
            .unwrap();
        assert_eq!(cursors, [vec![2]]);
    }
}
