//! The columns of a configuration set that say how its mail leaves.

use std::str::FromStr;

use postbell_model::{Domain, Egress};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows::RowError;
use super::statements::Query;

/// Binds `source_ipv4`, `source_ipv6` and `ehlo_name`.
pub(super) fn bind<'q>(query: Query<'q>, egress: &Egress) -> Query<'q> {
    query
        .bind(egress.ipv4.map(|ip| ip.to_string()))
        .bind(egress.ipv6.map(|ip| ip.to_string()))
        .bind(egress.ehlo_name.as_ref().map(ToString::to_string))
}

/// Reads them from a row that has them.
pub(super) fn read(row: &SqliteRow) -> Result<Egress, RowError> {
    let name: Option<&str> = row.try_get("ehlo_name")?;
    let name = name.map(Domain::parse).transpose();
    Ok(Egress {
        ipv4: parsed(row, "source_ipv4")?,
        ipv6: parsed(row, "source_ipv6")?,
        ehlo_name: name.map_err(|_| RowError::Column("ehlo_name"))?,
    })
}

fn parsed<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<Option<T>, RowError> {
    let text: Option<&str> = row.try_get(column)?;
    let value = text.map(str::parse).transpose();
    value.map_err(|_| RowError::Column(column))
}
