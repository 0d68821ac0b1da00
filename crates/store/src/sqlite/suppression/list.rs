//! Putting addresses on the list, with the events that tell of it.

use std::collections::HashMap;

use postbell_model::suppression::{Cause, LocalPart, Suppression};
use postbell_model::{EventId, EventKind, Timestamp, WorkspaceEvent, WorkspaceFact};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Listed, Position, record};

use super::super::rows::{RowError, blob};
use super::super::statements::Query;
use super::rows::{HOLD_AT, Hold, Key, ListStatements, bind_entry, hold_of, place_of, stream};

/// An entry that is to stand on the list.
#[derive(Debug)]
pub(in crate::sqlite) struct NewEntry {
    pub entry: Suppression,
    /// When it is put there.
    pub at: Timestamp,
}

/// What was put on the list.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Added {
    /// What became of each, at its place.
    pub listed: Vec<Listed>,
    /// The place of the newest event.
    pub newest: Option<Position>,
    pub news: News,
}

/// What stands on the list now and did not before.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct News {
    pub keys: Vec<Key>,
    /// None of them has a higher number.
    pub highest: i64,
}

/// How an address stands on the list for a scope.
#[derive(Debug)]
struct Standing {
    /// Its row; `None`: it has none yet.
    id: Option<i64>,
    why: Why,
    expires_at: Option<Timestamp>,
    note: Option<String>,
    is_changed: bool,
    /// What is to be inserted.
    new: Option<usize>,
}

/// What an entry follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Why {
    cause: Cause,
    since: Timestamp,
    event: Option<EventId>,
}

type Place = (Key, String);

/// Puts them on the list.
pub(in crate::sqlite) async fn add(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    local_part: LocalPart,
    new: &[NewEntry],
) -> Result<Added, sqlx::Error> {
    if new.is_empty() {
        return Ok(Added::default());
    }
    let keys = new.iter().map(|new| {
        let (workspace, address) = (new.entry.workspace, &new.entry.address);
        Key::of(workspace, address, local_part)
    });
    let keys: Vec<_> = keys.collect();
    let mut list = List::look(connection, statements, &keys).await?;
    let listed = keys.iter().zip(new).enumerate();
    let listed = listed.map(|(at, (key, new))| list.put(at, key, new));
    let listed = listed.collect();
    let (newest, news) = list.write(connection, statements, (&keys, new)).await?;
    Ok(Added {
        listed,
        newest,
        news,
    })
}

/// What is known of some addresses, and what becomes of it.
struct List {
    standing: HashMap<Place, Standing>,
    /// Rows whose time is over.
    over: Vec<i64>,
}

impl List {
    async fn look(
        connection: &mut SqliteConnection,
        statements: &ListStatements,
        keys: &[Key],
    ) -> Result<Self, sqlx::Error> {
        let mut standing = HashMap::with_capacity(keys.len());
        let rows: Vec<_> = keys.iter().enumerate().collect();
        let bind = |query: Query<'static>, (at, key): &(usize, &Key)| key.seek(*at, query);
        for query in statements.standing.batch(&rows, bind) {
            for row in query.fetch_all(&mut *connection).await? {
                let key = place_of(&row, keys.len()).and_then(|at| keys.get(at));
                let Some(key) = key.filter(|key| key.is_of(&row)) else {
                    continue;
                };
                match read(&row, key) {
                    Ok((place, found)) => drop(standing.insert(place, found)),
                    Err(error) => tracing::error!(%error, "a suppression can't be read"),
                }
            }
        }
        let over = Vec::new();
        Ok(Self { standing, over })
    }

    /// What becomes of the `at`th.
    fn put(&mut self, at: usize, key: &Key, new: &NewEntry) -> Listed {
        let place = (key.clone(), stream(&new.entry.scope).to_owned());
        let entry = &new.entry;
        if let Some(standing) = self.standing.get_mut(&place)
            && (standing.new.is_some() || !is_over(standing.expires_at, new.at))
        {
            return standing.take(entry);
        }
        let standing = Standing {
            id: None,
            why: Why::of(entry),
            expires_at: entry.expires_at,
            note: entry.note.clone(),
            is_changed: false,
            new: Some(at),
        };
        let before = self.standing.insert(place, standing);
        self.over.extend(before.and_then(|before| before.id));
        Listed::Added
    }

    async fn write(
        self,
        connection: &mut SqliteConnection,
        statements: &ListStatements,
        (keys, new): (&[Key], &[NewEntry]),
    ) -> Result<(Option<Position>, News), sqlx::Error> {
        for query in statements
            .delete
            .batch(&self.over, |query, id| query.bind(*id))
        {
            query.execute(&mut *connection).await?;
        }
        let changed = self
            .standing
            .values()
            .filter(|standing| standing.is_changed);
        let changed: Vec<_> = changed.collect();
        let bind = |query: Query<'static>, standing: &&Standing| {
            let expires_at = standing.expires_at.map(Timestamp::as_micros);
            let query = query.bind(standing.id).bind(expires_at);
            standing.why.bind(query.bind(standing.note.clone()))
        };
        for query in statements.change.batch(&changed, bind) {
            query.execute(&mut *connection).await?;
        }
        let inserted = self.standing.into_values().filter_map(|standing| {
            let at = standing.new?;
            let Why {
                cause,
                since,
                event,
            } = standing.why;
            let entry = Suppression {
                cause,
                since,
                event,
                expires_at: standing.expires_at,
                note: standing.note,
                ..new[at].entry.clone()
            };
            Some((&keys[at], entry, new[at].at))
        });
        let mut inserted: Vec<_> = inserted.collect();
        // By the order of the index: neighbours share a page.
        inserted.sort_by_key(|(key, _, _)| *key);
        let mut news = News::default();
        let bind =
            |query: Query<'static>, (key, entry, _): &Inserted<'_>| bind_entry(query, key, entry);
        for query in statements.insert.batch(&inserted, bind) {
            news.highest = query.execute(&mut *connection).await?.last_insert_rowid();
        }
        news.keys = inserted.iter().map(|(key, _, _)| (*key).clone()).collect();
        let events = inserted.into_iter().map(|(_, entry, at)| {
            let workspace = entry.workspace;
            WorkspaceEvent::new(
                workspace,
                at,
                WorkspaceFact::SuppressionAdded(Box::new(entry)),
            )
        });
        let events: Vec<_> = events.collect();
        Ok((tell(connection, statements, &events).await?, news))
    }
}

type Inserted<'a> = (&'a Key, Suppression, Timestamp);

impl Standing {
    /// It stands there already: the later expiry and the note are taken over, and a wish where it stood
    /// there for something else.
    fn take(&mut self, entry: &Suppression) -> Listed {
        let expires_at = later(self.expires_at, entry.expires_at);
        let note = entry.note.clone().or_else(|| self.note.clone());
        let why = if entry.cause.is_wish() && !self.why.cause.is_wish() {
            Why::of(entry)
        } else {
            self.why
        };
        if (expires_at, why) == (self.expires_at, self.why) && note == self.note {
            return Listed::Known;
        }
        (self.expires_at, self.note, self.why) = (expires_at, note, why);
        self.is_changed = self.new.is_none();
        Listed::Changed
    }
}

impl Why {
    const fn of(entry: &Suppression) -> Self {
        Self {
            cause: entry.cause,
            since: entry.since,
            event: entry.event,
        }
    }

    fn bind(self, query: Query<'static>) -> Query<'static> {
        query
            .bind(self.cause.name())
            .bind(self.since.as_micros())
            .bind(self.event.map(|event| blob(event.as_bytes())))
    }
}

fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|expires_at| expires_at <= now)
}

/// `None` is never.
pub(super) fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    Some(one?.max(other?))
}

fn read(row: &SqliteRow, key: &Key) -> Result<(Place, Standing), RowError> {
    let Hold { by, expires_at } = hold_of(row, HOLD_AT);
    let standing = Standing {
        id: Some(row.try_get(HOLD_AT + 5)?),
        why: Why {
            cause: by.cause,
            since: by.since,
            event: by.event,
        },
        expires_at,
        note: row.try_get(HOLD_AT + 6)?,
        is_changed: false,
        new: None,
    };
    // As it is written: of what is damaged no scope is read.
    Ok(((key.clone(), row.try_get(HOLD_AT)?), standing))
}

/// Appends events about the list, for the destinations of the workspace: the place of the last.
pub(super) async fn tell(
    connection: &mut SqliteConnection,
    statements: &ListStatements,
    events: &[WorkspaceEvent],
) -> Result<Option<Position>, sqlx::Error> {
    let mut newest = None;
    let bind = |query: Query<'static>, event: &WorkspaceEvent| {
        let kind: EventKind = event.fact.kind();
        query
            .bind(blob(event.id.as_bytes()))
            .bind(i64::from(event.workspace.0))
            .bind(kind.name())
            .bind(event.at.as_micros())
            .bind(record::write_workspace(&event.fact))
    };
    for query in statements.events.batch(events, bind) {
        let written = query.execute(&mut *connection).await?;
        newest = Some(Position(written.last_insert_rowid().unsigned_abs()));
    }
    Ok(newest)
}
