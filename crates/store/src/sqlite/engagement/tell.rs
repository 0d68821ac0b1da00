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
    pub how_many: BatchStatement,
    /// Number.
    pub gone: BatchStatement,
    /// Delivery, opens, clicks, the latest click and its link.
    pub visits: BatchStatement,
}

impl TellStatements {
    pub(in crate::sqlite) fn new() -> Self {
        Self {
            waiting: BatchStatement::new("SELECT number FROM hit WHERE number IN", 1, ""),
            how_many: BatchStatement::new("SELECT COUNT(*) FROM hit WHERE number IN", 1, ""),
            gone: BatchStatement::new("DELETE FROM hit WHERE number IN", 1, ""),
            visits: BatchStatement::new(
                "INSERT INTO visit (delivery_id, opens, clicks, clicked_at, clicked_link) \
                 SELECT * FROM",
                5,
                "WHERE column1 IS NOT NULL ON CONFLICT (delivery_id) DO UPDATE SET \
                 opens = opens + excluded.opens, clicks = clicks + excluded.clicks, \
                 clicked_link = CASE WHEN excluded.clicked_at >= \
                 COALESCE(clicked_at, excluded.clicked_at) THEN excluded.clicked_link \
                 ELSE clicked_link END, \
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
    /// The latest click, and the place of its link.
    clicked: Option<(Timestamp, u16)>,
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
            clicked: None,
        };
        for (at, fact) in told.facts {
            match &fact {
                Fact::Open(_) => visit.opens += 1,
                Fact::Click(click) => {
                    visit.clicks += 1;
                    if visit.clicked.is_none_or(|(before, _)| before <= at) {
                        visit.clicked = Some((at, click.index));
                    }
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
    /// How often each unsubscription of the batch was told: once, or not at all.
    pub unsubscribed: Vec<u64>,
    /// What may put somebody on the suppression list.
    pub follow: Vec<Follow<'b>>,
}

/// Carries out what a batch has of it, after everything else that it does to deliveries.
pub(in crate::sqlite) async fn write<'b>(
    connection: &mut SqliteConnection,
    statements: &Statements,
    batch: &'b [Work],
    rules: Rules<'_>,
) -> Result<Engaged<'b>, sqlx::Error> {
    let mut engaged = Engaged {
        kept: keep::write(connection, &statements.keep_hits, batch).await?,
        ..Engaged::default()
    };
    for work in batch {
        match work {
            Work::Change(Change::Tell(telling), _) => {
                let context = (&mut engaged, rules);
                tell(connection, statements, telling, context).await?;
            }
            Work::Change(Change::Unsubscribe(wish), _) => {
                let context = (&mut engaged, rules);
                let wish = (&**wish, batch);
                let told = unsubscribe::tell(connection, statements, wish, context).await?;
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
    (engaged, rules): (&mut Engaged<'b>, Rules<'_>),
) -> Result<(), sqlx::Error> {
    let visits = untold(connection, &statements.tell, telling).await?;
    let hits: Vec<_> = visits.iter().flat_map(|visit| &visit.hits).collect();
    for query in statements.tell.gone.batch(&hits, number) {
        engaged.gone += query.execute(&mut *connection).await?.rows_affected();
    }
    let facts = visits.iter().flat_map(|visit| &visit.facts);
    let context = (&mut *engaged, rules);
    append(connection, &statements.receptions, facts, context).await?;
    // Of what is not kept as a whole any more nothing is counted.
    let whole: HashSet<_> = engaged.told.iter().map(|(delivery, _)| *delivery).collect();
    let counted = visits.iter().filter(|visit| visit.opens + visit.clicks > 0);
    let counted = counted.filter(|visit| whole.contains(&visit.delivery));
    let counted: Vec<_> = counted.collect();
    for query in statements.tell.visits.batch(&counted, bind_visit) {
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// The visits whose hits are on the list: of what was told before nothing is told, and what is on
/// the list of it stays there.
async fn untold<'t>(
    connection: &mut SqliteConnection,
    statements: &TellStatements,
    telling: &'t Telling,
) -> Result<Vec<&'t Visit>, sqlx::Error> {
    let visits = telling.visits.iter();
    if are_all_there(connection, statements, telling).await? {
        return Ok(visits.filter(|visit| !visit.hits.is_empty()).collect());
    }
    let mut waiting = waiting(connection, statements, telling).await?;
    let visits = visits.filter(|visit| take_all(&mut waiting, &visit.hits));
    Ok(visits.collect())
}

/// Whether all hits are on the list, each named once, as it nearly always is.
async fn are_all_there(
    connection: &mut SqliteConnection,
    statements: &TellStatements,
    telling: &Telling,
) -> Result<bool, sqlx::Error> {
    let hits = telling.visits.iter().flat_map(|visit| &visit.hits);
    let mut hits: Vec<_> = hits.collect();
    hits.sort_unstable();
    let named = hits.len();
    hits.dedup();
    if hits.len() < named {
        return Ok(false);
    }
    let mut there = 0;
    for query in statements.how_many.batch(&hits, number) {
        let count: i64 = query.fetch_one(&mut *connection).await?.try_get(0)?;
        there += count.unsigned_abs();
    }
    Ok(there == named as u64)
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
    (engaged, rules): (&mut Engaged<'t>, Rules<'_>),
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
        .bind(visit.clicked.map(|(at, _)| at.as_micros()))
        .bind(visit.clicked.map(|(_, link)| i64::from(link)))
}
