//! What a transaction writes for its messages and outcomes, sent in one go.
//!
//! Each statement that is sent alone costs a change of threads there and back, which for a small
//! batch is more than the work itself. So the statements of a batch are one script. A script has
//! room for a power of two of rows in each of its statements, and what a batch does not fill is
//! bound as NULL and passed over: there are nine scripts that begin a transaction and one that goes
//! on with it, and each is prepared once.

use std::sync::Arc;

use futures_util::TryStreamExt;
use postbell_model::{DeliveryId, Lane, Timestamp};
use sqlx::sqlite::SqliteQueryResult;
use sqlx::{AssertSqlSafe, Either, Row, SqliteConnection};

use crate::Position;

use super::event_rows::{self, EventRow};
use super::intake::{Arrival, DeliveryRow};
use super::rows::{blob, integer, unsigned};
use super::settle::Settling;
use super::statements::{Query, ROOMS, ROWS_MAX, placeholders};
use super::suppression::{HOLDS, Hold, OF_KEYS, Sought};

/// Rows of one transaction.
#[derive(Debug, Default)]
pub(super) struct Rows<'b> {
    pub messages: Vec<&'b Arrival<'b>>,
    pub deliveries: Vec<DeliveryRow<'b>>,
    pub settlings: Vec<Settling<'b>>,
    pub events: Vec<EventRow>,
    pub lanes: Vec<(Lane, Timestamp)>,
    /// Bodies more or fewer in each segment.
    pub segments: Vec<(u64, i64)>,
    /// Recipients of the deliveries, to be looked up on the suppression list.
    pub sought: Vec<Sought>,
}

/// What a script has done.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// How many events were written: fewer than asked for where a delivery had ended before.
    pub events: u64,
    pub newest: Option<Position>,
    /// What each segment that was counted is still needed for.
    pub live: Vec<(u64, i64)>,
    /// Entries of the suppression list, with the delivery whose recipient each is about by its place.
    pub listed: Vec<(usize, Hold)>,
}

/// The scripts of all sizes.
#[derive(Debug)]
pub(super) struct Script {
    /// Those that begin a transaction.
    begin: [Arc<str>; ROOMS],
    /// The one that goes on where a batch has more rows than a script has room for.
    go_on: Arc<str>,
}

/// A statement of the script: what stands before and behind its rows of values.
struct Part {
    head: &'static str,
    columns: usize,
    tail: &'static str,
}

const PARTS: [Part; 7] = [
    Part {
        head: "INSERT INTO message (id, workspace_id, configuration_set_id, mail_from, source, \
               subject, header_message_id, accepted_at, size, eight_bit, smtputf8, \
               received_helo, received_peer, received_with, body_segment, body_offset, \
               body_length, reports, instructions, credential_id, forward) SELECT * FROM",
        columns: 21,
        tail: "WHERE column1 IS NOT NULL",
    },
    Part {
        head: "INSERT INTO delivery (id, message_id, workspace_id, domain, recipient, next_at, \
               expires_at, state, notify, orcpt, attempt, sequence) SELECT *, 1, 1 FROM",
        columns: 10,
        tail: "WHERE column1 IS NOT NULL",
    },
    Part {
        head: "UPDATE delivery SET state = v.column2, attempt = COALESCE(v.column3, attempt), \
               next_at = v.column4, sequence = sequence + 1 FROM",
        columns: 4,
        // Found by its id: see `statements` for the `+`.
        tail: "AS v WHERE delivery.id = v.column1 AND +delivery.state = 'queued'",
    },
    Part {
        head: event_rows::INSERT.0,
        columns: event_rows::INSERT.1,
        tail: event_rows::INSERT.2,
    },
    Part {
        head: "INSERT INTO lane (workspace_id, domain, next_at) SELECT * FROM",
        columns: 3,
        tail: "WHERE column1 IS NOT NULL ON CONFLICT (workspace_id, domain) \
               DO UPDATE SET next_at = excluded.next_at WHERE excluded.next_at < lane.next_at",
    },
    Part {
        head: "INSERT INTO segment (id, live) SELECT * FROM",
        columns: 2,
        tail: "WHERE column1 IS NOT NULL \
               ON CONFLICT (id) DO UPDATE SET live = live + excluded.live RETURNING id, live",
    },
    Part {
        head: HOLDS,
        columns: 2,
        tail: OF_KEYS,
    },
];

/// The text of each part, with so much room.
#[cfg(test)]
pub(super) fn texts(room: usize) -> impl Iterator<Item = String> {
    PARTS.iter().map(move |part| {
        let values = placeholders(part.columns, room);
        format!("{} {values} {}", part.head, part.tail)
    })
}

const BEGIN: &str = "BEGIN IMMEDIATE;";
/// Which of the parts tells of the events, and which of the suppression list.
const EVENTS: usize = 3;
const LISTED: usize = 6;

impl Script {
    pub(super) fn new() -> Self {
        let text = |first: &str, room: usize| -> Arc<str> {
            let parts = PARTS.iter().map(|part| {
                format!(
                    "{} {} {};",
                    part.head,
                    placeholders(part.columns, room),
                    part.tail
                )
            });
            std::iter::once(first.to_owned())
                .chain(parts)
                .collect::<String>()
                .into()
        };
        Self {
            begin: std::array::from_fn(|exponent| text(BEGIN, 1 << exponent)),
            go_on: text("", ROWS_MAX),
        }
    }

    /// Begins the transaction and writes all rows.
    pub(super) async fn run(
        &self,
        connection: &mut SqliteConnection,
        rows: &Rows<'_>,
    ) -> Result<Written, sqlx::Error> {
        let most = rows.most();
        let size = most.clamp(1, ROWS_MAX).next_power_of_two().trailing_zeros() as usize;
        let mut written = Written::default();
        // BEGIN has a result of its own.
        let begin = self.query(&self.begin[size], rows, (0, 1 << size));
        written.take(connection, (begin, 1), &rows.sought).await?;
        for from in (ROWS_MAX..most).step_by(ROWS_MAX) {
            let go_on = self.query(&self.go_on, rows, (from, ROWS_MAX));
            written.take(connection, (go_on, 0), &rows.sought).await?;
        }
        Ok(written)
    }

    /// Binds the rows from the `from`th on, as many as there is room for, in the order of
    /// [`PARTS`].
    fn query(
        &self,
        sql: &Arc<str>,
        rows: &Rows<'_>,
        (from, room): (usize, usize),
    ) -> Query<'static> {
        let mut binder = Binder {
            query: sqlx::query(AssertSqlSafe(Arc::clone(sql))),
            from,
            room,
            parts: PARTS.iter(),
        };
        binder.bind(&rows.messages, |query, arrival| arrival.bind(query));
        binder.bind(&rows.deliveries, DeliveryRow::bind);
        binder.bind(&rows.settlings, Settling::bind);
        binder.bind(&rows.events, EventRow::bind);
        binder.bind(&rows.lanes, |query, (lane, at)| {
            query
                .bind(i64::from(lane.workspace.0))
                .bind(lane.domain.as_str().to_owned())
                .bind(at.as_micros())
        });
        binder.bind(&rows.segments, |query, (segment, count)| {
            query.bind(integer(*segment)).bind(*count)
        });
        binder.bind(&rows.sought, Sought::bind);
        binder.query
    }
}

struct Binder {
    query: Query<'static>,
    from: usize,
    room: usize,
    parts: std::slice::Iter<'static, Part>,
}

impl Binder {
    /// Binds the rows of the next part, and NULL for the room that is left.
    fn bind<T>(&mut self, rows: &[T], bind: impl Fn(Query<'static>, &T) -> Query<'static>) {
        let part = self
            .parts
            .next()
            .expect("invariant: there is a part for each kind of row");
        let rows = rows.get(self.from..).unwrap_or_default();
        let rows = &rows[..rows.len().min(self.room)];
        let mut query = std::mem::replace(&mut self.query, sqlx::query(""));
        for row in rows {
            query = bind(query, row);
        }
        for _ in 0..(self.room - rows.len()) * part.columns {
            query = query.bind(None::<i64>);
        }
        self.query = query;
    }
}

impl Rows<'_> {
    /// Rows of the part that has the most.
    fn most(&self) -> usize {
        let counts = [
            self.messages.len(),
            self.deliveries.len(),
            self.settlings.len(),
            self.events.len(),
            self.lanes.len(),
            self.segments.len(),
            self.sought.len(),
        ];
        counts.into_iter().max().unwrap_or(0)
    }
}

impl Written {
    /// Runs a script and takes down what it has done; so many statements stand before its parts.
    async fn take(
        &mut self,
        connection: &mut SqliteConnection,
        (query, before): (Query<'static>, usize),
        sought: &[Sought],
    ) -> Result<(), sqlx::Error> {
        #[expect(
            deprecated,
            reason = "several statements in one are what saves the time"
        )]
        let mut results = query.fetch_many(connection);
        let mut ended = 0;
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Left(done) if ended == before + EVENTS => {
                    self.take_events(&done);
                    ended += 1;
                }
                Either::Left(_) => ended += 1,
                Either::Right(row) if ended == before + LISTED => {
                    self.listed.extend(Sought::found(sought, &row));
                }
                Either::Right(row) => {
                    let segment = unsigned(&row, 0, "segment.id").unwrap_or_default();
                    self.live.push((segment, row.try_get(1)?));
                }
            }
        }
        Ok(())
    }

    fn take_events(&mut self, done: &SqliteQueryResult) {
        if done.rows_affected() > 0 {
            self.events += done.rows_affected();
            self.newest = Some(Position(done.last_insert_rowid().unsigned_abs()));
        }
    }
}

/// Which of these deliveries have no event of this transaction.
pub(super) async fn without_event(
    connection: &mut SqliteConnection,
    events: &[EventRow],
) -> Result<Vec<DeliveryId>, sqlx::Error> {
    let mut missing = Vec::new();
    for event in events {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT position FROM event WHERE delivery_id = ? AND sequence = ? AND id = ?",
        )
        .bind(blob(event.delivery.as_bytes()))
        .bind(event.sequence)
        .bind(blob(event.id.as_bytes()))
        .fetch_optional(&mut *connection)
        .await?;
        if found.is_none() {
            missing.push(event.delivery);
        }
    }
    Ok(missing)
}
