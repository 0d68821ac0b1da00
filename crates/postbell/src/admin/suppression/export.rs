//! `postbell suppression export`: the list as a file that import reads back, a page at a time.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use postbell_model::suppression::Suppression;
use postbell_store::{SuppressionFilter, SuppressionPage};
use serde_json::json;
use tempfile::NamedTempFile;

use super::columns::Column;
use super::list::filter;
use crate::admin::desk::Desk;
use crate::cli::SuppressionExport;
use crate::csv;
use crate::progress::{Progress, Share};

/// Entries that are read at a time.
const PAGE: usize = 1_000;

pub(super) async fn run(desk: &Desk, export: &SuppressionExport) -> anyhow::Result<()> {
    let filter = filter(&desk.directory(), &export.which, desk.clock.now())?;
    let mut progress = Progress::begin(desk.console, desk.clock.clone(), &export.output);
    if export.file.as_os_str() == "-" {
        if export.output.json {
            bail!("--json tells of a file: leave it out where the list goes to standard output");
        }
        let entries = to_output(desk, &filter, &mut progress).await;
        progress.end();
        if let Some(entries) = entries? {
            desk.console.complain(format!("{entries} entries"));
        }
        return Ok(());
    }
    let entries = to_file(desk, (&filter, &export.file), &mut progress).await;
    progress.end();
    let entries = entries?;
    let document = json!({ "file": export.file, "entries": entries });
    let sentence = format!("{}: {entries} entries", export.file.display());
    desk.tell(&export.output, &document, &sentence);
    Ok(())
}

/// Writes standard output; `None`: its reader went away, which is no fault.
async fn to_output(
    desk: &Desk,
    filter: &SuppressionFilter,
    progress: &mut Progress,
) -> anyhow::Result<Option<u64>> {
    let mut writer = BufWriter::new(io::stdout());
    match write_all(desk, (filter, &mut writer), progress).await {
        Err(error) if is_broken_pipe(&error) => {
            // What is left would be written once more, to nobody.
            drop(writer.into_parts());
            Ok(None)
        }
        written => written.map(Some),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let source = error.downcast_ref::<io::Error>();
    source.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes the file, which is there once it is whole. Its owner alone may read it.
async fn to_file(
    desk: &Desk,
    (filter, path): (&SuppressionFilter, &Path),
    progress: &mut Progress,
) -> anyhow::Result<u64> {
    if path.exists() {
        bail!("{} is there already: name another file", path.display());
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let unwritable = || format!("{} can't be written", path.display());
    let file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(unwritable)?;
    let mut writer = BufWriter::new(file);
    let entries = write_all(desk, (filter, &mut writer), progress).await?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error);
    let file = file.with_context(unwritable)?;
    file.as_file().sync_all().with_context(unwritable)?;
    file.persist_noclobber(path).with_context(unwritable)?;
    Ok(entries)
}

async fn write_all(
    desk: &Desk,
    (filter, to): (&SuppressionFilter, &mut impl Write),
    progress: &mut Progress,
) -> anyhow::Result<u64> {
    let all = desk
        .suppressions
        .suppression_count(filter.workspace, filter.holds_at)
        .await?;
    let names: Vec<_> = Column::ALL.iter().map(|column| column.name()).collect();
    to.write_all(csv::line(&names).as_bytes())?;
    let (mut after, mut entries) = (None, 0);
    loop {
        let page = SuppressionPage { after, limit: PAGE };
        let found = desk.suppressions.suppression_page(filter, &page).await?;
        for entry in &found {
            to.write_all(line(entry).as_bytes())?;
        }
        entries += u64::try_from(found.len()).unwrap_or(u64::MAX);
        let share = Share {
            done: entries,
            of: Some(all),
        };
        progress.tell(share, entries);
        let Some(last) = found.into_iter().next_back() else {
            break;
        };
        after = Some((last.address, last.scope));
    }
    to.flush()?;
    Ok(entries)
}

fn line(entry: &Suppression) -> String {
    let cells: Vec<_> = Column::ALL
        .iter()
        .map(|column| column.cell(entry))
        .collect();
    let cells: Vec<_> = cells.iter().map(String::as_str).collect();
    csv::line(&cells)
}
