//! Rows and what they mean: messages and the small encodings that several tables share.

use std::net::IpAddr;
use std::sync::Arc;

use postbell_model::message::Received;
use postbell_model::{
    Address, ConfigurationSetId, Domain, Forward, Message, MessageId, Notify, OriginalRecipient,
    ReportRequest, ReversePath, Timestamp, WorkspaceId,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{BodyRef, StoreError, Submission, record};

use super::statements::Query;

/// A row that does not hold what its columns promise.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("column {0} does not hold what it should")]
    Column(&'static str),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Payload(#[from] record::PayloadError),
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Sql(error) => super::errors::read_error(&error),
            other => Self::Corrupt(other.to_string().into()),
        }
    }
}

/// The columns that [`read_message`] expects, in its order.
pub(super) const MESSAGE_COLUMNS: &str = "m.id, m.workspace_id, m.configuration_set_id, \
    m.mail_from, m.source, m.subject, m.header_message_id, m.accepted_at, m.size, m.eight_bit, \
    m.smtputf8, m.received_helo, m.received_peer, m.received_with, m.body_segment, \
    m.body_offset, m.body_length, m.reports, m.instructions, m.forward";

/// How many they are.
pub(super) const MESSAGE_WIDTH: usize = 20;

/// Binds a message's row in the order of the statement's columns.
pub(super) fn bind_message(
    query: Query<'static>,
    submission: &Submission,
    body: BodyRef,
) -> Query<'static> {
    let message = &submission.message;
    query
        .bind(blob(message.id.as_bytes()))
        .bind(i64::from(message.workspace.0))
        .bind(i64::from(message.configuration_set.0))
        .bind(message.mail_from.to_string())
        .bind(message.source.clone())
        .bind(message.subject.clone())
        .bind(message.header_message_id.clone())
        .bind(message.accepted_at.as_micros())
        .bind(integer(message.size))
        .bind(message.eight_bit)
        .bind(message.smtputf8)
        .bind(message.received.helo.clone())
        .bind(message.received.peer.map(|ip| ip.to_string()))
        .bind(message.received.with.clone())
        .bind(integer(body.segment))
        .bind(integer(body.offset))
        .bind(i64::from(body.length))
        .bind(message.reports)
        .bind(record::write_instructions(&message.instructions))
        .bind(
            submission
                .credential
                .map(|credential| i64::from(credential.0)),
        )
        .bind(message.forward.as_deref().map(record::write_forward))
}

/// Reads a message whose first column is at `at`.
pub(super) fn read_message(
    row: &SqliteRow,
    at: usize,
) -> Result<(Arc<Message>, BodyRef), RowError> {
    let id = MessageId::from_bytes(octets(row, at, "message.id")?);
    let message = Message {
        id,
        workspace: WorkspaceId(number(row, at + 1, "message.workspace_id")?),
        configuration_set: ConfigurationSetId(number(row, at + 2, "configuration_set_id")?),
        mail_from: reverse_path(row.try_get(at + 3)?, "message.mail_from")?,
        source: row.try_get(at + 4)?,
        subject: row.try_get(at + 5)?,
        header_message_id: row.try_get(at + 6)?,
        accepted_at: time(row, at + 7)?,
        size: unsigned(row, at + 8, "message.size")?,
        eight_bit: row.try_get(at + 9)?,
        smtputf8: row.try_get(at + 10)?,
        received: Received {
            helo: row.try_get(at + 11)?,
            peer: peer(row.try_get(at + 12)?)?,
            with: row.try_get(at + 13)?,
        },
        reports: row.try_get(at + 17)?,
        instructions: record::read_instructions(row.try_get(at + 18)?)
            .ok_or(RowError::Column("message.instructions"))?,
        forward: forward(row.try_get(at + 19)?)?,
    };
    let body = BodyRef {
        message: id,
        segment: unsigned(row, at + 14, "message.body_segment")?,
        offset: unsigned(row, at + 15, "message.body_offset")?,
        length: number(row, at + 16, "message.body_length")?,
    };
    Ok((Arc::new(message), body))
}

/// A reverse-path as stored.
pub(super) fn reverse_path(text: &str, column: &'static str) -> Result<ReversePath, RowError> {
    if text.is_empty() {
        return Ok(ReversePath::Null);
    }
    address(text, column).map(ReversePath::Mailbox)
}

fn forward(json: Option<&str>) -> Result<Option<Box<Forward>>, RowError> {
    let read = json.map(record::read_forward).transpose();
    let read = read.map_err(|_| RowError::Column("message.forward"))?;
    Ok(read.map(Box::new))
}

fn peer(text: Option<&str>) -> Result<Option<IpAddr>, RowError> {
    text.map(|ip| {
        ip.parse()
            .map_err(|_| RowError::Column("message.received_peer"))
    })
    .transpose()
}

/// An address as stored.
pub(super) fn address(text: &str, column: &'static str) -> Result<Address, RowError> {
    Address::parse(text).map_err(|_| RowError::Column(column))
}

/// A domain as stored.
pub(super) fn domain(text: &str, column: &'static str) -> Result<Domain, RowError> {
    Domain::parse(text).map_err(|_| RowError::Column(column))
}

/// What was asked about reports, in two columns from `at` on.
pub(super) fn report_request(row: &SqliteRow, at: usize) -> Result<ReportRequest, RowError> {
    let notify = row.try_get::<Option<&str>, _>(at)?;
    let notify = notify.map(str::parse::<Notify>).transpose();
    let orcpt = row.try_get::<Option<&str>, _>(at + 1)?;
    Ok(ReportRequest {
        notify: notify.map_err(|_| RowError::Column("delivery.notify"))?,
        orcpt: orcpt.and_then(OriginalRecipient::parse),
    })
}

/// A moment as stored.
pub(super) fn time(row: &SqliteRow, at: usize) -> Result<Timestamp, RowError> {
    Ok(Timestamp::from_micros(row.try_get(at)?))
}

/// A number of 32 bits as stored.
pub(super) fn number(row: &SqliteRow, at: usize, column: &'static str) -> Result<u32, RowError> {
    u32::try_from(row.try_get::<i64, _>(at)?).map_err(|_| RowError::Column(column))
}

/// A number that is never negative, as stored.
pub(super) fn unsigned(row: &SqliteRow, at: usize, column: &'static str) -> Result<u64, RowError> {
    u64::try_from(row.try_get::<i64, _>(at)?).map_err(|_| RowError::Column(column))
}

/// An id of 16 octets as stored.
pub(super) fn octets(
    row: &SqliteRow,
    at: usize,
    column: &'static str,
) -> Result<[u8; 16], RowError> {
    row.try_get::<&[u8], _>(at)?
        .try_into()
        .map_err(|_| RowError::Column(column))
}

/// An id, as bound.
pub(super) fn blob(id: &[u8; 16]) -> Vec<u8> {
    id.to_vec()
}

/// A number as SQLite keeps it; one over 63 bits can't come up.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_message_are_as_many_as_they_are_said_to_be() {
        assert_eq!(MESSAGE_COLUMNS.split(',').count(), MESSAGE_WIDTH);
    }
}
