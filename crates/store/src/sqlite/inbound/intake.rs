//! Taking mail: its rows, and the events of what it says beside the states that follow.
//!
//! What is said is about deliveries that nobody has claimed for it, so it is read in the transaction
//! how each of them stands, after all else that the transaction does to them.

use std::collections::{HashMap, HashSet};

use postbell_model::consequence::consequence;
use postbell_model::{
    ConfigurationSetId, DeliveryId, DeliveryState, Fact, InboundMail, Timestamp, WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{BodyRef, InboundFact, Position, Taken};

use super::super::forwards;
use super::super::rows::{self, RowError, blob, integer};
use super::super::statements::{BatchStatement, Query};
use super::{Incoming, Told};

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
    /// Delivery, state, number of its latest event.
    pub change_deliveries: BatchStatement,
    /// Delivery, state, number of its latest event, its time.
    pub change_slim: BatchStatement,
    /// As [`Line::bind`] binds them.
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
pub(in crate::sqlite) struct Received {
    /// What became of each message, in the order of the batch.
    pub taken: Vec<Taken>,
    pub newest: Option<Position>,
    /// Deliveries with the number of their latest event.
    pub told: Vec<(DeliveryId, u32)>,
    /// Whether something is to be forwarded.
    pub forwards: bool,
}

/// Writes all of it, after everything else that the transaction does to deliveries.
pub(in crate::sqlite) async fn write(
    connection: &mut SqliteConnection,
    statements: &ReceptionStatements,
    placed: &[Placed<'_>],
) -> Result<Received, sqlx::Error> {
    let Some(first) = placed.first() else {
        return Ok(Received::default());
    };
    write_mails(connection, statements, placed).await?;
    let forwards = note_forwards(connection, statements, placed).await?;
    keep(connection, first.body.segment, (latest(placed), forwards)).await?;
    let mut log = Log::look(connection, statements, placed).await?;
    let taken = placed.iter().map(|placed| log.take(placed.incoming));
    let taken = taken.collect();
    Ok(Received {
        taken,
        newest: log.write(connection, statements).await?,
        told: log.told(),
        forwards: forwards > 0,
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

/// How a delivery stands.
struct Standing {
    state: DeliveryState,
    /// The number of its latest event.
    sequence: u32,
    workspace: WorkspaceId,
    set: ConfigurationSetId,
    /// Its events were removed, and little else is left.
    is_slim: bool,
    /// When the newest of what is told of it now has come.
    told_at: Option<Timestamp>,
}

/// An event as it is appended.
struct Line<'b> {
    told: &'b Told,
    at: Timestamp,
    workspace: WorkspaceId,
    set: ConfigurationSetId,
    delivery: Option<DeliveryId>,
    sequence: u32,
}

/// What is appended to the log, and how the deliveries stand then.
struct Log<'b> {
    lines: Vec<Line<'b>>,
    deliveries: HashMap<DeliveryId, Standing>,
}

impl<'b> Log<'b> {
    /// Looks how the deliveries stand that something is said of.
    async fn look(
        connection: &mut SqliteConnection,
        statements: &ReceptionStatements,
        placed: &[Placed<'_>],
    ) -> Result<Self, sqlx::Error> {
        let mails = placed.iter().flat_map(|placed| &placed.incoming.mails);
        let facts = mails.flat_map(|mail| &mail.facts);
        let about = facts.filter_map(|told| match told.fact {
            InboundFact::Delivery { delivery, .. } => Some(delivery),
            InboundFact::Workspace { .. } => None,
        });
        let about: HashSet<_> = about.collect();
        let about: Vec<_> = about.into_iter().collect();
        let mut deliveries = HashMap::with_capacity(about.len());
        find(
            connection,
            (&statements.deliveries, false),
            &about,
            &mut deliveries,
        )
        .await?;
        let mut gone = about;
        gone.retain(|delivery| !deliveries.contains_key(delivery));
        find(connection, (&statements.slim, true), &gone, &mut deliveries).await?;
        Ok(Self {
            lines: Vec::new(),
            deliveries,
        })
    }

    fn take(&mut self, incoming: &'b Incoming) -> Taken {
        let mut taken = Taken::default();
        for mail in &incoming.mails {
            for told in &mail.facts {
                match self.line(told, mail.mail.at) {
                    Some(line) => {
                        self.lines.push(line);
                        taken.recorded += 1;
                    }
                    None => taken.left_out += 1,
                }
            }
        }
        taken
    }

    /// The event of a fact; `None`: it can't be.
    fn line(&mut self, told: &'b Told, at: Timestamp) -> Option<Line<'b>> {
        let (delivery, fact) = match &told.fact {
            InboundFact::Delivery { delivery, fact } => (*delivery, fact),
            InboundFact::Workspace {
                workspace,
                configuration_set,
                ..
            } => {
                // An event of no delivery has no place among its events.
                return Some(Line {
                    told,
                    at,
                    workspace: *workspace,
                    set: *configuration_set,
                    delivery: None,
                    sequence: 0,
                });
            }
        };
        let standing = self.deliveries.get_mut(&delivery)?;
        if !comes_by_mail(fact) {
            return None;
        }
        let follows = consequence(standing.state, fact).ok()?;
        let sequence = standing.sequence.checked_add(1)?;
        standing.state = follows.state;
        standing.sequence = sequence;
        standing.told_at = standing.told_at.max(Some(at));
        Some(Line {
            told,
            at,
            workspace: standing.workspace,
            set: standing.set,
            delivery: Some(delivery),
            sequence,
        })
    }

    /// Changes the deliveries and appends the events: the place of the last.
    async fn write(
        &self,
        connection: &mut SqliteConnection,
        statements: &ReceptionStatements,
    ) -> Result<Option<Position>, sqlx::Error> {
        let told = self.deliveries.iter();
        let told = told.filter_map(|(id, standing)| Some((id, standing, standing.told_at?)));
        let (slim, full): (Vec<_>, Vec<_>) = told.partition(|(_, standing, _)| standing.is_slim);
        let bind = |query: Query<'static>,
                    (id, standing, _): &(&DeliveryId, &Standing, Timestamp)| {
            query
                .bind(blob(id.as_bytes()))
                .bind(standing.state.name())
                .bind(i64::from(standing.sequence))
        };
        for query in statements.change_deliveries.batch(&full, bind) {
            query.execute(&mut *connection).await?;
        }
        let queries = statements
            .change_slim
            .batch(&slim, |query, row| bind(query, row).bind(row.2.as_micros()));
        for query in queries {
            query.execute(&mut *connection).await?;
        }
        let mut newest = None;
        for query in statements.events.batch(&self.lines, Line::bind) {
            let written = query.execute(&mut *connection).await?;
            newest = Some(Position(written.last_insert_rowid().unsigned_abs()));
        }
        Ok(newest)
    }

    /// Deliveries that may be in flight, with the number of their latest event.
    fn told(&self) -> Vec<(DeliveryId, u32)> {
        let told = self.deliveries.iter();
        let told = told.filter(|(_, standing)| standing.told_at.is_some() && !standing.is_slim);
        told.map(|(id, standing)| (*id, standing.sequence))
            .collect()
    }
}

/// Whether it is among what others say of a delivery: nothing else is taken from mail.
const fn comes_by_mail(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::LateBounce { .. }
            | Fact::LateDelay { .. }
            | Fact::Confirmed { .. }
            | Fact::Complaint(_)
            | Fact::NotSpam(_)
            | Fact::Reply(_)
            | Fact::Unsubscribe { .. }
    )
}

impl Line<'_> {
    fn bind(query: Query<'static>, line: &Self) -> Query<'static> {
        query
            .bind(blob(line.told.id.as_bytes()))
            .bind(i64::from(line.workspace.0))
            .bind(i64::from(line.set.0))
            .bind(line.delivery.map(|delivery| blob(delivery.as_bytes())))
            .bind(i64::from(line.sequence))
            .bind(line.told.kind.name())
            .bind(line.at.as_micros())
            .bind(line.told.payload.clone())
    }
}

/// Adds how these deliveries stand. One whose row can't be read is as good as gone.
async fn find(
    connection: &mut SqliteConnection,
    (statement, is_slim): (&BatchStatement, bool),
    about: &[DeliveryId],
    found: &mut HashMap<DeliveryId, Standing>,
) -> Result<(), sqlx::Error> {
    let bind = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    for query in statement.batch(about, bind) {
        for row in query.fetch_all(&mut *connection).await? {
            match read(&row, is_slim) {
                Ok((id, standing)) => drop(found.insert(id, standing)),
                Err(error) => {
                    tracing::error!(%error, "a delivery can't be read: what came of it is left out");
                }
            }
        }
    }
    Ok(())
}

fn read(row: &SqliteRow, is_slim: bool) -> Result<(DeliveryId, Standing), RowError> {
    let id = DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?);
    let state = row.try_get::<&str, _>(1)?.parse();
    let standing = Standing {
        state: state.map_err(|_| RowError::Column("delivery.state"))?,
        sequence: rows::number(row, 2, "delivery.sequence")?,
        workspace: WorkspaceId(rows::number(row, 3, "delivery.workspace_id")?),
        set: ConfigurationSetId(rows::number(row, 4, "configuration_set_id")?),
        is_slim,
        told_at: None,
    };
    Ok((id, standing))
}
