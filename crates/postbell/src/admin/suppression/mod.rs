//! `postbell suppression`.

mod columns;
mod entry;
mod export;
mod faults;
mod import;
mod list;
mod show;

use anyhow::bail;
use postbell_model::suppression::{Scope, Suppression};
use postbell_store::{Directory, Listed};
use serde_json::{Value, json};

use super::desk::{self, Desk};
use crate::cli::{SuppressionAdd, SuppressionCommand, SuppressionRemove};

pub(super) async fn run(desk: &Desk, command: &SuppressionCommand) -> anyhow::Result<()> {
    match command {
        SuppressionCommand::Add(wanted) => add(desk, wanted).await,
        SuppressionCommand::Remove(wanted) => remove(desk, wanted).await,
        SuppressionCommand::Show { which, output } => show::run(desk, which, output).await,
        SuppressionCommand::List(list) => list::run(desk, list).await,
        SuppressionCommand::Import(import) => import::run(desk, import).await,
        SuppressionCommand::Export(export) => export::run(desk, export).await,
    }
}

async fn add(desk: &Desk, add: &SuppressionAdd) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.which.workspace)?;
    let now = desk.clock.now();
    let entry = Suppression {
        workspace: workspace.id,
        address: add.which.address.clone(),
        scope: Scope::of_stream(add.stream.as_deref()),
        cause: add.cause,
        since: now,
        event: None,
        expires_at: add.expires.map(|after| now.after(after)),
        note: add.note.clone().filter(|note| !note.is_empty()),
    };
    let listed = desk.suppressions.suppress(vec![entry.clone()], now).await?;
    let listed = listed.first().copied().unwrap_or(Listed::Known);
    let found = desk
        .suppressions
        .suppressions_of(workspace.id, &entry.address, now)
        .await?;
    let stands = found.into_iter().find(|found| found.scope == entry.scope);
    let stands = stands.unwrap_or(entry);
    let what = format!("{} to {}", entry::mail(&stands.scope), stands.address);
    let sentence = match listed {
        Listed::Added => format!(
            "workspace {} sends no {what}{}",
            workspace.name,
            entry::until(&stands)
        ),
        Listed::Changed => format!(
            "{} was on the list of workspace {} already ({}); it has another cause, expiry or note now{}",
            stands.address,
            workspace.name,
            entry::why(&stands),
            entry::until(&stands)
        ),
        Listed::Known => format!(
            "{} was on the list of workspace {} already: {}{}",
            stands.address,
            workspace.name,
            entry::why(&stands),
            entry::until(&stands)
        ),
    };
    let mut document = entry::document(&directory, &stands);
    document["listed"] = json!(name_of(listed));
    desk.tell(&add.output, &document, &sentence);
    Ok(())
}

const fn name_of(listed: Listed) -> &'static str {
    match listed {
        Listed::Added => "added",
        Listed::Changed => "changed",
        Listed::Known => "known",
    }
}

async fn remove(desk: &Desk, remove: &SuppressionRemove) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &remove.which.workspace)?;
    let address = &remove.which.address;
    let now = desk.clock.now();
    let scope = Scope::of_stream(remove.stream.as_deref());
    let meant = if remove.all { None } else { Some(&scope) };
    let removed = desk
        .suppressions
        .unsuppress(workspace.id, address, meant, now)
        .await?;
    let left = desk
        .suppressions
        .suppressions_of(workspace.id, address, now)
        .await?;
    if removed.is_empty() {
        let name = &workspace.name;
        if left.is_empty() {
            bail!("{address} is not on the list of workspace {name}");
        }
        bail!(
            "{address} has no entry for {} on the list of workspace {name}, but for {}: say which \
             by --stream, or --all",
            entry::mail(&scope),
            entry::scopes(&left)
        );
    }
    let sentence = removed_sentence((&removed, &left), &workspace.name);
    desk.tell(
        &remove.output,
        &removed_document(&directory, (&removed, &left)),
        &sentence,
    );
    Ok(())
}

fn removed_sentence((removed, left): (&[Suppression], &[Suppression]), name: &str) -> String {
    let took = removed.iter().map(|entry| {
        let scope = entry::mail(&entry.scope);
        format!("{} for {scope} ({})", entry.address, entry::why(entry))
    });
    let took: Vec<_> = took.collect();
    let more = match left.is_empty() {
        true => String::new(),
        false => format!("; it still gets no {}", entry::scopes(left)),
    };
    format!(
        "took {} off the list of workspace {name}{more}",
        took.join(", ")
    )
}

fn removed_document(
    directory: &Directory,
    (removed, left): (&[Suppression], &[Suppression]),
) -> Value {
    let documents = |entries: &[Suppression]| {
        let documents = entries.iter().map(|e| entry::document(directory, e));
        documents.collect::<Vec<_>>()
    };
    json!({ "removed": documents(removed), "left": documents(left) })
}
