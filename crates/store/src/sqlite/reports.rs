//! Events that senders are perhaps to be told of: noted as they are recorded, read in the order
//! of the log, taken off when they were dealt with.
//!
//! What is noted counts as one more body in its segment. A delivery that ends with such an event
//! so hands its share of the file over, in the transaction that ends it.

use std::collections::HashMap;

use async_trait::async_trait;
use postbell_model::report::called_for;
use postbell_model::{DeliveryId, Message, Notify, ReportRequest, Timestamp};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Row, SqliteConnection};

use tokio::sync::watch;

use crate::{Position, ReportDue, ReportEnd, Reports, StoreError};

use super::SqliteStore;
use super::errors::read_error;
use super::event_rows;
use super::rows::{self, RowError, blob, integer, unsigned};
use super::statements::{Query, Statements};
use super::work::{Change, Work};

/// Notes events by delivery, number and segment. Of a delay nobody is told twice.
pub(super) const NOTE: (&str, usize, &str) = (
    "INSERT INTO report_due (position, segment) SELECT e.position, v.column3 FROM",
    3,
    "AS v JOIN event e ON e.delivery_id = v.column1 AND e.sequence = v.column2 \
     JOIN delivery d ON d.id = v.column1 \
     WHERE e.kind <> 'DeliveryDelay' OR d.warned = 0 RETURNING segment",
);

/// Takes events off the list, by position.
pub(super) const END: (&str, usize, &str) = (
    "DELETE FROM report_due WHERE position IN",
    1,
    "RETURNING segment",
);

/// An event of this transaction that a sender is perhaps to be told of.
#[derive(Debug)]
pub(super) struct Noted {
    pub delivery: DeliveryId,
    pub sequence: i64,
    pub segment: u64,
}

impl Noted {
    fn bind(query: Query<'static>, noted: &&Self) -> Query<'static> {
        query
            .bind(blob(noted.delivery.as_bytes()))
            .bind(noted.sequence)
            .bind(integer(noted.segment))
    }
}

#[async_trait]
impl Reports for SqliteStore {
    fn reports_noted(&self) -> watch::Receiver<u64> {
        self.shared.reports()
    }

    async fn reports_due(&self, limit: usize) -> Result<Vec<ReportDue>, StoreError> {
        let found = due(&self.readers, limit).await?;
        if !found.unreadable.is_empty() {
            self.end_reports(found.unreadable).await?;
        }
        Ok(found.due)
    }

    async fn end_reports(&self, ended: Vec<ReportEnd>) -> Result<(), StoreError> {
        self.change(Change::EndReports(ended)).await
    }
}

/// The reports that the sender of a message wants about a recipient; `None`: it gets none.
pub(super) fn wanted(message: &Message, request: &ReportRequest) -> Option<Notify> {
    message.reports.then(|| request.wanted())
}

/// Notes what the batch has recorded, and takes off what it ends. Segments whose count has
/// changed, with what they are still needed for.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    statements: &Statements,
    noted: &[&Noted],
    batch: &[Work],
) -> Result<Vec<(u64, i64)>, sqlx::Error> {
    let mut counts = HashMap::new();
    for query in statements.note_reports.batch(noted, Noted::bind) {
        count(&query.fetch_all(&mut *connection).await?, 1, &mut counts)?;
    }
    for work in batch {
        let Work::Change(Change::EndReports(ended), _) = work else {
            continue;
        };
        for end in ended {
            follow(connection, end).await?;
        }
        let bind = |query: Query<'static>, end: &ReportEnd| query.bind(integer(end.position.0));
        for query in statements.end_reports.batch(ended, bind) {
            count(&query.fetch_all(&mut *connection).await?, -1, &mut counts)?;
        }
    }
    change_live(connection, counts).await
}

/// Segments are needed for so many bodies more, or fewer: what for still.
pub(super) async fn change_live(
    connection: &mut SqliteConnection,
    counts: HashMap<i64, i64>,
) -> Result<Vec<(u64, i64)>, sqlx::Error> {
    let mut live = Vec::with_capacity(counts.len());
    for (segment, change) in counts {
        let sql = "UPDATE segment SET live = live + ? WHERE id = ? RETURNING live";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .bind(change)
            .bind(segment)
            .fetch_optional(&mut *connection)
            .await?;
        live.extend(found.map(|count| (segment.unsigned_abs(), count)));
    }
    Ok(live)
}

/// Counts the segments of rows.
pub(super) fn count(
    rows: &[SqliteRow],
    change: i64,
    counts: &mut HashMap<i64, i64>,
) -> Result<(), sqlx::Error> {
    for row in rows {
        *counts.entry(row.try_get(0)?).or_default() += change;
    }
    Ok(())
}

/// What follows from a report that was sent. Before its row goes.
async fn follow(connection: &mut SqliteConnection, end: &ReportEnd) -> Result<(), sqlx::Error> {
    if end.warned {
        let sql = "UPDATE delivery SET warned = 1 \
            WHERE id = (SELECT delivery_id FROM event WHERE position = ?)";
        sqlx::query(sql)
            .bind(integer(end.position.0))
            .execute(&mut *connection)
            .await?;
    }
    if let Some(key) = &end.key {
        let sql = "DELETE FROM idempotency WHERE key = ? \
            AND workspace_id = (SELECT workspace_id FROM event WHERE position = ?)";
        sqlx::query(sql)
            .bind(key.clone())
            .bind(integer(end.position.0))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// What was found on the list.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub due: Vec<ReportDue>,
    /// What can't be read: it is given up, since it would stand there for ever.
    pub unreadable: Vec<ReportEnd>,
}

/// What stands on the list, oldest first.
pub(super) async fn due(pool: &SqlitePool, limit: usize) -> Result<Found, StoreError> {
    let sql = format!(
        "SELECT {}, d.notify, d.orcpt, \
         (SELECT MIN(s.at) FROM event s WHERE s.delivery_id = e.delivery_id AND s.kind = 'Send') \
         AS queued_at, d.warned = 0 AND d.state = 'queued' AS unwarned \
         FROM report_due r JOIN event e ON e.position = r.position \
         JOIN delivery d ON d.id = e.delivery_id JOIN message m ON m.id = d.message_id \
         ORDER BY r.position LIMIT ?",
        event_rows::logged_columns()
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| read_error(&error))?;
    let mut found = Found::default();
    for row in &rows {
        match read(row) {
            Ok(due) => found.due.push(due),
            Err(error) => {
                let position = Position(unsigned(row, 0, "event.position")?);
                tracing::error!(
                    event.position = position.0,
                    %error,
                    "an event can't be read: its sender is not told of it"
                );
                found.unreadable.push(ReportEnd::without_report(position));
            }
        }
    }
    Ok(found)
}

fn read(row: &SqliteRow) -> Result<ReportDue, RowError> {
    let logged = event_rows::read_logged_event(row)?;
    let (_, body) = rows::read_message(row, event_rows::MESSAGE_AT)?;
    let notify_at = row.try_column("notify")?.ordinal();
    let request = rows::report_request(row, notify_at)?;
    let kind = called_for(request.wanted(), &logged.event.fact);
    let queued_at = row.try_get::<Option<i64>, _>("queued_at")?;
    Ok(ReportDue {
        kind: kind.ok_or(RowError::Column("report_due.position"))?,
        queued_at: queued_at.map_or(logged.message.accepted_at, Timestamp::from_micros),
        logged,
        request,
        body,
        unwarned: row.try_get("unwarned")?,
    })
}
