//! Messages that came in, as they are kept.

use postbell_model::{DeliveryId, InboundId, InboundMail, MessageId, WorkspaceId};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};

use crate::{BodyRef, InboundFilter, InboundPage, KeptInbound, StoreError};

use super::super::errors::read_error;
use super::super::rows::{self, RowError, blob};

/// The columns that [`read_mail`] expects, of a message `i`.
pub(in crate::sqlite) const COLUMNS: &str = "i.id, i.workspace_id, i.delivery_id, i.kind, i.at, \
    i.peer, i.mail_from, i.recipient, i.from_mailbox, i.subject, i.header_message_id, i.size, \
    i.body_id, i.body_segment, i.body_offset, i.body_length";
/// Where the body begins in [`COLUMNS`].
const BODY_AT: usize = 12;
/// How many columns they are.
pub(in crate::sqlite) const WIDTH: usize = 16;

/// Messages with whether their octets are kept.
fn select() -> String {
    format!(
        "SELECT {COLUMNS}, s.kept_at IS NOT NULL FROM inbound i \
         LEFT JOIN segment s ON s.id = i.body_segment WHERE true"
    )
}

pub(in crate::sqlite) async fn one(
    pool: &SqlitePool,
    id: InboundId,
) -> Result<Option<KeptInbound>, StoreError> {
    let found = sqlx::query(AssertSqlSafe(select() + " AND i.id = ?"))
        .bind(blob(id.as_bytes()))
        .fetch_optional(pool)
        .await
        .map_err(|error| read_error(&error))?;
    Ok(found.as_ref().map(read).transpose()?)
}

/// The newest first: ids order by time.
pub(in crate::sqlite) async fn page(
    pool: &SqlitePool,
    filter: &InboundFilter,
    page: InboundPage,
) -> Result<Vec<KeptInbound>, StoreError> {
    let mut query = QueryBuilder::new(select());
    if let Some(before) = page.before {
        query.push(" AND i.id < ");
        query.push_bind(blob(before.as_bytes()));
    }
    push(&mut query, filter);
    query.push(" ORDER BY i.id DESC LIMIT ");
    query.push_bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
    let found = query.build().fetch_all(pool).await;
    let found = found.map_err(|error| read_error(&error))?;
    Ok(found.iter().map(read).collect::<Result<_, _>>()?)
}

fn push(query: &mut QueryBuilder<Sqlite>, filter: &InboundFilter) {
    if let Some(since) = filter.since {
        query.push(" AND i.id >= ");
        query.push_bind(blob(InboundId::lowest_at(since).as_bytes()));
    }
    if let Some(workspace) = filter.workspace {
        query.push(" AND i.workspace_id = ");
        query.push_bind(i64::from(workspace.0));
    }
    if let Some(kind) = filter.kind {
        query.push(" AND i.kind = ");
        query.push_bind(kind.name());
    }
    if let Some(delivery) = filter.delivery {
        query.push(" AND i.delivery_id = ");
        query.push_bind(blob(delivery.as_bytes()));
    }
    if filter.unmatched {
        query.push(" AND (i.workspace_id IS NULL OR (i.delivery_id IS NULL AND i.kind <> 'mail'))");
    }
}

fn read(row: &SqliteRow) -> Result<KeptInbound, RowError> {
    let (mail, body) = read_mail(row)?;
    let is_kept: bool = row.try_get(WIDTH)?;
    Ok(KeptInbound {
        mail,
        body: is_kept.then_some(body),
    })
}

/// Reads a message from a row that begins with [`COLUMNS`].
pub(in crate::sqlite) fn read_mail(row: &SqliteRow) -> Result<(InboundMail, BodyRef), RowError> {
    let workspace: Option<i64> = row.try_get(1)?;
    let workspace = workspace.map(u32::try_from).transpose();
    let delivery: Option<&[u8]> = row.try_get(2)?;
    let delivery = delivery.map(<[u8; 16]>::try_from).transpose();
    let kind = row.try_get::<&str, _>(3)?.parse();
    let peer = row.try_get::<&str, _>(5)?.parse();
    let mail = InboundMail {
        id: InboundId::from_bytes(rows::octets(row, 0, "inbound.id")?),
        workspace: workspace
            .map_err(|_| RowError::Column("inbound.workspace_id"))?
            .map(WorkspaceId),
        delivery: delivery
            .map_err(|_| RowError::Column("inbound.delivery_id"))?
            .map(DeliveryId::from_bytes),
        kind: kind.map_err(|_| RowError::Column("inbound.kind"))?,
        at: rows::time(row, 4)?,
        peer: peer.map_err(|_| RowError::Column("inbound.peer"))?,
        mail_from: rows::reverse_path(row.try_get(6)?, "inbound.mail_from")?,
        recipient: rows::address(row.try_get(7)?, "inbound.recipient")?,
        from: row.try_get(8)?,
        subject: row.try_get(9)?,
        header_message_id: row.try_get(10)?,
        size: rows::unsigned(row, 11, "inbound.size")?,
    };
    Ok((mail, body_of(row, BODY_AT)?))
}

/// Reads where the octets of a message lie, from four columns.
fn body_of(row: &SqliteRow, at: usize) -> Result<BodyRef, RowError> {
    Ok(BodyRef {
        message: MessageId::from_bytes(rows::octets(row, at, "inbound.body_id")?),
        segment: rows::unsigned(row, at + 1, "inbound.body_segment")?,
        offset: rows::unsigned(row, at + 2, "inbound.body_offset")?,
        length: rows::number(row, at + 3, "inbound.body_length")?,
    })
}
