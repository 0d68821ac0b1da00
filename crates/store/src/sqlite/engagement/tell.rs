//! Telling: the facts that were made of hits are appended, and the hits go.

use std::collections::HashSet;

use postbell_model::{DeliveryId, Fact, Timestamp};
use sqlx::{Row, SqliteConnection};

use crate::{InboundFact, Position, ToldVisit};

use super::super::inbound::{Log, ReceptionStatements, Told};
use super::super::rows::{blob, integer};
use super::super::statements::{BatchStatement, Query, Statements};
use super::super::suppression::{Follow, Rules};
use super::super::work::{Change, Work};
use super::keep;
use super::unsubscribe;

/// The statements that tell.
#[derive(Debug)]
pub(in crate::sqlite) struct TellStatements {
    /// Number.
    pub waiting: BatchStatement,
    /// Number.
    pub gone: BatchStatement,
    /// Delivery, opens, clicks, the latest click.
    pub visits: BatchStatement,
}

impl TellStatements {
    pub(in crate::sqlite) fn new() -> Self {
        Self {
            waiting: BatchStatement::new("SELECT number FROM hit WHERE number IN", 1, ""),
            gone: BatchStatement::new("DELETE FROM hit WHERE number IN", 1, ""),
            visits: BatchStatement::new(
                "INSERT INTO visit (delivery_id, opens, clicks, clicked_at) \
                 SELECT d.id, v.column2, v.column3, v.column4 FROM",
                4,
                "AS v CROSS JOIN delivery d ON d.id = v.column1 WHERE true \
                 ON CONFLICT (delivery_id) DO UPDATE SET opens = opens + excluded.opens, \
                 clicks = clicks + excluded.clicks, \
                 clicked_at = MAX(COALESCE(clicked_at, excluded.clicked_at), \
                 COALESCE(excluded.clicked_at, clicked_at))",
            ),
        }
    }
}

/// What is told, with its payloads as they are stored.
#[derive(Debug)]
pub(in crate::sqlite) struct Telling {
    visits: Vec<Visit>,
}

/// What is told of one delivery.
#[derive(Debug)]
struct Visit {
    delivery: DeliveryId,
    hits: Vec<u64>,
    facts: Vec<(Timestamp, Told)>,
    opens: u32,
    clicks: u32,
    clicked_at: Option<Timestamp>,
}

impl Telling {
    pub(super) fn of(told: Vec<ToldVisit>) -> Self {
        let visits = told.into_iter().map(Visit::of);
        Self {
            visits: visits.collect(),
        }
    }

    /// Takes these hits off the list.
    pub(super) fn nothing(hits: Vec<u64>) -> Self {
        let one = |hit| ToldVisit {
            delivery: DeliveryId::from_bytes([0; 16]),
            hits: vec![hit],
            facts: Vec::new(),
        };
        Self::of(hits.into_iter().map(one).collect())
    }

    /// Rows that it touches, roughly.
    pub(in crate::sqlite) fn rows(&self) -> usize {
        let of_one = |visit: &Visit| 2 + visit.hits.len() + visit.facts.len();
        self.visits.iter().map(of_one).sum()
    }
}

impl Visit {
    fn of(told: ToldVisit) -> Self {
        let mut visit = Self {
            delivery: told.delivery,
            hits: told.hits,
            facts: Vec::with_capacity(told.facts.len()),
            opens: 0,
            clicks: 0,
            clicked_at: None,
        };
        for (at, fact) in told.facts {
            match fact {
                Fact::Open(_) => visit.opens += 1,
                Fact::Click(_) => {
                    visit.clicks += 1;
                    visit.clicked_at = visit.clicked_at.max(Some(at));
                }
                _ => {}
            }
            let delivery = told.delivery;
            let fact = InboundFact::Delivery { delivery, fact };
            visit.facts.push((at, Told::of(fact, at)));
        }
        visit
    }
}

/// What a batch has done by way of the tracking host.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Engaged<'b> {
    /// Hits that were kept.
    pub kept: u64,
    /// Hits that were taken off the list.
    pub gone: u64,
    pub newest: Option<Position>,
    /// Deliveries with the number of their latest event.
    pub told: Vec<(DeliveryId, u32)>,
    /// What may put somebody on the suppression list.
    pub follow: Vec<Follow<'b>>,
    /// How often each unsubscription of the batch was told: once, or not at all.
    pub unsubscribed: Vec<u64>,
}

/// Carries out what a batch has of it, after everything else that it does to deliveries.
pub(in crate::sqlite) async fn write<'b>(
    connection: &mut SqliteConnection,
    statements: &Statements,
    batch: &'b [Work],
    rules: Rules,
) -> Result<Engaged<'b>, sqlx::Error> {
    let mut engaged = Engaged {
        kept: keep::write(connection, &statements.keep_hits, batch).await?,
        ..Engaged::default()
    };
    for work in batch {
        match work {
            Work::Change(Change::Tell(telling), _) => {
                tell(connection, statements, telling, (&mut engaged, rules)).await?;
            }
            Work::Change(Change::Unsubscribe(wish), _) => {
                let told =
                    unsubscribe::tell(connection, statements, wish, (&mut engaged, rules)).await?;
                engaged.unsubscribed.push(u64::from(told));
            }
            _ => {}
        }
    }
    Ok(engaged)
}

async fn tell<'b>(
    connection: &mut SqliteConnection,
    statements: &Statements,
    telling: &'b Telling,
    (engaged, rules): (&mut Engaged<'b>, Rules),
) -> Result<(), sqlx::Error> {
    let mut waiting = waiting(connection, &statements.tell, telling).await?;
    // Of what was told before nothing is told, and what is on the list of it stays there.
    let visits = telling.visits.iter();
    let visits = visits.filter(|visit| take_all(&mut waiting, &visit.hits));
    let visits: Vec<_> = visits.collect();
    let hits: Vec<_> = visits.iter().flat_map(|visit| &visit.hits).collect();
    for query in statements.tell.gone.batch(&hits, number) {
        engaged.gone += query.execute(&mut *connection).await?.rows_affected();
    }
    let facts = visits.iter().flat_map(|visit| &visit.facts);
    append(connection, &statements.receptions, facts, (engaged, rules)).await?;
    let counted = visits.iter().filter(|visit| visit.opens + visit.clicks > 0);
    let counted: Vec<_> = counted.collect();
    for query in statements.tell.visits.batch(&counted, bind_visit) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes the numbers out of what waits; where one of them is not there, none is taken.
fn take_all(waiting: &mut HashSet<u64>, hits: &[u64]) -> bool {
    let all = !hits.is_empty() && hits.iter().all(|hit| waiting.contains(hit));
    if all {
        for hit in hits {
            waiting.remove(hit);
        }
    }
    all
}

/// Which of the hits are on the list.
async fn waiting(
    connection: &mut SqliteConnection,
    statements: &TellStatements,
    telling: &Telling,
) -> Result<HashSet<u64>, sqlx::Error> {
    let hits: Vec<_> = telling
        .visits
        .iter()
        .flat_map(|visit| &visit.hits)
        .collect();
    let mut waiting = HashSet::with_capacity(hits.len());
    for query in statements.waiting.batch(&hits, number) {
        for row in query.fetch_all(&mut *connection).await? {
            waiting.insert(row.try_get::<i64, _>(0)?.unsigned_abs());
        }
    }
    Ok(waiting)
}

/// Appends facts to their deliveries' events: how many of them.
pub(super) async fn append<'t>(
    connection: &mut SqliteConnection,
    statements: &ReceptionStatements,
    facts: impl Iterator<Item = &'t (Timestamp, Told)> + Clone,
    (engaged, rules): (&mut Engaged<'t>, Rules),
) -> Result<usize, sqlx::Error> {
    let about = facts.clone().filter_map(|(_, told)| told.delivery());
    let mut log = Log::look(connection, statements, about).await?;
    let appended = facts.filter(|(at, told)| log.tell(told, *at)).count();
    engaged.newest = engaged.newest.max(log.write(connection, statements).await?);
    engaged.told.extend(log.told());
    engaged.follow.extend(log.follow(rules));
    Ok(appended)
}

fn number(query: Query<'static>, number: &&u64) -> Query<'static> {
    query.bind(integer(**number))
}

fn bind_visit(query: Query<'static>, visit: &&&Visit) -> Query<'static> {
    query
        .bind(blob(visit.delivery.as_bytes()))
        .bind(i64::from(visit.opens))
        .bind(i64::from(visit.clicks))
        .bind(visit.clicked_at.map(Timestamp::as_micros))
}
