//! Unsubscribing by HTTP.
//!
//! Whoever has done so is known by the `Unsubscribe` among the delivery's events, for as long as these
//! are kept.

use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::Claim;
use postbell_model::{DeliveryId, Fact, Timestamp};
use sqlx::sqlite::SqlitePool;
use sqlx::{SqliteConnection, SqliteExecutor};

use crate::{InboundFact, StoreError, Unsubscribing};

use super::super::erase::NOBODY;
use super::super::errors::read_error;
use super::super::inbound::{Told, sent};
use super::super::rows::blob;
use super::super::statements::Statements;
use super::super::suppression::Rules;
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
    claim: Claim,
) -> Result<Option<Unsubscribing>, StoreError> {
    let Some(sent) = sent::one(pool, claim.delivery).await? else {
        return Ok(None);
    };
    if sent.message.workspace != claim.workspace || sent.recipient.as_str() == NOBODY {
        return Ok(None);
    }
    let is_done = is_done(pool, claim.delivery).await;
    Ok(Some(Unsubscribing {
        recipient: sent.recipient,
        message: sent.message,
        is_done: is_done.map_err(|error| read_error(&error))?,
    }))
}

/// Whether it was told, which it is once.
pub(super) async fn tell<'b>(
    connection: &mut SqliteConnection,
    statements: &Statements,
    wish: &'b Unsubscription,
    (engaged, rules): (&mut Engaged<'b>, Rules),
) -> Result<bool, sqlx::Error> {
    if is_done(&mut *connection, wish.delivery).await? {
        return Ok(false);
    }
    let fact = std::iter::once(&wish.fact);
    let told = append(connection, &statements.receptions, fact, (engaged, rules)).await?;
    Ok(told > 0)
}

async fn is_done(
    executor: impl SqliteExecutor<'_>,
    delivery: DeliveryId,
) -> Result<bool, sqlx::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM event INDEXED BY event_unsubscribe \
        WHERE delivery_id = ? AND kind = 'Unsubscribe')";
    let query = sqlx::query_scalar(sql).bind(blob(delivery.as_bytes()));
    query.fetch_one(executor).await
}
