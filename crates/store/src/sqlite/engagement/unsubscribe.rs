//! Unsubscribing by HTTP, and when it is done.
//!
//! Whoever has done so is known by the `Unsubscribe` among the delivery's events, for as long as these
//! are kept, and by the suppression list: who was taken off it since and wants no more once again does
//! so once again.

use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::Claim;
use postbell_model::{DeliveryId, EventKind, Fact, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use crate::{InboundFact, StoreError, Unsubscribing};

use super::super::erase::NOBODY;
use super::super::errors::read_error;
use super::super::inbound::{Told, sent};
use super::super::rows::blob;
use super::super::statements::Statements;
use super::super::suppression::{ListStatements, Rules, is_heeded};
use super::super::work::Work;
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
    (wish, batch): (&'b Unsubscription, &[Work]),
    (engaged, rules): (&mut Engaged<'b>, Rules<'_>),
) -> Result<bool, sqlx::Error> {
    // What this transaction has told of it is not on the list yet.
    let mut follow = engaged.follow.iter();
    if follow.any(|follow| follow.delivery == wish.delivery)
        || is_told_by_mail(connection, batch, wish.delivery).await?
    {
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

/// Whether mail of the same batch has said so, and it was told.
async fn is_told_by_mail(
    connection: &mut SqliteConnection,
    batch: &[Work],
    delivery: DeliveryId,
) -> Result<bool, sqlx::Error> {
    let mails = batch.iter().filter_map(Work::incoming);
    let facts = mails.flat_map(|incoming| incoming.mails.iter().flat_map(|mail| &mail.facts));
    let wishes = facts
        .filter(|told| told.kind == EventKind::Unsubscribe && told.delivery() == Some(delivery));
    for told in wishes {
        let sql = "SELECT EXISTS (SELECT 1 FROM event INDEXED BY event_unsubscribe \
            WHERE delivery_id = ? AND kind = 'Unsubscribe' AND id = ?)";
        let found = sqlx::query_scalar(sql)
            .bind(blob(delivery.as_bytes()))
            .bind(blob(told.id.as_bytes()));
        if found.fetch_one(&mut *connection).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether it was told, and the list keeps to it at this time.
pub(in crate::sqlite) async fn is_done(
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use postbell_model::suppression::LocalPart;
    use postbell_model::{Address, InboundId, InboundKind, InboundMail, ReversePath};
    use tokio::sync::oneshot;

    use super::super::super::inbound::Incoming;
    use super::super::super::work::Change;
    use super::super::super::{DATABASE, SqliteTenants, database};
    use super::*;
    use crate::{NewInbound, Reception};

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
    const DELIVERY: DeliveryId = DeliveryId::from_bytes([0; 16]);

    fn wish() -> InboundFact {
        InboundFact::Delivery {
            delivery: DELIVERY,
            fact: Fact::Unsubscribe {
                method: UnsubscribeMethod::OneClick,
                inbound: None,
            },
        }
    }

    /// Mail that says so.
    fn mail() -> Incoming {
        let address = Address::parse("ann@example.com").unwrap();
        Incoming::of(Reception {
            mails: vec![NewInbound {
                mail: InboundMail {
                    id: InboundId::new(NOW),
                    workspace: None,
                    delivery: Some(DELIVERY),
                    kind: InboundKind::Unsubscribe,
                    at: NOW,
                    peer: "192.0.2.9".parse().unwrap(),
                    mail_from: ReversePath::Mailbox(address.clone()),
                    recipient: address,
                    from: String::new(),
                    subject: String::new(),
                    header_message_id: None,
                    size: 1,
                },
                facts: vec![wish()],
                forward: None,
            }],
            body: Bytes::from_static(b"x"),
        })
    }

    #[tokio::test]
    async fn who_says_so_twice_at_once_is_told_of_once() {
        let folder = tempfile::tempdir().unwrap();
        drop(SqliteTenants::open(folder.path()).await.unwrap());
        let mut database = database::writer(&folder.path().join(DATABASE))
            .await
            .unwrap();
        let rows = "INSERT INTO message VALUES (zeroblob(16), 1, 1, '', 'app@example.org', '', '', \
            1, 1, 0, 0, '', NULL, '', 1, 0, 1, 0, NULL, NULL, NULL); \
            INSERT INTO delivery (id, message_id, workspace_id, domain, recipient, next_at, \
            expires_at, state, attempt, sequence) VALUES (zeroblob(16), zeroblob(16), 1, \
            'example.com', 'ann@example.com', 1, 2, 'delivered', 1, 2)";
        sqlx::raw_sql(rows).execute(&mut database).await.unwrap();
        let (statements, mail) = (Statements::new(ListStatements::new()), mail());
        // As taking the mail has done.
        let told = mail.mails[0].facts[0].id;
        sqlx::query(
            "INSERT INTO event VALUES (1, ?, 1, 1, zeroblob(16), 2, 'Unsubscribe', 1, '{}')",
        )
        .bind(blob(told.as_bytes()))
        .execute(&mut database)
        .await
        .unwrap();
        let rules = Rules {
            local_part: LocalPart::Fold,
            soft_bounces: 0,
            simulator: None,
        };
        let link = Unsubscription::new(DELIVERY, UnsubscribeMethod::Link, NOW);
        let link = Change::Unsubscribe(Box::new(link));
        let batch = [
            Work::Receive(Box::new(mail), oneshot::channel().0),
            Work::Change(link, oneshot::channel().0),
        ];
        for told in [0, 1] {
            // It is on the list later, unless it was taken off, as here.
            let batch = &batch[told..];
            let engaged = super::super::write(&mut database, &statements, batch, rules).await;
            assert_eq!(engaged.unwrap().unsubscribed, [told as u64]);
        }
    }
}
