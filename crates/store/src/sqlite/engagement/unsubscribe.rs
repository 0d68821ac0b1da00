//! Unsubscribing by HTTP.
//!
//! Whoever has done so is known by the `Unsubscribe` among the delivery's events, for as long as these
//! are kept, and by the suppression list: who was taken off it since and wants no more once again does
//! so once again.

use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::Claim;
use postbell_model::{DeliveryId, Fact, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use crate::{InboundFact, StoreError, Unsubscribing};

use super::super::erase::NOBODY;
use super::super::errors::read_error;
use super::super::inbound::{Told, sent};
use super::super::rows::blob;
use super::super::statements::Statements;
use super::super::suppression::{ListStatements, Rules, is_heeded};
use super::tell::{Engaged, append};

/// A wish to get no more.
#[derive(Debug)]
pub(in crate::sqlite) struct Unsubscription {
    delivery: DeliveryId,
    fact: (Timestamp, Told),
}

impl Unsubscription {
    pub(super) fn new(delivery: DeliveryId, method: UnsubscribeMethod, at: Timestamp) -> Self {
        let fact = Fact::Unsubscribe {
            method,
            inbound: None,
        };
        let fact = InboundFact::Delivery { delivery, fact };
        Self {
            delivery,
            fact: (at, Told::of(fact, at)),
        }
    }
}

/// What is known of a delivery; of one that was erased nobody knows whose mail it was.
pub(super) async fn look(
    pool: &SqlitePool,
    statements: &ListStatements,
    claim: Claim,
    (rules, at): (Rules<'_>, Timestamp),
) -> Result<Option<Unsubscribing>, StoreError> {
    let Some(sent) = sent::one(pool, claim.delivery).await? else {
        return Ok(None);
    };
    if sent.message.workspace != claim.workspace || sent.recipient.as_str() == NOBODY {
        return Ok(None);
    }
    let mut reader = pool.acquire().await.map_err(|error| read_error(&error))?;
    let is_done = is_done(&mut reader, statements, claim.delivery, (rules, at)).await;
    Ok(Some(Unsubscribing {
        recipient: sent.recipient,
        message: sent.message,
        is_done: is_done.map_err(|error| read_error(&error))?,
    }))
}

/// Whether it was told, which it is once for as long as it is heeded.
pub(super) async fn tell<'b>(
    connection: &mut SqliteConnection,
    statements: &Statements,
    wish: &'b Unsubscription,
    (engaged, rules): (&mut Engaged<'b>, Rules<'_>),
) -> Result<bool, sqlx::Error> {
    // What this transaction has told of it is not on the list yet.
    let mut follow = engaged.follow.iter();
    if follow.any(|follow| follow.delivery == wish.delivery) {
        return Ok(false);
    }
    let about = (rules, wish.fact.0);
    if is_done(&mut *connection, &statements.list, wish.delivery, about).await? {
        return Ok(false);
    }
    let fact = std::iter::once(&wish.fact);
    let told = append(connection, &statements.receptions, fact, (engaged, rules)).await?;
    Ok(told > 0)
}

/// Whether it was told, and the list keeps to it at this time.
async fn is_done(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    delivery: DeliveryId,
    (rules, at): (Rules<'_>, Timestamp),
) -> Result<bool, sqlx::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM event INDEXED BY event_unsubscribe \
        WHERE delivery_id = ? AND kind = 'Unsubscribe')";
    let told = sqlx::query_scalar(sql).bind(blob(delivery.as_bytes()));
    if !told.fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    is_heeded(connection, statements, rules, (delivery, at)).await
}
