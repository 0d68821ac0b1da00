//! Multi-row statements, built once and cached by the connection.
//!
//! A statement has room for a power of two of rows, and what a batch does not fill is bound as
//! NULL and passed over. So every statement that is ever sent is one of nine per kind and is
//! prepared once, and a batch of any size up to 256 rows is one statement.

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite};

/// The most rows of one statement.
const ROWS_MAX: usize = 256;
const SIZES: usize = ROWS_MAX.ilog2() as usize + 1;

/// What sqlx calls a query whose arguments are bound one by one.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// One kind of statement, for any number of rows.
#[derive(Debug)]
pub(super) struct BatchStatement {
    columns: usize,
    by_size: [Arc<str>; SIZES],
}

impl BatchStatement {
    /// `head`, then as many rows of `columns` placeholders as there is room for, then `tail`.
    fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let by_size = std::array::from_fn(|exponent| {
            let rows = vec![row.as_str(); 1 << exponent].join(",");
            format!("{head} (VALUES {rows}) {tail}").into()
        });
        Self { columns, by_size }
    }

    /// `INSERT INTO` these columns of a table, in the order in which they are bound; what stands
    /// in `constants` is the same in each row.
    fn insert(into: &str, columns: &[&str], constants: &[(&str, &str)], conflict: &str) -> Self {
        let names = columns.iter().chain(constants.iter().map(|(name, _)| name));
        let names = names.copied().collect::<Vec<_>>().join(", ");
        let bound = (1..=columns.len()).map(|column| format!("column{column}"));
        let values = bound.chain(constants.iter().map(|(_, value)| (*value).to_owned()));
        let values = values.collect::<Vec<_>>().join(", ");
        Self::new(
            &format!("INSERT INTO {into} ({names}) SELECT {values} FROM"),
            columns.len(),
            &format!("WHERE column1 IS NOT NULL {conflict}"),
        )
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
            let mut query = sqlx::query(AssertSqlSafe(self.by_size[size].clone()));
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

/// Every batch statement of the store.
#[derive(Debug)]
pub(super) struct Statements {
    /// As [`super::rows::bind_message`] binds them.
    pub insert_messages: BatchStatement,
    /// id, message, workspace, domain, recipient, next time, expiry.
    pub insert_deliveries: BatchStatement,
    /// id, workspace, configuration set, delivery, sequence, kind, time, payload.
    pub insert_events: BatchStatement,
    /// Delivery, state, attempt, next time.
    pub settle: BatchStatement,
    /// Delivery, next time.
    pub release: BatchStatement,
    /// Workspace, domain, next time.
    pub lanes: BatchStatement,
    /// Segment, how many bodies more or fewer; returns what each is then needed for.
    pub segments: BatchStatement,
    /// Destination, position, document, attempts, next time, error.
    pub retries: BatchStatement,
    /// Destination, position, document.
    pub end_retries: BatchStatement,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self {
            insert_messages: BatchStatement::insert("message", MESSAGE, &[], ""),
            insert_deliveries: BatchStatement::insert(
                "delivery",
                DELIVERY,
                &[("state", "'queued'"), ("attempt", "1"), ("sequence", "1")],
                "",
            ),
            insert_events: BatchStatement::insert("event", EVENT, &[], ""),
            settle: BatchStatement::new(
                "UPDATE delivery SET state = v.column2, attempt = v.column3, \
                 next_at = v.column4, sequence = sequence + 1 FROM",
                4,
                "AS v WHERE delivery.id = v.column1 AND delivery.state = 'queued'",
            ),
            release: BatchStatement::new(
                "UPDATE delivery SET next_at = v.column2 FROM",
                2,
                "AS v WHERE delivery.id = v.column1 AND delivery.state = 'queued'",
            ),
            lanes: BatchStatement::insert(
                "lane",
                &["workspace_id", "domain", "next_at"],
                &[],
                "ON CONFLICT (workspace_id, domain) DO UPDATE SET next_at = excluded.next_at \
                 WHERE excluded.next_at < lane.next_at",
            ),
            segments: BatchStatement::insert(
                "segment",
                &["id", "live"],
                &[],
                "ON CONFLICT (id) DO UPDATE SET live = live + excluded.live RETURNING id, live",
            ),
            retries: BatchStatement::insert(
                "webhook_retry",
                &[
                    "destination_id",
                    "position",
                    "document",
                    "attempts",
                    "next_at",
                    "last_error",
                ],
                &[],
                "ON CONFLICT (destination_id, position, document) DO UPDATE SET \
                 attempts = excluded.attempts, next_at = excluded.next_at, \
                 last_error = excluded.last_error",
            ),
            end_retries: BatchStatement::new(
                "DELETE FROM webhook_retry WHERE (destination_id, position, document) IN",
                3,
                "",
            ),
        }
    }
}

const MESSAGE: &[&str] = &[
    "id",
    "workspace_id",
    "configuration_set_id",
    "mail_from",
    "source",
    "subject",
    "header_message_id",
    "accepted_at",
    "size",
    "eight_bit",
    "smtputf8",
    "received_helo",
    "received_peer",
    "received_with",
    "body_segment",
    "body_offset",
    "body_length",
];
const DELIVERY: &[&str] = &[
    "id",
    "message_id",
    "workspace_id",
    "domain",
    "recipient",
    "next_at",
    "expires_at",
];
const EVENT: &[&str] = &[
    "id",
    "workspace_id",
    "configuration_set_id",
    "delivery_id",
    "sequence",
    "kind",
    "at",
    "payload",
];

#[cfg(test)]
mod tests {
    use sqlx::Execute;

    use super::*;

    fn statements(rows: usize) -> Vec<String> {
        let statement = BatchStatement::insert("t", &["a", "b"], &[("c", "1")], "");
        let rows = vec![0_i64; rows];
        let batch = statement.batch(&rows, |query, row| query.bind(*row).bind(*row));
        batch.map(|query| query.sql().as_str().to_owned()).collect()
    }

    #[test]
    fn a_statement_has_room_for_a_power_of_two() {
        assert_eq!(
            statements(3),
            ["INSERT INTO t (a, b, c) SELECT column1, column2, 1 FROM \
              (VALUES (?,?),(?,?),(?,?),(?,?)) WHERE column1 IS NOT NULL "]
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
