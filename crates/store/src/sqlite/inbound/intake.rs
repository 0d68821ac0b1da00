//! Taking mail: its rows, the file that it is kept in, and what is to be forwarded.

use postbell_model::{DeliveryId, InboundMail, Timestamp};
use sqlx::SqliteConnection;

use crate::{BodyRef, Position, Taken};

use super::super::forwards;
use super::super::rows::{blob, integer};
use super::super::statements::{BatchStatement, Query, Statements};
use super::super::suppression::{Follow, Rules};
use super::Incoming;
use super::log::Log;
use super::once::{self, Once};

/// The statements that take mail.
#[derive(Debug)]
pub(in crate::sqlite) struct ReceptionStatements {
    /// As [`bind_mail`] binds them.
    pub mails: BatchStatement,
    /// Inbound message, segment, where to in three columns, authentication.
    pub forwards: BatchStatement,
    /// Delivery.
    pub deliveries: BatchStatement,
    /// Delivery.
    pub slim: BatchStatement,
    /// Delivery.
    pub feedback: BatchStatement,
    /// Delivery, number of its latest event.
    pub count_deliveries: BatchStatement,
    /// Delivery, state, number of its latest event.
    pub change_deliveries: BatchStatement,
    /// Delivery, state, number of its latest event, its time.
    pub change_slim: BatchStatement,
    /// As the lines of a `Log` are bound.
    pub events: BatchStatement,
}

impl ReceptionStatements {
    pub(in crate::sqlite) fn new() -> Self {
        Self {
            mails: BatchStatement::new(
                "INSERT INTO inbound (id, workspace_id, delivery_id, kind, at, peer, mail_from, \
                 recipient, from_mailbox, subject, header_message_id, size, body_id, \
                 body_segment, body_offset, body_length) SELECT * FROM",
                16,
                "WHERE column1 IS NOT NULL",
            ),
            forwards: BatchStatement::new(
                "INSERT INTO forward_due (inbound_id, segment, forward_address, forward_host, \
                 forward_port, authentication) SELECT * FROM",
                6,
                "WHERE column1 IS NOT NULL",
            ),
            // CROSS JOIN keeps the order: from what is asked for to its rows.
            deliveries: BatchStatement::new(
                "SELECT d.id, d.state, d.sequence, d.workspace_id, m.configuration_set_id FROM",
                1,
                "AS v CROSS JOIN delivery d ON d.id = v.column1 \
                 CROSS JOIN message m ON m.id = d.message_id",
            ),
            slim: BatchStatement::new(
                "SELECT l.id, l.state, l.sequence, l.workspace_id, l.configuration_set_id FROM",
                1,
                "AS v CROSS JOIN slim_delivery l ON l.id = v.column1",
            ),
            feedback: once::statement(),
            // Nearly nothing that is told changes a state, on which indexes hang.
            count_deliveries: BatchStatement::new(
                "UPDATE delivery SET sequence = v.column2 FROM",
                2,
                "AS v WHERE delivery.id = v.column1",
            ),
            change_deliveries: BatchStatement::new(
                "UPDATE delivery SET state = v.column2, sequence = v.column3 FROM",
                3,
                "AS v WHERE delivery.id = v.column1",
            ),
            change_slim: BatchStatement::new(
                "UPDATE slim_delivery SET state = v.column2, sequence = v.column3, \
                 told_at = v.column4 FROM",
                4,
                "AS v WHERE slim_delivery.id = v.column1",
            ),
            events: BatchStatement::new(
                "INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, \
                 sequence, kind, at, payload) SELECT * FROM",
                8,
                "WHERE column1 IS NOT NULL",
            ),
        }
    }
}

/// A message with the place of its body.
#[derive(Debug)]
pub(in crate::sqlite) struct Placed<'b> {
    pub incoming: &'b Incoming,
    pub body: BodyRef,
}

/// What the mail of a transaction has done.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Received<'b> {
    /// What became of each message, in the order of the batch.
    pub taken: Vec<Taken>,
    pub newest: Option<Position>,
    /// Deliveries with the number of their latest event.
    pub told: Vec<(DeliveryId, u32)>,
    /// Whether something is to be forwarded.
    pub forwards: bool,
    /// What may put somebody on the suppression list.
    pub follow: Vec<Follow<'b>>,
}

/// Writes all of it, after everything else that the transaction does to deliveries.
pub(in crate::sqlite) async fn write<'b>(
    connection: &mut SqliteConnection,
    all: &Statements,
    placed: &[Placed<'b>],
    rules: Rules<'_>,
) -> Result<Received<'b>, sqlx::Error> {
    let Some(first) = placed.first() else {
        return Ok(Received::default());
    };
    let statements = &all.receptions;
    write_mails(connection, statements, placed).await?;
    let forwards = note_forwards(connection, statements, placed).await?;
    keep(connection, first.body.segment, (latest(placed), forwards)).await?;
    let mails = placed.iter().flat_map(|placed| &placed.incoming.mails);
    let facts = mails.flat_map(|mail| mail.facts.iter().map(|told| (mail.mail.at, told)));
    let once = Once::look(&mut *connection, all, facts.clone(), rules).await?;
    let about = facts.filter_map(|(_, told)| told.delivery());
    let mut log = Log::look(connection, statements, about)
        .await?
        .telling(once);
    let taken = placed.iter().map(|placed| log.take(placed.incoming));
    let taken = taken.collect();
    Ok(Received {
        taken,
        newest: log.write(connection, statements).await?,
        told: log.told(),
        forwards: forwards > 0,
        follow: log.follow(rules),
    })
}

async fn write_mails(
    connection: &mut SqliteConnection,
    statements: &ReceptionStatements,
    placed: &[Placed<'_>],
) -> Result<(), sqlx::Error> {
    let mut mails = Vec::with_capacity(placed.len());
    for Placed { incoming, body } in placed {
        mails.extend(incoming.mails.iter().map(|mail| (&mail.mail, *body)));
    }
    for query in statements.mails.batch(&mails, bind_mail) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind_mail(query: Query<'static>, (mail, body): &(&InboundMail, BodyRef)) -> Query<'static> {
    query
        .bind(blob(mail.id.as_bytes()))
        .bind(mail.workspace.map(|workspace| i64::from(workspace.0)))
        .bind(mail.delivery.map(|delivery| blob(delivery.as_bytes())))
        .bind(mail.kind.name())
        .bind(mail.at.as_micros())
        .bind(mail.peer.to_string())
        .bind(mail.mail_from.to_string())
        .bind(mail.recipient.as_str().to_owned())
        .bind(mail.from.clone())
        .bind(mail.subject.clone())
        .bind(mail.header_message_id.clone())
        .bind(integer(mail.size))
        .bind(blob(body.message.as_bytes()))
        .bind(integer(body.segment))
        .bind(integer(body.offset))
        .bind(i64::from(body.length))
}

/// How many there were.
async fn note_forwards(
    connection: &mut SqliteConnection,
    statements: &ReceptionStatements,
    placed: &[Placed<'_>],
) -> Result<usize, sqlx::Error> {
    let mut noted = Vec::new();
    for Placed { incoming, body } in placed {
        for mail in &incoming.mails {
            let forward = mail.forward.as_ref();
            noted.extend(forward.map(|forward| (mail.mail.id, body.segment, forward)));
        }
    }
    let queries = statements
        .forwards
        .batch(&noted, |query, (id, segment, (forward, json))| {
            let query = query.bind(blob(id.as_bytes())).bind(integer(*segment));
            forwards::bind_to(query, Some(&forward.to)).bind(json.clone())
        });
    for query in queries {
        query.execute(&mut *connection).await?;
    }
    Ok(noted.len())
}

/// When the newest of them was accepted.
fn latest(placed: &[Placed<'_>]) -> Timestamp {
    let mails = placed.iter().flat_map(|placed| &placed.incoming.mails);
    mails.map(|mail| mail.mail.at).max().unwrap_or_default()
}

/// The file is kept for its time from the newest of its messages on, and for those that are to be
/// forwarded.
async fn keep(
    connection: &mut SqliteConnection,
    segment: u64,
    (newest, forwards): (Timestamp, usize),
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO segment (id, live, kept_at) VALUES (?1, 1 + ?2, ?3) \
        ON CONFLICT (id) DO UPDATE SET live = live + ?2, kept_at = MAX(kept_at, ?3)";
    sqlx::query(sql)
        .bind(integer(segment))
        .bind(i64::try_from(forwards).unwrap_or(i64::MAX))
        .bind(newest.as_micros())
        .execute(connection)
        .await?;
    Ok(())
}
