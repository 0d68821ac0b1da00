//! Messages that are to be forwarded: noted in the transaction that takes them, read in their order,
//! taken off when they were handed to the queue.
//!
//! What is noted counts as one more body in its segment.

use postbell_model::{Address, ForwardTo};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows::{self, RowError};
use super::statements::Query;

/// Binds where mail goes on to, in three columns: address, host and port.
pub(super) fn bind_to(query: Query<'static>, to: Option<&ForwardTo>) -> Query<'static> {
    let (address, host, port) = match to {
        Some(ForwardTo::Address(address)) => (Some(address.as_str().to_owned()), None, None),
        Some(ForwardTo::Host { host, port }) => {
            (None, Some(host.as_str().to_owned()), Some(*port))
        }
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
