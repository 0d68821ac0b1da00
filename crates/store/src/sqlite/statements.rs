//! Multi-row statements, built once and cached by the connection.
//!
//! A statement has room for a power of two of rows, and what a batch does not fill is bound as
//! NULL and passed over. So every statement that is ever sent is one of nine per kind and is
//! prepared once, and a batch of any size up to 256 rows is one statement.
//!
//! Deliveries are found by their ids. A `+` before a state keeps the partial index of that state out
//! of the plan, which would be read from end to end: all that is queued, for a batch of two rows.

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite};

use super::engagement::TellStatements;
use super::inbound::ReceptionStatements;
use super::purge::PurgeStatements;
use super::suppression::ListStatements;
use super::{engagement, event_rows, forwards, links, reports};

/// The most rows of one statement.
pub(super) const ROWS_MAX: usize = 256;
/// How many sizes there are.
pub(super) const ROOMS: usize = ROWS_MAX.ilog2() as usize + 1;

/// What sqlx calls a query whose arguments are bound one by one.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// As many rows of placeholders as there is room for: `(VALUES (?,?),(?,?))`.
pub(super) fn placeholders(columns: usize, room: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("(VALUES {})", vec![row.as_str(); room].join(","))
}

/// One kind of statement, for any number of rows. Copies share its texts.
#[derive(Debug, Clone)]
pub(super) struct BatchStatement {
    columns: usize,
    by_size: [Arc<str>; ROOMS],
}

impl BatchStatement {
    /// `head`, then as many rows of `columns` placeholders as there is room for, then `tail`.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let by_size = std::array::from_fn(|exponent| {
            format!("{head} {} {tail}", placeholders(columns, 1 << exponent)).into()
        });
        Self { columns, by_size }
    }

    /// The statement of each size.
    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.by_size.iter().map(|sql| &**sql)
    }

    /// The statements that take all of `rows`, each row bound by `bind`.
    pub(super) fn batch<'r, T>(
        &'r self,
        rows: &'r [T],
        mut bind: impl FnMut(Query<'static>, &T) -> Query<'static> + 'r,
    ) -> impl Iterator<Item = Query<'static>> + 'r {
        rows.chunks(ROWS_MAX).map(move |chunk| {
            let room = chunk.len().next_power_of_two();
            let size = room.trailing_zeros() as usize;
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&self.by_size[size])));
            for row in chunk {
                query = bind(query, row);
            }
            for _ in 0..(room - chunk.len()) * self.columns {
                query = query.bind(None::<i64>);
            }
            query
        })
    }
}

/// The batch statements of the smaller changes.
#[derive(Debug)]
pub(super) struct Statements {
    /// Delivery, next time.
    pub release: BatchStatement,
    /// Delivery, time, number of its latest event.
    pub send: BatchStatement,
    /// As [`event_rows::EventRow`] binds them.
    pub events: BatchStatement,
    /// Destination, position, document, attempts, next time, error.
    pub retries: BatchStatement,
    /// Destination, position, document.
    pub end_retries: BatchStatement,
    /// As [`reports::Noted`] binds them.
    pub note_reports: BatchStatement,
    /// Position.
    pub end_reports: BatchStatement,
    /// As `calls::write` binds them.
    pub calls: BatchStatement,
    /// Inbound message.
    pub end_forwards: BatchStatement,
    pub receptions: ReceptionStatements,
    /// As `engagement` binds them.
    pub keep_hits: BatchStatement,
    pub tell: TellStatements,
    /// Name, address, time.
    pub keep_links: BatchStatement,
    pub purge: PurgeStatements,
    pub list: ListStatements,
}

impl Statements {
    /// With those of the suppression list, which others have as well.
    pub(super) fn new(list: ListStatements) -> Self {
        Self {
            release: BatchStatement::new(
                "UPDATE delivery SET next_at = v.column2 FROM",
                2,
                "AS v WHERE delivery.id = v.column1 AND +delivery.state = 'queued'",
            ),
            send: BatchStatement::new(
                "UPDATE delivery SET state = 'queued', next_at = v.column2, \
                 sequence = sequence + 1 FROM",
                3,
                "AS v WHERE delivery.id = v.column1 AND +delivery.state = 'scheduled' \
                 AND delivery.sequence = v.column3",
            ),
            events: {
                let (head, columns, tail) = event_rows::INSERT;
                BatchStatement::new(head, columns, tail)
            },
            retries: BatchStatement::new(
                "INSERT INTO webhook_retry (destination_id, position, document, attempts, \
                 next_at, last_error) SELECT * FROM",
                6,
                "WHERE EXISTS (SELECT 1 FROM destination WHERE id = column1) \
                 ON CONFLICT (destination_id, position, document) DO UPDATE SET \
                 attempts = excluded.attempts, next_at = excluded.next_at, \
                 last_error = excluded.last_error",
            ),
            end_retries: BatchStatement::new(
                "DELETE FROM webhook_retry WHERE (destination_id, position, document) IN",
                3,
                "",
            ),
            note_reports: {
                let (head, columns, tail) = reports::NOTE;
                BatchStatement::new(head, columns, tail)
            },
            end_reports: {
                let (head, columns, tail) = reports::END;
                BatchStatement::new(head, columns, tail)
            },
            calls: BatchStatement::new(
                "INSERT INTO webhook_call (destination_id, number, at, position, document, \
                 attempt, took, status, error, answer, next_at) SELECT * FROM",
                11,
                "WHERE EXISTS (SELECT 1 FROM destination WHERE id = column1)",
            ),
            end_forwards: {
                let (head, columns, tail) = forwards::END;
                BatchStatement::new(head, columns, tail)
            },
            receptions: ReceptionStatements::new(),
            keep_hits: {
                let (head, columns, tail) = engagement::KEEP;
                BatchStatement::new(head, columns, tail)
            },
            tell: TellStatements::new(),
            keep_links: {
                let (head, columns, tail) = links::KEEP;
                BatchStatement::new(head, columns, tail)
            },
            purge: PurgeStatements::new(),
            list,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Execute;

    use super::*;

    fn statements(rows: usize) -> Vec<String> {
        let statement = BatchStatement::new("INSERT INTO t SELECT * FROM", 2, "WHERE true");
        let rows = vec![0_i64; rows];
        let batch = statement.batch(&rows, |query, row| query.bind(*row).bind(*row));
        batch.map(|query| query.sql().as_str().to_owned()).collect()
    }

    #[test]
    fn a_statement_has_room_for_a_power_of_two() {
        assert_eq!(
            statements(3),
            ["INSERT INTO t SELECT * FROM (VALUES (?,?),(?,?),(?,?),(?,?)) WHERE true"]
        );
    }

    #[test]
    fn a_large_batch_is_several_statements() {
        let rooms: Vec<_> = statements(600)
            .iter()
            .map(|sql| sql.matches("(?,?)").count())
            .collect();
        assert_eq!(rooms, [256, 256, 128]);
        assert!(statements(0).is_empty());
    }
}
