//! The rows of the list, and the statements for many of them.

use aws_lc_rs::digest::{Context, SHA256};
use postbell_model::suppression::{Cause, LocalPart, Scope, SuppressedBy, Suppression};
use postbell_model::{Address, EventId, Timestamp, WorkspaceId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::rows::{self, RowError, blob, integer};
use super::super::statements::{BatchStatement, Query};

/// The address of an entry, as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sqlite) struct Key {
    pub workspace: WorkspaceId,
    pub text: String,
}

impl Key {
    pub(in crate::sqlite) fn of(
        workspace: WorkspaceId,
        address: &Address,
        local_part: LocalPart,
    ) -> Self {
        let text = local_part.key(address);
        Self { workspace, text }
    }

    /// The number that its entries are looked up by: the beginning of a hash that nobody can find many
    /// addresses of one number for. It stands in the database and never changes.
    pub(super) fn hash(&self) -> i64 {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.workspace.0.to_be_bytes());
        hash.update(self.text.as_bytes());
        let hash = hash.finish();
        let beginning = hash.as_ref().first_chunk().copied().unwrap_or_default();
        i64::from_be_bytes(beginning)
    }

    /// Binds what is looked for: the place among all that is, and the number of the key.
    pub(super) fn seek(&self, at: usize, query: Query<'static>) -> Query<'static> {
        query.bind(integer(at as u64)).bind(self.hash())
    }

    /// Whether a row that [`OF_KEYS`] found is about this address, and not another of the same number.
    /// A row that can't be read is.
    pub(in crate::sqlite) fn is_of(&self, row: &SqliteRow) -> bool {
        let workspace = row.try_get::<i64, _>(1);
        let text = row.try_get::<&str, _>(2);
        workspace.map_or(true, |id| id == i64::from(self.workspace.0))
            && text.map_or(true, |text| text == self.text)
    }

    pub(super) fn bind(&self, query: Query<'static>) -> Query<'static> {
        query
            .bind(i64::from(self.workspace.0))
            .bind(self.text.clone())
    }
}

/// What decides of an entry.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct Hold {
    pub by: SuppressedBy,
    pub expires_at: Option<Timestamp>,
}

/// How a look at the list begins: the place that [`Key::seek`] bound, what [`Key::is_of`] asks for, and
/// what [`hold_of`] reads.
pub(in crate::sqlite) const HOLDS: &str = "SELECT v.column1, s.workspace_id, s.key, \
    s.stream, s.cause, s.since, s.event_id, s.expires_at FROM";
/// The first column of what decides.
pub(in crate::sqlite) const HOLD_AT: usize = 3;

/// How it ends: from each of the keys to the entries of its number.
pub(in crate::sqlite) const OF_KEYS: &str = "AS v CROSS JOIN suppression s ON s.hash = v.column2";

/// The place that a look found, of as many.
pub(in crate::sqlite) fn place_of(row: &SqliteRow, count: usize) -> Option<usize> {
    let at = row.try_get::<i64, _>(0).ok()?;
    usize::try_from(at).ok().filter(|at| *at < count)
}

impl Hold {
    /// Whether it keeps mail of a stream from being sent at this time.
    pub(in crate::sqlite) fn holds(&self, stream: Option<&str>, at: Timestamp) -> bool {
        let is_meant = match &self.by.scope {
            Scope::All => true,
            Scope::Stream(name) => stream == Some(name.as_str()),
        };
        is_meant && self.expires_at.is_none_or(|expires_at| expires_at > at)
    }
}

/// Reads what decides, whose columns begin at `at`.
fn read_hold(row: &SqliteRow, at: usize) -> Result<Hold, RowError> {
    let cause = row.try_get::<&str, _>(at + 1)?.parse::<Cause>();
    let event = row.try_get::<Option<&[u8]>, _>(at + 3)?;
    let event = event.map(|id| <[u8; 16]>::try_from(id).map(EventId::from_bytes));
    let expires_at = row.try_get::<Option<i64>, _>(at + 4)?;
    Ok(Hold {
        by: SuppressedBy {
            scope: scope(row.try_get(at)?),
            cause: cause.map_err(|_| RowError::Column("suppression.cause"))?,
            since: rows::time(row, at + 2)?,
            event: event
                .transpose()
                .map_err(|_| RowError::Column("suppression.event_id"))?,
        },
        expires_at: expires_at.map(Timestamp::from_micros),
    })
}

/// The same of a row that may be damaged: whoever stands there has had enough of something, so that
/// nothing is sent to them.
pub(in crate::sqlite) fn hold_of(row: &SqliteRow, at: usize) -> Hold {
    let error = match read_hold(row, at) {
        Ok(hold) => return hold,
        Err(error) => error,
    };
    tracing::error!(%error, "a suppression can't be read: its address gets no mail");
    Hold {
        by: SuppressedBy {
            scope: Scope::All,
            cause: Cause::Manual,
            since: rows::time(row, at + 2).unwrap_or_default(),
            event: None,
        },
        expires_at: None,
    }
}

fn scope(stream: &str) -> Scope {
    Scope::of_stream((!stream.is_empty()).then_some(stream))
}

/// A scope as stored.
pub(super) fn stream(scope: &Scope) -> &str {
    scope.stream().unwrap_or_default()
}

/// The columns that [`read_entry`] expects.
pub(super) const ENTRY_COLUMNS: &str = "stream, cause, since, event_id, expires_at, workspace_id, \
    COALESCE(address, key), note";

/// Reads a whole entry.
fn read_entry(row: &SqliteRow) -> Result<Suppression, RowError> {
    let Hold { by, expires_at } = read_hold(row, 0)?;
    Ok(Suppression {
        workspace: WorkspaceId(rows::number(row, 5, "suppression.workspace_id")?),
        address: rows::address(row.try_get(6)?, "suppression.address")?,
        scope: by.scope,
        cause: by.cause,
        since: by.since,
        event: by.event,
        expires_at,
        note: row.try_get(7)?,
    })
}

/// The same of a row that may be damaged: `None`, which is said in the log.
pub(super) fn readable_entry(row: &SqliteRow) -> Option<Suppression> {
    let read = read_entry(row);
    let read = read.inspect_err(|error| {
        tracing::error!(%error, "a suppression can't be read and is not shown");
    });
    read.ok()
}

/// The statements of the list. Copies share their texts.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct ListStatements {
    /// As [`Key::seek`] binds them.
    pub look: BatchStatement,
    /// As [`Key::seek`] binds them.
    pub entries: BatchStatement,
    /// As [`Key::seek`] binds them.
    pub standing: BatchStatement,
    /// As [`bind_entry`] binds them.
    pub insert: BatchStatement,
    /// Entry, expiry, note, cause, since when, event.
    pub change: BatchStatement,
    /// Entry.
    pub delete: BatchStatement,
    /// Event, workspace, kind, time, payload.
    pub events: BatchStatement,
    /// Delivery.
    pub recipients: BatchStatement,
    /// Delivery.
    pub slim: BatchStatement,
    /// Delivery.
    pub end_deliveries: BatchStatement,
    /// Delivery, payload.
    pub end_events: BatchStatement,
    /// Workspace, key.
    pub forget_soft: BatchStatement,
    /// Workspace, key, how often, the last time.
    pub count_soft: BatchStatement,
}

impl ListStatements {
    pub(in crate::sqlite) fn new() -> Self {
        Self {
            look: BatchStatement::new(HOLDS, 2, OF_KEYS),
            entries: BatchStatement::new(
                "SELECT v.column1, s.workspace_id, s.key, s.stream, s.cause, s.since, \
                 s.event_id, s.expires_at, s.address, s.note FROM",
                2,
                OF_KEYS,
            ),
            standing: BatchStatement::new(
                &HOLDS.replace(" FROM", ", s.id, s.note FROM"),
                2,
                OF_KEYS,
            ),
            insert: BatchStatement::new(
                "INSERT INTO suppression (workspace_id, key, hash, stream, address, cause, since, \
                 event_id, expires_at, note) SELECT * FROM",
                10,
                "WHERE column1 IS NOT NULL",
            ),
            change: BatchStatement::new(
                "UPDATE suppression SET expires_at = v.column2, note = v.column3, \
                 cause = v.column4, since = v.column5, event_id = v.column6 FROM",
                6,
                "AS v WHERE suppression.id = v.column1",
            ),
            delete: BatchStatement::new("DELETE FROM suppression WHERE id IN", 1, ""),
            events: BatchStatement::new(
                "INSERT INTO event (id, workspace_id, configuration_set_id, delivery_id, \
                 sequence, kind, at, payload) \
                 SELECT column1, column2, 0, NULL, 0, column3, column4, column5 FROM",
                5,
                "WHERE column1 IS NOT NULL",
            ),
            // CROSS JOIN keeps the order: from what is asked for to its rows.
            recipients: BatchStatement::new(
                "SELECT d.id, d.workspace_id, d.recipient, m.configuration_set_id, \
                 m.forward IS NOT NULL, \
                 CASE WHEN json_valid(m.instructions) THEN m.instructions ->> '$.stream' END FROM",
                1,
                "AS v CROSS JOIN delivery d ON d.id = v.column1 \
                 CROSS JOIN message m ON m.id = d.message_id",
            ),
            slim: BatchStatement::new(
                "SELECT l.id, l.workspace_id, l.recipient, l.configuration_set_id, 0, l.stream FROM",
                1,
                "AS v CROSS JOIN slim_delivery l ON l.id = v.column1",
            ),
            end_deliveries: BatchStatement::new(
                "UPDATE delivery SET state = 'suppressed' WHERE id IN",
                1,
                "",
            ),
            end_events: BatchStatement::new(
                "UPDATE event SET kind = 'Reject', payload = v.column2 FROM",
                2,
                "AS v WHERE event.delivery_id = v.column1 AND event.sequence = 1",
            ),
            forget_soft: BatchStatement::new(
                "DELETE FROM soft_bounce WHERE (workspace_id, key) IN",
                2,
                "",
            ),
            count_soft: BatchStatement::new(
                "INSERT INTO soft_bounce (workspace_id, key, count, last_at) SELECT * FROM",
                4,
                "WHERE column1 IS NOT NULL ON CONFLICT (workspace_id, key) DO UPDATE SET \
                 count = count + excluded.count, last_at = excluded.last_at \
                 RETURNING workspace_id, key, count",
            ),
        }
    }
}

/// Binds a row of the list.
pub(super) fn bind_entry(query: Query<'static>, key: &Key, entry: &Suppression) -> Query<'static> {
    let address = entry.address.as_str();
    let event = entry.event.map(|event| blob(event.as_bytes()));
    key.bind(query)
        .bind(key.hash())
        .bind(stream(&entry.scope).to_owned())
        .bind((address != key.text).then(|| address.to_owned()))
        .bind(entry.cause.name())
        .bind(entry.since.as_micros())
        .bind(event)
        .bind(entry.expires_at.map(Timestamp::as_micros))
        .bind(entry.note.clone())
}
