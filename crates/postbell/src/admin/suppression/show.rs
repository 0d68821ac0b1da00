//! `postbell suppression show`: whether an address gets mail, and why not.

use postbell_model::suppression::Suppression;
use postbell_model::{Address, WorkspaceId};
use serde_json::json;

use super::entry;
use crate::admin::desk::{self, Desk};
use crate::cli::{Output, WhichAddress};

pub(super) async fn run(desk: &Desk, which: &WhichAddress, output: &Output) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &which.workspace)?;
    let entries = entries_of(desk, workspace.id, &which.address).await?;
    let mut known = vec![key(desk, &which.address)];
    let mut others = Vec::new();
    for other in others_of(&which.address) {
        let key = key(desk, &other);
        if !known.contains(&key) {
            known.push(key);
            others.extend(entries_of(desk, workspace.id, &other).await?);
        }
    }
    let documents = |entries: &[Suppression]| {
        let documents = entries.iter().map(|e| entry::document(&directory, e));
        documents.collect::<Vec<_>>()
    };
    let document = json!({
        "address": which.address.as_str(),
        "workspace": workspace.name,
        "suppressed": entries.iter().any(|entry| entry.scope.stream().is_none()),
        "entries": documents(&entries),
        "others": documents(&others),
    });
    let mut lines = match entries.is_empty() {
        true => vec![format!(
            "{} is not on the list of workspace {}",
            which.address, workspace.name
        )],
        false => vec![format!(
            "{} is on the list of workspace {}",
            which.address, workspace.name
        )],
    };
    lines.extend(entries.iter().flat_map(described));
    if !others.is_empty() {
        lines
            .push("written in another way it is another address, which is on the list:".to_owned());
        lines.extend(others.iter().flat_map(described));
    }
    desk.tell(output, &document, &lines.join("\n"));
    Ok(())
}

async fn entries_of(
    desk: &Desk,
    workspace: WorkspaceId,
    address: &Address,
) -> anyhow::Result<Vec<Suppression>> {
    let found = desk
        .suppressions
        .suppressions_of(workspace, address, desk.clock.now())
        .await?;
    Ok(found)
}

fn key(desk: &Desk, address: &Address) -> String {
    desk.suppressions.local_part().key(address)
}

/// What the same mailbox may be called: without what stands behind a +, and in lower case.
fn others_of(address: &Address) -> Vec<Address> {
    let local = address.local_part();
    let short = local.split_once('+').map_or(local, |(short, _)| short);
    let mut others = Vec::new();
    for local in [short.to_owned(), local.to_lowercase(), short.to_lowercase()] {
        let other = Address::new(&local, address.domain()).ok();
        others.extend(other.filter(|other| other != address && !others.contains(other)));
    }
    others
}

fn described(entry: &Suppression) -> Vec<String> {
    let stream = entry.scope.stream();
    let scope = stream.map_or_else(|| "all".to_owned(), |stream| format!("of stream {stream}"));
    let mut lines = vec![
        format!("  {}", entry.address),
        format!("    mail       {scope}"),
        format!("    cause      {}", entry.cause),
        format!("    since      {}", entry.since),
    ];
    if let Some(event) = entry.event {
        lines.push(format!("    event      {event}"));
    }
    if let Some(at) = entry.expires_at {
        lines.push(format!("    expires    {at}"));
    }
    if entry.note.is_some() {
        lines.push(format!("    note       {}", entry::note(entry)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_may_have_other_names() {
        let others = |text: &str| {
            let others = others_of(&Address::parse(text).unwrap());
            let others = others.iter().map(|other| other.as_str().to_owned());
            others.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(others("ann@example.org"), "");
        assert_eq!(others("ann+shop@example.org"), "ann@example.org");
        assert_eq!(
            others("Ann+Shop@example.org"),
            "Ann@example.org ann+shop@example.org ann@example.org"
        );
        assert_eq!(others("+shop@example.org"), "");
    }
}
