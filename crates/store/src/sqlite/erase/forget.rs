//! Erasing a few deliveries.
//!
//! A server that runs waits for whoever writes. Large tables are therefore looked through, and bodies
//! overwritten and synced, while nothing is being written. A process that dies between the steps has
//! left the address in the deliveries, by which they are found again.

use std::path::Path;

use postbell_model::{DeliveryId, MessageId};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, QueryBuilder, SqliteConnection};

use crate::{BodyRef, segment};

use super::super::BackupError;
use super::super::rows::{self, blob};
use super::Traces;
use super::scrub::{self, Scrub};

/// What stands in the place of the address. RFC 2606 §2: no such domain is ever there.
pub(in crate::sqlite) const NOBODY: &str = "erased@erased.invalid";
const NOWHERE: &str = "erased.invalid";

/// The positions of a delivery's events.
const OF_IT: &str = "(SELECT position FROM event WHERE delivery_id = ?1)";

/// A call of a webhook: its destination, and its number there.
type Call = (Vec<u8>, i64);

/// A message that is being erased.
struct Mail {
    id: MessageId,
    /// Whether it was to others as well.
    is_shared: bool,
    /// Whether somebody waits for what it says.
    is_needed: bool,
}

/// Erases these deliveries, and what nobody else needs of their messages.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    deliveries: &[(DeliveryId, MessageId)],
    (bodies, scrub): (&Path, &Scrub),
    traces: &mut Traces,
) -> Result<(), BackupError> {
    let calls = calls_about(connection, deliveries).await?;
    let hits = hits_of(connection, deliveries).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    forget_answers(&mut transaction, &calls).await?;
    forget_hits(&mut transaction, &hits).await?;
    for (delivery, _) in deliveries {
        forget_events(&mut transaction, *delivery, scrub).await?;
    }
    transaction.commit().await?;

    let mails = mails(connection, deliveries).await?;
    for mail in mails.iter().filter(|mail| !mail.is_needed) {
        let overwritten = overwrite_body(connection, mail.id, bodies).await?;
        traces.bodies += u64::from(overwritten);
    }

    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for (delivery, _) in deliveries {
        forget_delivery(&mut transaction, *delivery).await?;
    }
    for mail in &mails {
        if mail.is_shared {
            traces.shared += 1;
        } else {
            traces.messages += 1;
            forget_words(&mut transaction, mail.id).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// The calls about these deliveries that have an answer. Reads the whole log of calls, which has
/// no index for it.
async fn calls_about(
    connection: &mut SqliteConnection,
    deliveries: &[(DeliveryId, MessageId)],
) -> Result<Vec<Call>, BackupError> {
    let mut query = QueryBuilder::new(
        "SELECT destination_id, number FROM webhook_call WHERE answer <> x'' AND position IN \
         (SELECT position FROM event WHERE delivery_id IN (",
    );
    let mut ids = query.separated(", ");
    for (delivery, _) in deliveries {
        ids.push_bind(blob(delivery.as_bytes()));
    }
    query.push("))");
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// The numbers of hits of these deliveries that were not told yet. Reads all hits.
async fn hits_of(
    connection: &mut SqliteConnection,
    deliveries: &[(DeliveryId, MessageId)],
) -> Result<Vec<i64>, BackupError> {
    let mut query = QueryBuilder::new("SELECT number FROM hit WHERE delivery_id IN (");
    let mut ids = query.separated(", ");
    for (delivery, _) in deliveries {
        ids.push_bind(blob(delivery.as_bytes()));
    }
    query.push(")");
    Ok(query.build_query_scalar().fetch_all(connection).await?)
}

async fn forget_hits(connection: &mut SqliteConnection, hits: &[i64]) -> Result<(), BackupError> {
    for number in hits {
        sqlx::query("DELETE FROM hit WHERE number = ?")
            .bind(number)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn forget_answers(
    connection: &mut SqliteConnection,
    calls: &[Call],
) -> Result<(), BackupError> {
    let sql = "UPDATE webhook_call SET answer = x'' WHERE destination_id = ? AND number = ?";
    for (destination, number) in calls {
        sqlx::query(sql)
            .bind(destination.clone())
            .bind(number)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What was told of a delivery, without what names the recipient; and what is still to be told to
/// its sender, which would.
async fn forget_events(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
    scrub: &Scrub,
) -> Result<(), BackupError> {
    let sql = "SELECT position, payload, kind IN ('Open', 'Click') FROM event \
        WHERE delivery_id = ? AND payload IS NOT NULL";
    let events: Vec<(i64, String, bool)> = sqlx::query_as(sql)
        .bind(blob(delivery.as_bytes()))
        .fetch_all(&mut *connection)
        .await?;
    for (position, payload, is_visit) in events {
        let scrubbed = match is_visit {
            true => scrub::visit(&payload),
            false => scrub.payload(&payload),
        };
        if let Some(scrubbed) = scrubbed {
            sqlx::query("UPDATE event SET payload = ? WHERE position = ?")
                .bind(scrubbed)
                .bind(position)
                .execute(&mut *connection)
                .await?;
        }
    }
    for sql in [
        // By the keys of the table: it may be long, and has no index by position.
        "UPDATE webhook_retry SET last_error = '' WHERE (destination_id, position) IN \
         (SELECT t.id, e.position FROM destination t JOIN event e ON e.delivery_id = ?1)"
            .to_owned(),
        format!(
            "UPDATE segment SET live = live - (SELECT COUNT(*) FROM report_due r \
             WHERE r.segment = segment.id AND r.position IN {OF_IT}) \
             WHERE id IN (SELECT segment FROM report_due WHERE position IN {OF_IT})"
        ),
        format!("DELETE FROM report_due WHERE position IN {OF_IT}"),
        "DELETE FROM visit WHERE delivery_id = ?1".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .bind(blob(delivery.as_bytes()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The messages of deliveries, each taken off the list when its first delivery comes.
async fn mails(
    connection: &mut SqliteConnection,
    deliveries: &[(DeliveryId, MessageId)],
) -> Result<Vec<Mail>, BackupError> {
    let sql = "DELETE FROM erasing_message WHERE id = ? RETURNING others, needed";
    let mut mails = Vec::new();
    for (_, message) in deliveries {
        let found: Option<(i64, i64)> = sqlx::query_as(sql)
            .bind(blob(message.as_bytes()))
            .fetch_optional(&mut *connection)
            .await?;
        mails.extend(found.map(|(others, needed)| Mail {
            id: *message,
            is_shared: others > 0,
            is_needed: needed > 0,
        }));
    }
    Ok(mails)
}

async fn overwrite_body(
    connection: &mut SqliteConnection,
    message: MessageId,
    bodies: &Path,
) -> Result<bool, BackupError> {
    let sql = "SELECT id, body_segment, body_offset, body_length FROM message WHERE id = ?";
    let row = sqlx::query(sql)
        .bind(blob(message.as_bytes()))
        .fetch_optional(connection)
        .await?;
    let body = row.as_ref().map(body).transpose();
    let body = body.map_err(|error| BackupError::Damaged(error.to_string()))?;
    let Some(body) = body else { return Ok(false) };
    let folder = bodies.to_owned();
    let overwritten = tokio::task::spawn_blocking(move || segment::overwrite(&folder, body)).await;
    let overwritten = overwritten.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    overwritten.map_err(|source| BackupError::file(bodies, source))
}

async fn forget_delivery(
    connection: &mut SqliteConnection,
    delivery: DeliveryId,
) -> Result<(), BackupError> {
    let sql = "UPDATE delivery SET recipient = ?, domain = ?, orcpt = NULL WHERE id = ?";
    sqlx::query(sql)
        .bind(NOBODY)
        .bind(NOWHERE)
        .bind(blob(delivery.as_bytes()))
        .execute(&mut *connection)
        .await?;
    let sql = "UPDATE slim_delivery SET recipient = ?, header_message_id = '' WHERE id = ?";
    sqlx::query(sql)
        .bind(NOBODY)
        .bind(blob(delivery.as_bytes()))
        .execute(connection)
        .await?;
    Ok(())
}

/// What stands of a message in the database.
async fn forget_words(
    connection: &mut SqliteConnection,
    message: MessageId,
) -> Result<(), BackupError> {
    for sql in [
        "UPDATE message SET subject = '', header_message_id = '', instructions = NULL WHERE id = ?",
        "DELETE FROM idempotency WHERE message_id = ?",
    ] {
        sqlx::query(sql)
            .bind(blob(message.as_bytes()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn body(row: &SqliteRow) -> Result<BodyRef, rows::RowError> {
    Ok(BodyRef {
        message: MessageId::from_bytes(rows::octets(row, 0, "message.id")?),
        segment: rows::unsigned(row, 1, "message.body_segment")?,
        offset: rows::unsigned(row, 2, "message.body_offset")?,
        length: rows::number(row, 3, "message.body_length")?,
    })
}
