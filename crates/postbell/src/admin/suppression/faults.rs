//! Rows of a file that were not taken: counted, the first of them told, all of them written where that
//! is wanted.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::csv;

/// How many are told.
const TOLD_MAX: usize = 20;

/// Rows that were not taken.
#[derive(Debug)]
pub(super) struct Faults {
    count: u64,
    first: Vec<(u64, String)>,
    file: Option<BufWriter<File>>,
}

impl Faults {
    /// None yet; all that come are written to this file.
    pub(super) fn none(file: Option<&Path>) -> anyhow::Result<Self> {
        let file = file.map(make).transpose()?;
        let mut faults = Self {
            count: 0,
            first: Vec::new(),
            file: file.map(BufWriter::new),
        };
        faults.write(&["line", "fault"])?;
        Ok(faults)
    }

    pub(super) fn add(&mut self, line: u64, fault: String) -> anyhow::Result<()> {
        self.count += 1;
        self.write(&[&line.to_string(), &fault])?;
        if self.first.len() < TOLD_MAX {
            self.first.push((line, fault));
        }
        Ok(())
    }

    fn write(&mut self, cells: &[&str]) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = file.write_all(csv::line(cells).as_bytes());
        written.context("the file of faults can't be written")
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.file {
            Some(file) => file.flush().context("the file of faults can't be written"),
            None => Ok(()),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let first = self.first.iter();
        let mut lines: Vec<_> = first
            .map(|(line, fault)| format!("line {line}: {fault}"))
            .collect();
        let told = u64::try_from(self.first.len()).unwrap_or(u64::MAX);
        match (self.count.saturating_sub(told), &self.file) {
            (0, _) => {}
            (more, Some(_)) => lines.push(format!("and {more} more, which the file of faults has")),
            (more, None) => {
                lines.push(format!("and {more} more; --faults FILE writes all of them"))
            }
        }
        lines
    }

    /// The first of them, for machines.
    pub(super) fn document(&self) -> Value {
        let first = self.first.iter();
        first
            .map(|(line, fault)| json!({"line": line, "fault": fault}))
            .collect()
    }
}

/// A file that is not there yet: the rows that it quotes are addresses, for its owner alone.
fn make(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already: name another file", path.display());
        }
        file => file.with_context(|| format!("{} can't be written", path.display())),
    }
}
