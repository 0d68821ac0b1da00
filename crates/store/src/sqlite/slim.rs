//! What is left of deliveries whose events were removed: enough to tell of what comes later.

use std::sync::Arc;

use postbell_model::message::Received;
use postbell_model::{
    ConfigurationSetId, DeliveryId, Instructions, Message, MessageId, ReversePath, WorkspaceId,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::Sent;

use super::rows::{self, RowError};

/// The columns that [`read_message`] expects, of a delivery `l`.
pub(super) const COLUMNS: &str = "l.message_id, l.workspace_id, l.configuration_set_id, \
    l.header_message_id, l.accepted_at, l.stream, l.recipient, l.state, l.id";
/// Where the recipient stands in them.
pub(super) const RECIPIENT: usize = 6;
const STATE: usize = 7;
const ID: usize = 8;

/// The message of a delivery, from a row in which [`COLUMNS`] begin at `at`: all else is empty.
pub(super) fn read_message(row: &SqliteRow, at: usize) -> Result<Arc<Message>, RowError> {
    Ok(Arc::new(Message {
        id: MessageId::from_bytes(rows::octets(row, at, "slim_delivery.message_id")?),
        workspace: WorkspaceId(rows::number(row, at + 1, "slim_delivery.workspace_id")?),
        configuration_set: ConfigurationSetId(rows::number(row, at + 2, "configuration_set_id")?),
        mail_from: ReversePath::Null,
        source: String::new(),
        subject: String::new(),
        header_message_id: row.try_get(at + 3)?,
        accepted_at: rows::time(row, at + 4)?,
        size: 0,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: String::new(),
            peer: None,
            with: String::new(),
        },
        reports: false,
        instructions: Instructions {
            stream: row.try_get(at + 5)?,
            ..Instructions::default()
        },
        forward: None,
    }))
}

/// The delivery of a row of [`COLUMNS`].
pub(super) fn read_sent(row: &SqliteRow) -> Result<Sent, RowError> {
    let state = row.try_get::<&str, _>(STATE)?.parse();
    Ok(Sent {
        delivery: DeliveryId::from_bytes(rows::octets(row, ID, "slim_delivery.id")?),
        recipient: rows::address(row.try_get(RECIPIENT)?, "slim_delivery.recipient")?,
        state: state.map_err(|_| RowError::Column("slim_delivery.state"))?,
        message: read_message(row, 0)?,
    })
}
