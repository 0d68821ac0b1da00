//! `postbell suppression list`: a page of it.

use postbell_model::Timestamp;
use postbell_model::suppression::{Scope, Suppression};
use postbell_store::{Directory, SuppressionFilter, SuppressionPage};

use super::entry;
use crate::admin::desk::{self, Desk};
use crate::cli::{SuppressionList, WhichEntries};

pub(super) async fn run(desk: &Desk, list: &SuppressionList) -> anyhow::Result<()> {
    let directory = desk.directory();
    let filter = filter(&directory, &list.which, desk.clock.now())?;
    let after = list.after.as_ref().map(|entry| {
        let scope = Scope::of_stream(entry.stream.as_deref());
        (entry.address.clone(), scope)
    });
    // One more says whether there is another page.
    let page = SuppressionPage {
        after,
        limit: list.limit.saturating_add(1),
    };
    let mut entries = desk.suppressions.suppression_page(&filter, &page).await?;
    let has_more = entries.len() > list.limit;
    entries.truncate(list.limit);
    let documents = entries.iter().map(|e| entry::document(&directory, e));
    let rows: Vec<_> = entries.iter().map(row).collect();
    let heading = ["ADDRESS", "MAIL", "CAUSE", "SINCE", "EXPIRES", "NOTE"];
    desk.tell_list(&list.output, documents.collect(), &heading, &rows);
    if let (true, Some(last)) = (has_more, entries.last()) {
        desk.console
            .complain(format!("there are more: --after={}", quoted(last)));
    }
    Ok(())
}

/// An entry as it is typed in a shell.
fn quoted(entry: &Suppression) -> String {
    let stream = entry.scope.stream().map(|stream| format!("/{stream}"));
    let entry = format!("{}{}", entry.address, stream.unwrap_or_default());
    format!("'{}'", entry.replace('\'', r"'\''"))
}

/// What is asked for.
pub(super) fn filter(
    directory: &Directory,
    which: &WhichEntries,
    now: Timestamp,
) -> anyhow::Result<SuppressionFilter> {
    let scope = match (&which.stream, which.all_mail) {
        (Some(stream), _) => Some(Scope::Stream(stream.clone())),
        (None, true) => Some(Scope::All),
        (None, false) => None,
    };
    Ok(SuppressionFilter {
        workspace: desk::workspace(directory, &which.workspace)?.id,
        cause: which.cause,
        scope,
        domain: which.domain.clone(),
        since: which.since.map(|age| now.before(age)),
        holds_at: now,
    })
}

fn row(entry: &Suppression) -> Vec<String> {
    vec![
        entry.address.to_string(),
        entry.scope.to_string(),
        entry.cause.to_string(),
        entry.since.to_string(),
        entry
            .expires_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string()),
        entry::note(entry),
    ]
}
