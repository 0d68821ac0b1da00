//! What SQLite's errors mean for the store.

use std::io;
use std::path::PathBuf;

use sqlx::error::DatabaseError;

use crate::StoreError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves from this folder.
    #[error("another postbell serves from {0}: stop it, or choose another data_dir")]
    Locked(PathBuf),
    /// A newer version wrote this database.
    #[error(
        "the database has schema {version} and this version knows {known}: \
         install the version that wrote it, or a newer one"
    )]
    Newer {
        /// What the database has.
        version: usize,
        /// What this program knows.
        known: usize,
    },
    /// The SQLite that the program was linked with has a known fault.
    #[error("SQLite {0} may corrupt its database; 3.51.3 or newer is needed")]
    SqliteTooOld(String),
    /// The folder or a file in it can't be used.
    #[error("can't use {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that writes has nothing to run on.
    #[error("the thread that writes can't be set up")]
    Thread(#[source] io::Error),
    /// What operators set up can't be read.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// It was closed meanwhile.
    #[error("the store was closed")]
    Closed,
    /// The database can't be opened.
    #[error("the database can't be opened")]
    Database(#[from] sqlx::Error),
}

/// What is to be done about an error in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A statement broke a rule: whoever asked for it is refused, the others go on.
    Rule,
    /// The disk is full: nothing was changed, later it may be.
    Full,
    /// Another process holds the write lock.
    Busy,
    /// The file can't be trusted any more: the store stops.
    Fatal,
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_FULL: u32 = 13;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_MISMATCH: u32 = 20;

/// Sorts an error; what is not known to be harmless is fatal.
pub(super) fn trouble(error: &sqlx::Error) -> Trouble {
    match error.as_database_error().and_then(result_code) {
        Some(SQLITE_BUSY) => Trouble::Busy,
        Some(SQLITE_FULL) => Trouble::Full,
        Some(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH) => Trouble::Rule,
        _ => Trouble::Fatal,
    }
}

/// The primary result code, of which the extended one is a refinement.
fn result_code(error: &dyn DatabaseError) -> Option<u32> {
    let extended: u32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// An error of a read.
pub(super) fn read_error(error: &sqlx::Error) -> StoreError {
    StoreError::Read(error.to_string().into())
}
