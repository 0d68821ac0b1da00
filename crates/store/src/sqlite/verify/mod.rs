//! Whether a store, or a backup of one, holds together. Nothing is changed, and a server may be
//! using it: everything is read as of one moment.
//!
//! Not checked: whether what the events tell did happen.

mod bodies;
mod checks;
mod suppressions;

use std::path::Path;

use sqlx::{Connection, Row, SqliteConnection};

use super::backup::{MANIFEST, Manifest};
use super::{BackupError, DATABASE, OpenError, database, unusable};

/// So many faults of one kind are told, with how many more there are.
const TOLD_MAX: usize = 20;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was checked: `lanes`, `bodies`, ….
    pub check: &'static str,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is a backup, which was checked against its manifest as well.
    pub is_backup: bool,
    /// The database has an older schema than this program: its tables were not looked into.
    pub older: bool,
    /// Bodies that were read.
    pub bodies: u64,
    /// Deliveries, ended or not.
    pub deliveries: u64,
    /// Events.
    pub events: u64,
    /// All that is wrong.
    pub faults: Vec<Fault>,
}

impl Verified {
    fn wrong(&mut self, check: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.faults.push(Fault { check, what });
    }

    /// Adds what is wrong of one kind, so much of it as anybody reads.
    fn all_wrong(&mut self, check: &'static str, found: Vec<String>) {
        let more = found.len().saturating_sub(TOLD_MAX);
        for what in found.into_iter().take(TOLD_MAX) {
            self.wrong(check, what);
        }
        if more > 0 {
            self.wrong(check, format!("and {more} more of the kind"));
        }
    }
}

/// Checks a data folder or a backup.
///
/// # Errors
/// There is none, or its database can't be opened at all.
pub async fn verify(folder: &Path) -> Result<Verified, BackupError> {
    let file = folder.join(DATABASE);
    let mut verified = Verified {
        is_backup: folder.join(MANIFEST).exists(),
        ..Verified::default()
    };
    if verified.is_backup {
        check_files(folder, &mut verified).await?;
    }
    std::fs::metadata(&file).map_err(|source| unusable(&file, source))?;
    let mut connection = match verified.is_backup {
        true => database::still(&file).await?,
        false => database::reader(&file).await?,
    };
    if let Err(error) = look(&mut connection, folder, &mut verified).await {
        verified.wrong("database", format!("it can't be read: {error}"));
    }
    // It was only read from.
    let _closed = connection.close().await;
    Ok(verified)
}

async fn check_files(folder: &Path, verified: &mut Verified) -> Result<(), BackupError> {
    let manifest = Manifest::read(folder)?;
    let folder = folder.to_owned();
    let wrong = tokio::task::spawn_blocking(move || manifest.check_files(&folder));
    match wrong.await {
        Ok(wrong) => verified.all_wrong("files", wrong),
        Err(error) => verified.wrong("files", error.to_string()),
    }
    Ok(())
}

async fn look(
    connection: &mut SqliteConnection,
    folder: &Path,
    verified: &mut Verified,
) -> Result<(), OpenError> {
    // All looks are of one moment.
    let mut look = connection.begin().await?;
    integrity(&mut look, verified).await?;
    let (version, known) = (
        database::schema_version(&mut look).await?,
        database::known(),
    );
    if version > known {
        let newer = OpenError::Newer { version, known };
        verified.wrong("schema", newer.to_string());
    }
    verified.older = version < known;
    if version == known {
        checks::run(&mut look, verified).await?;
        suppressions::check(&mut look, verified).await?;
        bodies::check(&mut look, folder, verified).await?;
    }
    look.rollback().await?;
    Ok(())
}

/// What SQLite itself says.
async fn integrity(
    connection: &mut SqliteConnection,
    verified: &mut Verified,
) -> Result<(), sqlx::Error> {
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut *connection)
        .await?;
    let said = said.into_iter().filter(|line| line != "ok").collect();
    verified.all_wrong("database", said);
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(connection)
        .await?;
    let mut told = Vec::with_capacity(broken.len());
    for row in broken {
        let (table, parent): (&str, &str) = (row.try_get(0)?, row.try_get(2)?);
        told.push(format!(
            "a row of {table} refers to one of {parent} that is not there"
        ));
    }
    verified.all_wrong("references", told);
    Ok(())
}
