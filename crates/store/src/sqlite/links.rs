//! Addresses that are too long for a token. Most messages have none.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use postbell_model::Timestamp;
use postbell_model::token::stored_link;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use crate::{Links, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::rows;
use super::statements::{BatchStatement, Query};
use super::work::Change;

/// What is kept again so soon after is not written down again.
pub(super) const AGAIN: Duration = Duration::from_hours(24);

/// The statement that keeps addresses: name, address, time.
pub(super) const KEEP: (&str, usize, &str) = (
    "INSERT INTO link (name, url, kept_at) SELECT * FROM",
    3,
    "WHERE column1 IS NOT NULL ON CONFLICT (name) DO UPDATE SET kept_at = excluded.kept_at \
     WHERE kept_at < excluded.kept_at",
);

/// The statement that tells which of some names are kept: name. What is bound last is since when.
pub(super) const KEPT: (&str, usize, &str) = (
    "SELECT l.name FROM",
    1,
    "AS v CROSS JOIN link l ON l.name = v.column1 WHERE l.kept_at > ?",
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
        let links = urls.into_iter().map(|url| KeptLink {
            name: stored_link(&url),
            url,
        });
        let mut new: Vec<_> = links.collect();
        let kept = kept(&self.readers, &self.kept_links, &new, now.before(AGAIN)).await?;
        new.retain(|link| !kept.contains(&link.name));
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

/// The names of those that somebody wanted kept since.
async fn kept(
    pool: &SqlitePool,
    statement: &BatchStatement,
    links: &[KeptLink],
    since: Timestamp,
) -> Result<HashSet<[u8; 16]>, StoreError> {
    let mut names = HashSet::with_capacity(links.len());
    let bind = |query: Query<'static>, link: &KeptLink| query.bind(link.name.to_vec());
    for query in statement.batch(links, bind) {
        let found = query.bind(since.as_micros()).fetch_all(pool).await;
        for row in &found.map_err(|error| read_error(&error))? {
            names.insert(rows::octets(row, 0, "link.name")?);
        }
    }
    Ok(names)
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
