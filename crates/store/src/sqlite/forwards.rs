//! Messages that are to be forwarded: noted in the transaction that takes them, read in their order,
//! taken off when they were handed to the queue.
//!
//! What is noted counts as one more body in its segment.

use std::collections::HashMap;

use async_trait::async_trait;
use postbell_model::{Address, ForwardTo, InboundId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use tokio::sync::watch;

use crate::{ForwardDue, Forwards, NewForward, StoreError, record};

use super::errors::read_error;
use super::rows::{self, RowError, blob};
use super::statements::{BatchStatement, Query};
use super::work::Change;
use super::{SqliteStore, inbound, reports};

/// Takes messages off the list, by their id.
pub(super) const END: (&str, usize, &str) = (
    "DELETE FROM forward_due WHERE inbound_id IN",
    1,
    "RETURNING segment",
);

#[async_trait]
impl Forwards for SqliteStore {
    fn forwards_noted(&self) -> watch::Receiver<u64> {
        self.shared.forwards()
    }

    async fn forwards_due(&self, limit: usize) -> Result<Vec<ForwardDue>, StoreError> {
        let found = due(&self.readers, limit).await?;
        if !found.unreadable.is_empty() {
            self.end_forwards(found.unreadable).await?;
        }
        Ok(found.due)
    }

    async fn end_forwards(&self, ended: Vec<InboundId>) -> Result<(), StoreError> {
        self.change(Change::EndForwards(ended)).await
    }
}

/// Takes them off. The segments that they were in, with what these are still needed for.
pub(super) async fn end(
    connection: &mut SqliteConnection,
    statement: &BatchStatement,
    ended: &[InboundId],
) -> Result<Vec<(u64, i64)>, sqlx::Error> {
    let mut counts = HashMap::new();
    let bind = |query: Query<'static>, id: &InboundId| query.bind(blob(id.as_bytes()));
    for query in statement.batch(ended, bind) {
        reports::count(&query.fetch_all(&mut *connection).await?, -1, &mut counts)?;
    }
    reports::change_live(connection, counts).await
}

/// What was found on the list.
#[derive(Debug, Default)]
struct Found {
    due: Vec<ForwardDue>,
    /// What can't be read: it is given up, since it would stand there for ever.
    unreadable: Vec<InboundId>,
}

async fn due(pool: &SqlitePool, limit: usize) -> Result<Found, StoreError> {
    let sql = format!(
        "SELECT {}, f.forward_address, f.forward_host, f.forward_port, f.authentication, \
         f.inbound_id FROM forward_due f LEFT JOIN inbound i ON i.id = f.inbound_id \
         ORDER BY f.inbound_id LIMIT ?",
        inbound::COLUMNS
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    let mut found = Found::default();
    for row in &rows {
        match read(row) {
            Ok(due) => found.due.push(due),
            Err(error) => {
                let id = rows::octets(row, inbound::WIDTH + 4, "forward_due.inbound_id")?;
                let id = InboundId::from_bytes(id);
                tracing::error!(inbound.id = %id, %error, "a message can't be read and is not forwarded");
                found.unreadable.push(id);
            }
        }
    }
    Ok(found)
}

fn read(row: &SqliteRow) -> Result<ForwardDue, RowError> {
    let (mail, body) = inbound::read_mail(row)?;
    let to = read_to(row, inbound::WIDTH)?;
    let authentication = record::read_authentication(row.try_get(inbound::WIDTH + 3)?);
    Ok(ForwardDue {
        mail,
        body,
        forward: NewForward {
            to: to.ok_or(RowError::Column("forward_due.forward_address"))?,
            authentication: authentication
                .map_err(|_| RowError::Column("forward_due.authentication"))?,
        },
    })
}

/// Binds where mail goes on to, in three columns: address, host and port.
pub(super) fn bind_to(query: Query<'static>, to: Option<&ForwardTo>) -> Query<'static> {
    let (address, host, port) = match to {
        Some(ForwardTo::Address(address)) => (Some(address.as_str().to_owned()), None, None),
        Some(ForwardTo::Host { host, port }) => (None, Some(host.as_str().to_owned()), Some(*port)),
        None => (None, None, None),
    };
    query.bind(address).bind(host).bind(port.map(i64::from))
}

/// Reads the three columns from `at` on.
pub(super) fn read_to(row: &SqliteRow, at: usize) -> Result<Option<ForwardTo>, RowError> {
    if let Some(address) = row.try_get::<Option<&str>, _>(at)? {
        let address: Address = rows::address(address, "forward_address")?;
        return Ok(Some(ForwardTo::Address(address)));
    }
    let Some(host) = row.try_get::<Option<&str>, _>(at + 1)? else {
        return Ok(None);
    };
    let port = u16::try_from(row.try_get::<i64, _>(at + 2)?);
    Ok(Some(ForwardTo::Host {
        host: rows::domain(host, "forward_host")?,
        port: port.map_err(|_| RowError::Column("forward_port"))?,
    }))
}
