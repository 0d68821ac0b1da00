//! Addresses that are too long for a token. Most messages have none.

use std::time::Duration;

use async_trait::async_trait;
use postbell_model::Timestamp;
use postbell_model::token::stored_link;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use crate::{Links, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::statements::{BatchStatement, Query};
use super::work::Change;

/// What is kept again so soon after is not written down again.
const AGAIN: Duration = Duration::from_hours(24);

/// The statement that keeps addresses: name, address, time.
pub(super) const KEEP: (&str, usize, &str) = (
    "INSERT INTO link (name, url, kept_at) SELECT * FROM",
    3,
    "WHERE column1 IS NOT NULL ON CONFLICT (name) DO UPDATE SET kept_at = excluded.kept_at \
     WHERE kept_at < excluded.kept_at",
);

/// An address with its name.
#[derive(Debug)]
pub(super) struct KeptLink {
    name: [u8; 16],
    url: String,
}

#[async_trait]
impl Links for SqliteStore {
    async fn keep_links(&self, urls: Vec<String>, now: Timestamp) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for url in urls {
            let name = stored_link(&url);
            if !is_kept(&self.readers, name, now.before(AGAIN)).await? {
                new.push(KeptLink { name, url });
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        self.change(Change::KeepLinks(new, now)).await
    }

    async fn link(&self, name: [u8; 16]) -> Result<Option<String>, StoreError> {
        find(&self.readers, name).await
    }
}

/// The address of this name.
pub(super) async fn find(pool: &SqlitePool, name: [u8; 16]) -> Result<Option<String>, StoreError> {
    let query = sqlx::query_scalar("SELECT url FROM link WHERE name = ?").bind(name.to_vec());
    let found = query.fetch_optional(pool).await;
    found.map_err(|error| read_error(&error))
}

/// Whether somebody wanted it kept since.
async fn is_kept(pool: &SqlitePool, name: [u8; 16], since: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM link WHERE name = ? AND kept_at > ?)";
    let query = sqlx::query_scalar(sql)
        .bind(name.to_vec())
        .bind(since.as_micros());
    let found = query.fetch_one(pool).await;
    found.map_err(|error| read_error(&error))
}

/// Keeps them; those that are kept already stay for longer.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    statement: &BatchStatement,
    links: &[KeptLink],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let bind = |query: Query<'static>, link: &KeptLink| {
        query
            .bind(link.name.to_vec())
            .bind(link.url.clone())
            .bind(now.as_micros())
    };
    for query in statement.batch(links, bind) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
