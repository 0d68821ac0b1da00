//! `postbell suppression import`: a file of any length, in steps of a thousand rows.
//!
//! A row that is right goes in, whatever the others are; the others are told by their lines. What is
//! on the list already keeps its cause and since when, unless the file has a wish where the list has
//! none, and gets the later expiry and the note of the file; so an import that was broken off is simply given again.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};
use postbell_model::suppression::Suppression;
use postbell_model::{Timestamp, WorkspaceId};
use postbell_store::Listed;
use serde_json::json;

use super::columns::Columns;
use super::faults::Faults;
use crate::admin::desk::{self, Desk};
use crate::cli::SuppressionImport;
use crate::csv::{Row, Rows};
use crate::progress::{Progress, Share};

/// Rows in one transaction.
const STEP: usize = 1_000;
/// Octets that are read at a time.
const BUFFER: usize = 64 * 1024;

pub(super) async fn run(desk: &Desk, import: &SuppressionImport) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &import.workspace)?;
    let (source, octets) = open(&import.file)?;
    let mut filing = Filing {
        desk,
        workspace: workspace.id,
        now: desk.clock.now(),
        is_check: import.check,
        waiting: Vec::with_capacity(STEP),
        counts: Counts::default(),
        faults: Faults::none(import.faults.as_deref())?,
    };
    let mut progress = Progress::begin(desk.console, desk.clock.clone(), &import.output);
    let filed = filing.file_all(Rows::of(source), |rows, read| {
        let share = Share {
            done: read,
            of: octets,
        };
        progress.tell(share, rows);
    });
    let filed = filed.await;
    progress.end();
    filing.faults.finish()?;
    if filed.is_err() && filing.counts.added > 0 {
        let added = filing.counts.added;
        return filed.with_context(|| {
            format!("{added} rows are on the list; give the command again for the others")
        });
    }
    filed?;
    tell(&filing, import)
}

type Source = Box<dyn BufRead>;

/// A file, and how many octets it has; `-` is standard input.
fn open(path: &Path) -> anyhow::Result<(Source, Option<u64>)> {
    if path.as_os_str() == "-" {
        let source = BufReader::with_capacity(BUFFER, io::stdin());
        return Ok((Box::new(source), None));
    }
    let unreadable = || format!("{} can't be read", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let about = file.metadata().with_context(unreadable)?;
    if about.is_dir() {
        bail!("{} is a folder", path.display());
    }
    let octets = about.is_file().then_some(about.len());
    Ok((Box::new(BufReader::with_capacity(BUFFER, file)), octets))
}

/// What became of the rows.
#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    good: u64,
    added: u64,
    changed: u64,
    known: u64,
    expired: u64,
}

/// An import under way.
struct Filing<'d> {
    desk: &'d Desk,
    workspace: WorkspaceId,
    now: Timestamp,
    is_check: bool,
    /// Rows that are right, and not yet on the list.
    waiting: Vec<Suppression>,
    counts: Counts,
    faults: Faults,
}

impl Filing<'_> {
    /// Puts every row on the list that is right; `tell` hears of rows and octets.
    async fn file_all(
        &mut self,
        mut rows: Rows<Source>,
        mut tell: impl FnMut(u64, u64),
    ) -> anyhow::Result<()> {
        let mut columns = None;
        while let Some(found) = rows.next().context("the file can't be read")? {
            let row = match found {
                Ok(row) => row,
                Err((line, fault)) if columns.is_none() => bail!("line {line}: {fault}"),
                Err((line, fault)) => {
                    self.counts.rows += 1;
                    self.faults.add(line, fault.to_string())?;
                    continue;
                }
            };
            match &columns {
                Some(columns) => self.take(columns, &row)?,
                None => columns = Some(self.begin(&row)?),
            }
            if self.waiting.len() >= STEP {
                self.put().await?;
                tell(self.counts.rows, rows.octets());
            }
        }
        if columns.is_none() {
            bail!(
                "there is nothing in the file: give it an address a line, or a first line that names columns"
            );
        }
        self.put().await
    }

    /// What the columns are. The first row is an entry where it doesn't name them.
    fn begin(&mut self, first: &Row) -> anyhow::Result<Columns> {
        let named = Columns::named_by(first);
        if let Some(named) = named.with_context(|| format!("line {}", first.line))? {
            return Ok(named);
        }
        let columns = Columns::of_bare_list();
        self.take(&columns, first)?;
        Ok(columns)
    }

    fn take(&mut self, columns: &Columns, row: &Row) -> anyhow::Result<()> {
        self.counts.rows += 1;
        match columns.entry(row, (self.workspace, self.now)) {
            Err(fault) => return self.faults.add(row.line, fault.to_string()),
            Ok(entry) if entry.expires_at.is_some_and(|at| at <= self.now) => {
                self.counts.expired += 1;
            }
            Ok(entry) => {
                self.counts.good += 1;
                self.waiting.push(entry);
            }
        }
        Ok(())
    }

    /// Puts what waits on the list.
    async fn put(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let new = std::mem::replace(&mut self.waiting, Vec::with_capacity(STEP));
        if self.is_check {
            return self.look_up(&new).await;
        }
        for listed in self.desk.suppressions.suppress(new, self.now).await? {
            match listed {
                Listed::Added => self.counts.added += 1,
                Listed::Changed => self.counts.changed += 1,
                Listed::Known => self.counts.known += 1,
            }
        }
        Ok(())
    }

    /// Counts what is on the list already, and leaves it.
    async fn look_up(&mut self, new: &[Suppression]) -> anyhow::Result<()> {
        let suppressions = &self.desk.suppressions;
        for entry in new {
            let (workspace, address) = (entry.workspace, &entry.address);
            let found = suppressions.suppressions_of(workspace, address, self.now);
            let found = found.await?;
            let is_known = found.iter().any(|found| found.scope == entry.scope);
            self.counts.known += u64::from(is_known);
        }
        Ok(())
    }
}

fn tell(filing: &Filing<'_>, import: &SuppressionImport) -> anyhow::Result<()> {
    let Filing { desk, faults, .. } = filing;
    let Counts {
        rows,
        good,
        added,
        changed,
        known,
        expired,
    } = filing.counts;
    let document = json!({
        "done": !import.check, "rows": rows, "good": good, "added": added, "changed": changed,
        "known": known, "expired": expired, "faults": faults.count(),
        "firstFaults": faults.document(),
    });
    let name = import.file.display();
    let sentence = match import.check {
        true => format!(
            "{name}: {rows} rows, of which {good} could be taken; {known} are on the list already"
        ),
        false => format!(
            "{name}: {rows} rows; {added} were added, {changed} changed, {known} were there already"
        ),
    };
    let sentence = match expired {
        0 => sentence,
        expired => format!("{sentence}; {expired} have expired and were left out"),
    };
    desk.tell(&import.output, &document, &sentence);
    if faults.count() == 0 {
        return Ok(());
    }
    if !import.output.json {
        for line in faults.lines() {
            desk.console.complain(line);
        }
    }
    let verb = if import.check { "can't be" } else { "were not" };
    bail!("{name}: {} rows {verb} taken", faults.count())
}
