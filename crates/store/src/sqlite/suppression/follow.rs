//! What facts about deliveries do to the list, in the transaction that records them.

use std::collections::HashMap;

use postbell_model::suppression::{Cause, LocalPart, Scope, Suppression, follows_from};
use postbell_model::{
    Address, BounceType, ConfigurationSetId, DeliveryId, Domain, EventId, Fact, Timestamp,
    WorkspaceId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::super::rows::{self, RowError, blob};
use super::super::statements::{BatchStatement, Query};
use super::list::{Added, NewEntry, add};
use super::look::{Holds, is_of_ours};
use super::rows::{Key, ListStatements};

/// A fact that may put the recipient of a delivery on the list.
#[derive(Debug)]
pub(in crate::sqlite) struct Follow<'b> {
    pub delivery: DeliveryId,
    pub event: EventId,
    pub at: Timestamp,
    pub fact: &'b Fact,
}

/// How the list is kept.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Rules<'r> {
    pub local_part: LocalPart,
    /// Mail that was given up so often in a row puts its recipient on the list; 0: never.
    pub soft_bounces: u32,
    /// The domain whose addresses are simulated: a bounce of one can be had again, and they are nobody's.
    pub simulator: Option<&'r Domain>,
}

impl Rules<'_> {
    /// Whether anything follows from a fact.
    pub(in crate::sqlite) fn ask(&self, fact: &Fact) -> bool {
        follows_from(fact, None).is_some() || (self.soft_bounces > 0 && counts(fact).is_some())
    }
}

/// What a fact is for the number of soft bounces in a row.
fn counts(fact: &Fact) -> Option<Count> {
    match fact {
        Fact::Delivery { .. } => Some(Count::Delivered),
        Fact::Bounce {
            bounce_type: BounceType::Transient,
            ..
        } => Some(Count::GivenUp),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Delivered,
    GivenUp,
}

/// Whom a delivery goes to.
struct Recipient {
    workspace: WorkspaceId,
    address: Address,
    stream: Option<String>,
    /// What becomes of it does nothing to the list: it is of our own, goes on, or is simulated.
    is_exempt: bool,
}

/// Puts on the list whoever the facts say, each with its event.
pub(in crate::sqlite) async fn follow<'f, 'b: 'f>(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    rules: Rules<'_>,
    facts: impl Iterator<Item = &'f Follow<'b>>,
) -> Result<Added, sqlx::Error> {
    let facts: Vec<_> = facts.collect();
    if facts.is_empty() {
        return Ok(Added::default());
    }
    let about: Vec<_> = facts.iter().map(|follow| follow.delivery).collect();
    let recipients = recipients(connection, statements, rules, &about).await?;
    let told = facts.into_iter().filter_map(|follow| {
        let recipient = recipients.get(&follow.delivery)?;
        (!recipient.is_exempt).then_some((follow, recipient))
    });
    let told: Vec<_> = told.collect();
    let mut new: Vec<_> = told.iter().filter_map(|told| entry(*told)).collect();
    if rules.soft_bounces > 0 {
        new.extend(count_soft(connection, statements, rules, &told).await?);
    }
    add(connection, statements, rules.local_part, &new).await
}

/// The entry that follows from a fact.
fn entry((follow, recipient): (&Follow<'_>, &Recipient)) -> Option<NewEntry> {
    let (cause, scope) = follows_from(follow.fact, recipient.stream.as_deref())?;
    Some(new_entry((follow, recipient), (cause, scope), None))
}

fn new_entry(
    (follow, recipient): (&Follow<'_>, &Recipient),
    (cause, scope): (Cause, Scope),
    note: Option<String>,
) -> NewEntry {
    let entry = Suppression {
        workspace: recipient.workspace,
        address: recipient.address.clone(),
        scope,
        cause,
        since: follow.at,
        event: Some(follow.event),
        expires_at: None,
        note,
    };
    NewEntry {
        entry,
        at: follow.at,
    }
}

/// Whether mail like a delivery's is not sent to its recipient at this time because they wished so, or is
/// sent whatever the list says. What stands there for something else may go with that.
pub(in crate::sqlite) async fn is_heeded(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    rules: Rules<'_>,
    (delivery, at): (DeliveryId, Timestamp),
) -> Result<bool, sqlx::Error> {
    let found = recipients(connection, statements, rules, &[delivery]).await?;
    let Some(recipient) = found.get(&delivery) else {
        return Ok(false);
    };
    if recipient.is_exempt {
        return Ok(true);
    }
    let key = Key::of(recipient.workspace, &recipient.address, rules.local_part);
    let holds = Holds::look(connection, &statements.look, std::slice::from_ref(&key)).await?;
    let stream = recipient.stream.as_deref();
    Ok(holds.is_wished(&key, stream, at))
}

async fn recipients(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    rules: Rules<'_>,
    ids: &[DeliveryId],
) -> Result<HashMap<DeliveryId, Recipient>, sqlx::Error> {
    let mut found = HashMap::with_capacity(ids.len());
    find(connection, &statements.recipients, ids, &mut found).await?;
    let mut ids = ids.to_vec();
    ids.retain(|delivery| !found.contains_key(delivery));
    find(connection, &statements.slim, &ids, &mut found).await?;
    for recipient in found.values_mut() {
        recipient.is_exempt |= rules.simulator == Some(recipient.address.domain());
    }
    Ok(found)
}

async fn find(
    connection: &mut SqliteConnection,
    statement: &BatchStatement,
    ids: &[DeliveryId],
    found: &mut HashMap<DeliveryId, Recipient>,
) -> Result<(), sqlx::Error> {
    let bind = |query: Query<'static>, id: &DeliveryId| query.bind(blob(id.as_bytes()));
    for query in statement.batch(ids, bind) {
        for row in query.fetch_all(&mut *connection).await? {
            match read(&row) {
                Ok((id, recipient)) => drop(found.insert(id, recipient)),
                Err(error) => {
                    tracing::error!(%error, "a recipient can't be read and is put on no list");
                }
            }
        }
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<(DeliveryId, Recipient), RowError> {
    let id = DeliveryId::from_bytes(rows::octets(row, 0, "delivery.id")?);
    let set = ConfigurationSetId(rows::number(row, 3, "configuration_set_id")?);
    let is_forwarded: bool = row.try_get(4)?;
    let recipient = Recipient {
        workspace: WorkspaceId(rows::number(row, 1, "delivery.workspace_id")?),
        address: rows::address(row.try_get(2)?, "delivery.recipient")?,
        stream: row.try_get(5)?,
        is_exempt: is_forwarded || is_of_ours(set),
    };
    Ok((id, recipient))
}

/// What is counted of an address in one transaction.
struct Counted<'t> {
    /// Something was delivered: what was counted before is over.
    starts_anew: bool,
    given_up: u32,
    last: (&'t Follow<'t>, &'t Recipient),
}

/// Counts what was given up, and forgets what was counted of those who got something: the entries
/// of those that are due for one.
async fn count_soft(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    rules: Rules<'_>,
    told: &[(&Follow<'_>, &Recipient)],
) -> Result<Vec<NewEntry>, sqlx::Error> {
    let mut counted: HashMap<Key, Counted<'_>> = HashMap::new();
    for (follow, recipient) in told {
        let Some(count) = counts(follow.fact) else {
            continue;
        };
        let key = Key::of(recipient.workspace, &recipient.address, rules.local_part);
        let of_key = counted.entry(key).or_insert(Counted {
            starts_anew: false,
            given_up: 0,
            last: (follow, recipient),
        });
        of_key.last = (follow, recipient);
        match count {
            Count::Delivered => (of_key.starts_anew, of_key.given_up) = (true, 0),
            Count::GivenUp => of_key.given_up += 1,
        }
    }
    let anew = counted.iter().filter(|(_, counted)| counted.starts_anew);
    forget_soft(connection, statements, anew.map(|(key, _)| key)).await?;
    let given_up: Vec<_> = counted.iter().filter(|(_, c)| c.given_up > 0).collect();
    let bind = |query: Query<'static>, (key, counted): &(&Key, &Counted<'_>)| {
        let query = key.bind(query).bind(i64::from(counted.given_up));
        query.bind(counted.last.0.at.as_micros())
    };
    let mut due = Vec::new();
    for query in statements.count_soft.batch(&given_up, bind) {
        for row in query.fetch_all(&mut *connection).await? {
            let key = Key {
                workspace: WorkspaceId(u32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0)),
                text: row.try_get(1)?,
            };
            if row.try_get::<i64, _>(2)? >= i64::from(rules.soft_bounces) {
                due.push(key);
            }
        }
    }
    forget_soft(connection, statements, due.iter()).await?;
    let note = format!("{} soft bounces in a row", rules.soft_bounces);
    let entries = due.iter().filter_map(|key| counted.get(key));
    let listed = (Cause::Bounce, Scope::All);
    let entries = entries.map(|of| new_entry(of.last, listed.clone(), Some(note.clone())));
    Ok(entries.collect())
}

async fn forget_soft<'k>(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    keys: impl Iterator<Item = &'k Key>,
) -> Result<(), sqlx::Error> {
    let keys: Vec<_> = keys.collect();
    let bind = |query: Query<'static>, key: &&Key| key.bind(query);
    for query in statements.forget_soft.batch(&keys, bind) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
