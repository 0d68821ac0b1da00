//! What the columns of a list's file say.

use postbell_model::suppression::{Cause, Scope, Suppression};
use postbell_model::{Address, Timestamp, WorkspaceId};

use crate::cli::{stream_name, suppression_note};
use crate::csv::Row;

/// Characters of a cell that a fault tells.
const TOLD_MAX: usize = 80;

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Address,
    Stream,
    Cause,
    Since,
    Expires,
    Note,
    Event,
}

impl Column {
    pub(super) const ALL: &[Self] = &[
        Self::Address,
        Self::Stream,
        Self::Cause,
        Self::Since,
        Self::Expires,
        Self::Note,
        Self::Event,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Stream => "stream",
            Self::Cause => "cause",
            Self::Since => "since",
            Self::Expires => "expires",
            Self::Note => "note",
            Self::Event => "event",
        }
    }

    /// The one that a first line means by this, which is in lower case.
    fn named(name: &str) -> Option<Self> {
        // As most lists from elsewhere have it.
        if matches!(name, "email" | "email address") {
            return Some(Self::Address);
        }
        let mut all = Self::ALL.iter();
        all.find(|column| column.name() == name).copied()
    }

    /// Its cell for an entry.
    pub(super) fn cell(self, entry: &Suppression) -> String {
        match self {
            Self::Address => entry.address.as_str().to_owned(),
            Self::Stream => entry.scope.stream().unwrap_or_default().to_owned(),
            Self::Cause => entry.cause.name().to_owned(),
            Self::Since => entry.since.to_string(),
            Self::Expires => text(entry.expires_at),
            Self::Note => entry.note.clone().unwrap_or_default(),
            Self::Event => text(entry.event),
        }
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A first line that doesn't say what the others are.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadFault {
    #[error(
        "there is no column \"{0}\"; there are address, stream, cause, since, expires, note, event"
    )]
    Unknown(String),
    #[error("column \"{0}\" stands there twice")]
    Twice(&'static str),
    #[error("it names no column \"address\" or \"email\", and is no address")]
    NoAddress,
}

/// A row that can't be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CellFault {
    #[error("it has {0} cells, and there are {1} columns")]
    TooMany(usize, usize),
    #[error("it has no address")]
    NoAddress,
    #[error("\"{0}\" is no address: {1}")]
    Address(String, String),
    #[error("\"{0}\" is no stream: {1}")]
    Stream(String, String),
    #[error("\"{0}\" is no cause: it is BOUNCE, COMPLAINT, UNSUBSCRIBE or MANUAL")]
    Cause(String),
    #[error("\"{0}\" is no time: write 2027-01-31 or 2027-01-31T08:00:00Z")]
    Time(String),
    #[error("it is on the list since {0}, which is yet to come")]
    Future(Timestamp),
    #[error("its note is too long: {0}")]
    Note(String),
    #[error("\"{0}\" is no event: write evt_ and its UUID, or nothing")]
    Event(String),
}

/// What the cells of a row are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns(Vec<Column>);

impl Columns {
    /// As the first row names them; `None`: it is the first of a bare list of addresses.
    pub(super) fn named_by(first: &Row) -> Result<Option<Self>, HeadFault> {
        let names = first.cells.iter();
        let names: Vec<_> = names.map(|name| name.trim().to_ascii_lowercase()).collect();
        let is_address = |name: &String| Column::named(name) == Some(Column::Address);
        if !names.iter().any(is_address) {
            return match first.cells.as_slice() {
                [only] if only.contains('@') => Ok(None),
                _ => Err(HeadFault::NoAddress),
            };
        }
        let mut columns = Vec::new();
        for name in names {
            let column = Column::named(&name);
            let column = column.ok_or_else(|| HeadFault::Unknown(told(&name)))?;
            if columns.contains(&column) {
                return Err(HeadFault::Twice(column.name()));
            }
            columns.push(column);
        }
        Ok(Some(Self(columns)))
    }

    /// Those of a list without a first line.
    pub(super) fn of_bare_list() -> Self {
        Self(vec![Column::Address])
    }

    /// The entry that a row is; what it doesn't say is as if somebody had put it there now.
    pub(super) fn entry(
        &self,
        row: &Row,
        (workspace, now): (WorkspaceId, Timestamp),
    ) -> Result<Suppression, CellFault> {
        if row.cells.len() > self.0.len() {
            return Err(CellFault::TooMany(row.cells.len(), self.0.len()));
        }
        let cell = |column| {
            let at = self.0.iter().position(|c| *c == column)?;
            Some(row.cells.get(at)?.as_str())
        };
        let trimmed = |column| cell(column).map(str::trim).filter(|cell| !cell.is_empty());
        let entry = Suppression {
            workspace,
            address: address(trimmed(Column::Address).ok_or(CellFault::NoAddress)?)?,
            scope: scope(trimmed(Column::Stream))?,
            cause: trimmed(Column::Cause).map_or(Ok(Cause::Manual), cause)?,
            since: trimmed(Column::Since).map_or(Ok(now), time)?,
            event: trimmed(Column::Event)
                .map(|text| text.parse().map_err(|_| CellFault::Event(told(text))))
                .transpose()?,
            expires_at: trimmed(Column::Expires).map(time).transpose()?,
            note: cell(Column::Note)
                .filter(|text| !text.is_empty())
                .map(|text| suppression_note(text).map_err(CellFault::Note))
                .transpose()?,
        };
        if entry.since > now {
            return Err(CellFault::Future(entry.since));
        }
        Ok(entry)
    }
}

fn address(text: &str) -> Result<Address, CellFault> {
    let read = Address::parse(text);
    read.map_err(|error| CellFault::Address(told(text), error.to_string()))
}

fn scope(text: Option<&str>) -> Result<Scope, CellFault> {
    let Some(text) = text else {
        return Ok(Scope::All);
    };
    let name = stream_name(text).map_err(|how| CellFault::Stream(told(text), how))?;
    Ok(Scope::Stream(name))
}

fn cause(text: &str) -> Result<Cause, CellFault> {
    text.parse().map_err(|_| CellFault::Cause(told(text)))
}

/// A moment with its zone, or the beginning of a day in UTC.
fn time(text: &str) -> Result<Timestamp, CellFault> {
    let read = Timestamp::read(text).or_else(|| Timestamp::read(&format!("{text}T00:00:00Z")));
    read.ok_or_else(|| CellFault::Time(told(text)))
}

/// A cell as a fault tells it.
fn told(text: &str) -> String {
    let told: String = text.chars().take(TOLD_MAX).collect();
    let rest = if told.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", told.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn row(cells: &[&str]) -> Row {
        Row {
            line: 7,
            cells: cells.iter().map(|&cell| cell.to_owned()).collect(),
        }
    }

    fn read(head: &[&str], cells: &[&str]) -> Result<Suppression, CellFault> {
        let columns = Columns::named_by(&row(head)).unwrap();
        let columns = columns.unwrap_or_else(Columns::of_bare_list);
        columns.entry(&row(cells), (WorkspaceId(1), NOW))
    }

    #[test]
    fn the_first_line_names_columns_or_is_an_address() {
        let named = |cells: &[&str]| Columns::named_by(&row(cells));
        let columns = vec![Column::Note, Column::Address];
        assert_eq!(named(&["note ", "ADDRESS"]), Ok(Some(Columns(columns))));
        assert_eq!(named(&["ann@example.org"]), Ok(None));
        assert_eq!(
            named(&["address", "address"]),
            Err(HeadFault::Twice("address"))
        );
        let unknown = HeadFault::Unknown("reason".to_owned());
        assert_eq!(named(&["address", "reason"]), Err(unknown));
        for name in ["email", "EMail", "Email Address "] {
            let columns = vec![Column::Address, Column::Note];
            assert_eq!(named(&[name, "note"]), Ok(Some(Columns(columns))), "{name}");
        }
        let both = Err(HeadFault::Twice("address"));
        assert_eq!(named(&["email", "address"]), both);
        assert_eq!(named(&["mail"]), Err(HeadFault::NoAddress));
        assert_eq!(named(&["ann@example.org", "x"]), Err(HeadFault::NoAddress));
    }

    #[test]
    fn what_is_not_said_is_as_of_now() {
        let entry = read(&["ann@example.org"], &[" Bob@example.org "]).unwrap();
        assert_eq!(entry.address.as_str(), "Bob@example.org");
        assert_eq!((entry.cause, entry.scope), (Cause::Manual, Scope::All));
        assert_eq!((entry.since, entry.expires_at), (NOW, None));
        let head = ["address", "since", "expires", "stream", "cause", "note"];
        let cells = [
            "a@b.example",
            "2026-01-31",
            "2030-01-31T01:00:00+01:00",
            "news",
            "bounce",
        ];
        let entry = read(&head, &cells).unwrap();
        assert_eq!(entry.since.to_string(), "2026-01-31T00:00:00.000000Z");
        assert_eq!(
            entry.expires_at.unwrap().to_string(),
            "2030-01-31T00:00:00.000000Z"
        );
        assert_eq!(entry.scope, Scope::Stream("news".to_owned()));
        assert_eq!((entry.cause, entry.note), (Cause::Bounce, None));
    }

    #[test]
    fn faults_say_what_to_write() {
        let head = [
            "address", "stream", "cause", "since", "expires", "note", "event",
        ];
        let good = ["a@b.example", "", "", "", "", "", ""];
        let long = "x".repeat(1_001);
        for (at, cell, said) in [
            (0, "", "it has no address"),
            (0, "a b", "\"a b\" is no address"),
            (1, "a b", "\"a b\" is no stream"),
            (2, "SPAM", "\"SPAM\" is no cause"),
            (3, "yesterday", "\"yesterday\" is no time"),
            (3, "2100-01-01", "is yet to come"),
            (4, "31.1.2030", "is no time"),
            (5, &long, "its note is too long"),
            (6, "evt_1", "\"evt_1\" is no event"),
        ] {
            let mut cells = good;
            cells[at] = cell;
            let fault = read(&head, &cells).unwrap_err().to_string();
            assert!(fault.contains(said), "{cell}: {fault}");
        }
        let more = read(&["address"], &good).unwrap_err();
        assert_eq!(more, CellFault::TooMany(7, 1));
    }
}
