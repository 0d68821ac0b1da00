//! Files of comma-separated values (RFC 4180), as operators and spreadsheets write them.
//!
//! Read a row at a time, with bounded memory and the number of the line at which each row begins. A row
//! that can't be read is a fault of its own: what stands behind it is read all the same, also where a
//! quote was never closed. Semicolons and tabs are taken for commas where the first line has them.
//!
//! Cells that a spreadsheet would take for a formula are written with an apostrophe before them, which
//! is taken away again when they are read. What is not UTF-8 is refused.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read as _};
use std::str;

/// Octets of a row, and of a line.
const ROW_MAX: usize = 16 * 1024;
/// Cells of a row.
const CELLS_MAX: usize = 64;
/// What stands before a cell that is no formula.
const GUARD: char = '\'';

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line at which it begins; the first is 1.
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

/// A row that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowFault {
    #[error("it is not UTF-8: save the file as \"CSV UTF-8\"")]
    NotUtf8,
    #[error("it has more than {ROW_MAX} octets")]
    TooLong,
    #[error("it has more than {CELLS_MAX} cells")]
    TooManyCells,
    #[error("a quote is opened and not closed within {ROW_MAX} octets")]
    OpenQuote,
    #[error("a quote within a cell: put the cell in quotes, and write each quote in it twice")]
    StrayQuote,
}

/// What was found in the place of a row: the line, and what is wrong with it.
pub(crate) type Found = Result<Row, (u64, RowFault)>;

/// The rows of a file, one by one.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    source: R,
    /// Lines that were taken for a part of a row, and are rows of their own.
    again: VecDeque<Line>,
    /// Lines that were read.
    lines: u64,
    octets: u64,
    separator: Option<u8>,
}

/// A line with its end.
#[derive(Debug)]
struct Line {
    number: u64,
    text: Vec<u8>,
    is_whole: bool,
}

impl Line {
    fn is_blank(&self) -> bool {
        self.is_whole && self.text.iter().all(u8::is_ascii_whitespace)
    }
}

impl<R: BufRead> Rows<R> {
    pub(crate) fn of(source: R) -> Self {
        Self {
            source,
            again: VecDeque::new(),
            lines: 0,
            octets: 0,
            separator: None,
        }
    }

    /// Octets that were read.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// The next row that is not blank; `None`: there is none.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        loop {
            match self.line()? {
                None => return Ok(None),
                Some(line) if line.is_blank() => {}
                Some(line) => return self.row(line).map(Some),
            }
        }
    }

    /// The row that begins with this line. It ends where each quote that was opened is closed.
    fn row(&mut self, first: Line) -> io::Result<Found> {
        let number = first.number;
        if !first.is_whole {
            return Ok(Err((number, RowFault::TooLong)));
        }
        let separator = *self.separator.get_or_insert_with(|| separator(&first.text));
        let mut is_open = opens(&first.text);
        let mut text = first.text;
        let mut more = Vec::new();
        if let (true, Err(fault)) = (is_open, cells(&text, separator))
            && fault != RowFault::OpenQuote
        {
            return Ok(Err((number, fault)));
        }
        while is_open {
            let line = self.line()?;
            let fits = |line: &Line| line.is_whole && text.len() + line.text.len() <= ROW_MAX;
            if !line.as_ref().is_some_and(fits) {
                more.extend(line);
                self.read_again(more);
                return Ok(Err((number, RowFault::OpenQuote)));
            }
            if let Some(line) = line {
                is_open ^= opens(&line.text);
                text.extend_from_slice(&line.text);
                more.push(line);
            }
        }
        match cells(&text, separator) {
            Ok(cells) => Ok(Ok(Row {
                line: number,
                cells,
            })),
            Err(fault) => {
                self.read_again(more);
                Ok(Err((number, fault)))
            }
        }
    }

    /// Has lines come once more.
    fn read_again(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.again.push_front(line);
        }
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.again.pop_front() {
            return Ok(Some(line));
        }
        let mut text = Vec::new();
        let is_whole = self.read_line(&mut text)?;
        if text.is_empty() {
            return Ok(None);
        }
        self.lines += 1;
        while !is_whole && !text.ends_with(b"\n") {
            text.clear();
            if self.read_line(&mut text)? {
                break;
            }
        }
        if self.lines == 1 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        Ok(Some(Line {
            number: self.lines,
            text,
            is_whole,
        }))
    }

    /// Reads to the end of a line; `false`: it goes on.
    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<bool> {
        let limit = u64::try_from(ROW_MAX).unwrap_or(u64::MAX);
        let read = (&mut self.source).take(limit).read_until(b'\n', text)?;
        self.octets += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read < ROW_MAX || text.ends_with(b"\n"))
    }
}

/// What separates cells: what the first line has first, outside of quotes.
fn separator(first: &[u8]) -> u8 {
    let mut is_quoted = false;
    let outside = first.iter().filter(|&&octet| {
        is_quoted ^= octet == b'"';
        !is_quoted
    });
    let mut found = outside.filter(|octet| b",;\t".contains(octet));
    found.next().copied().unwrap_or(b',')
}

/// Whether a line opens a quote that it does not close, or the other way round.
fn opens(line: &[u8]) -> bool {
    line.iter().filter(|&&octet| octet == b'"').count() % 2 == 1
}

/// The cells of a row whose quotes are all closed.
fn cells(row: &[u8], separator: u8) -> Result<Vec<String>, RowFault> {
    let row = str::from_utf8(row).map_err(|_| RowFault::NotUtf8)?;
    let row = row.strip_suffix('\n').unwrap_or(row);
    let mut rest = row.strip_suffix('\r').unwrap_or(row);
    let separator = char::from(separator);
    let mut cells = Vec::new();
    loop {
        if cells.len() == CELLS_MAX {
            return Err(RowFault::TooManyCells);
        }
        let (cell, behind) = match rest.strip_prefix('"') {
            Some(behind) => quoted(behind)?,
            None => bare(rest, separator)?,
        };
        cells.push(unguarded(cell));
        match behind.strip_prefix(separator) {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(cells),
            None => return Err(RowFault::StrayQuote),
        }
    }
}

/// A cell to its closing quote, and what stands behind that.
fn quoted(text: &str) -> Result<(String, &str), RowFault> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let (head, behind) = rest.split_once('"').ok_or(RowFault::OpenQuote)?;
        cell.push_str(head);
        match behind.strip_prefix('"') {
            Some(next) => rest = next,
            None => return Ok((cell, behind)),
        }
        cell.push('"');
    }
}

/// A cell to the next separator, and that with what stands behind it.
fn bare(text: &str, separator: char) -> Result<(String, &str), RowFault> {
    let (cell, behind) = text.split_at(text.find(separator).unwrap_or(text.len()));
    if cell.contains('"') {
        return Err(RowFault::StrayQuote);
    }
    Ok((cell.to_owned(), behind))
}

/// A row as a line with its end; [`Rows`] reads these very cells from it.
pub(crate) fn line(cells: &[&str]) -> String {
    let written: Vec<_> = cells.iter().map(|cell| written(cell)).collect();
    written.join(",") + "\n"
}

fn written(cell: &str) -> String {
    let guard = if is_guarded(cell) { "'" } else { "" };
    // Semicolons and tabs separate cells where a spreadsheet is told so.
    let has_separators = cell.contains([',', ';', '\t', '"', '\n', '\r']);
    if has_separators || cell.starts_with(' ') || cell.ends_with(' ') {
        return format!("\"{guard}{}\"", cell.replace('"', "\"\""));
    }
    format!("{guard}{cell}")
}

/// Whether a spreadsheet would take it for a formula, or it would be taken for a cell with a guard.
fn is_guarded(cell: &str) -> bool {
    let begins = [
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    cell.trim_start_matches(GUARD).starts_with(begins)
}

fn unguarded(cell: String) -> String {
    match cell.strip_prefix(GUARD) {
        Some(behind) if is_guarded(behind) => behind.to_owned(),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is found in a text, each row as its line and its cells.
    fn read(text: &[u8]) -> Vec<Found> {
        let mut rows = Rows::of(text);
        std::iter::from_fn(|| rows.next().unwrap()).collect()
    }

    fn row(line: u64, cells: &[&str]) -> Found {
        let cells = cells.iter().map(|&cell| cell.to_owned()).collect();
        Ok(Row { line, cells })
    }

    #[test]
    fn rows_know_their_lines() {
        let text = b"\xef\xbb\xbfa,b\r\n\r\n1,\"two\nlines\"\n , \n\"say \"\"x\"\"\",";
        assert_eq!(
            read(text),
            [
                row(1, &["a", "b"]),
                row(3, &["1", "two\nlines"]),
                row(5, &[" ", " "]),
                row(6, &["say \"x\"", ""]),
            ]
        );
        assert_eq!(read(b"a;b\n1,2;3\n")[1], row(2, &["1,2", "3"]));
        assert_eq!(read(b"a\tb\n1\t2\n")[1], row(2, &["1", "2"]));
        assert_eq!(read(b""), []);
    }

    #[test]
    fn a_fault_is_that_of_its_row() {
        assert_eq!(
            read(b"a,\"b\nc\nO\"Brien,x\n\"a\"b\n\xff\nlast"),
            [
                Err((1, RowFault::StrayQuote)),
                row(2, &["c"]),
                Err((3, RowFault::StrayQuote)),
                Err((4, RowFault::StrayQuote)),
                Err((5, RowFault::NotUtf8)),
                row(6, &["last"]),
            ]
        );
        assert_eq!(
            read(b"a\n\"b\nc"),
            [
                row(1, &["a"]),
                Err((2, RowFault::OpenQuote)),
                row(3, &["c"])
            ]
        );
        let long = [b"a\n", &vec![b'x'; 5 * ROW_MAX][..], b"\nb"].concat();
        let fault = Err((2, RowFault::TooLong));
        assert_eq!(read(&long), [row(1, &["a"]), fault, row(3, &["b"])]);
        let many = ",".repeat(CELLS_MAX);
        assert_eq!(read(many.as_bytes()), [Err((1, RowFault::TooManyCells))]);
    }

    #[test]
    fn a_quote_that_is_never_closed_hides_nothing() {
        let good = "x@y.example\n".repeat(5_000);
        let found = read(format!("\"{good}{good}").as_bytes());
        assert_eq!(found.len(), 10_000);
        assert_eq!(found[0], Err((1, RowFault::OpenQuote)));
        assert!(found[1..].iter().all(Result::is_ok));
    }

    #[test]
    fn formulas_are_guarded() {
        for (cell, guarded) in [
            ("=1+1", "'=1+1"),
            ("+x@y.example", "'+x@y.example"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("'=1", "''=1"),
            ("\t=1", "\"'\t=1\""),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'tis", "'tis"),
            ("a=b", "a=b"),
            ("x;=1", "\"x;=1\""),
        ] {
            assert_eq!(written(cell), guarded);
        }
        assert_eq!(read(b"'+x@y.example\n")[0], row(1, &["+x@y.example"]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(
                prop::collection::vec("[-=+@'\"\t\r\n,; a\u{ff1d}\u{e4}]{0,6}|.{0,8}", 1..5), 1..8)
        ) {
            // A row needs something that is not blank: a list has an address in each.
            let rows: Vec<Vec<String>> = rows.into_iter().map(|cells| [vec!["x".to_owned()], cells].concat()).collect();
            let head = "x,\n".to_owned();
            let text = rows.iter().fold(head, |text, cells| {
                let cells: Vec<_> = cells.iter().map(String::as_str).collect();
                text + &line(&cells)
            });
            let found: Vec<_> = read(text.as_bytes()).into_iter().skip(1).map(|found| found.unwrap().cells).collect();
            prop_assert_eq!(found, rows);
        }

        #[test]
        fn anything_is_read(text in prop::collection::vec(prop::sample::select(&b"\"\",\n\r'=a\xff"[..]), 0..200)) {
            let lines = text.iter().filter(|&&octet| octet == b'\n').count() + 1;
            prop_assert!(read(&text).len() <= lines);
        }
    }
}
