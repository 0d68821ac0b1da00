//! An entry of the list, for machines and for people.

use postbell_model::suppression::{Scope, Suppression};
use postbell_store::Directory;
use serde_json::{Value, json};

use crate::admin::desk;
use crate::console::plain;

pub(super) fn document(directory: &Directory, entry: &Suppression) -> Value {
    json!({
        "workspace": desk::workspace_name(directory, entry.workspace),
        "address": entry.address.as_str(),
        "stream": entry.scope.stream(),
        "cause": entry.cause.name(),
        "since": entry.since.to_string(),
        "event": entry.event.map(|event| event.to_string()),
        "expiresAt": entry.expires_at.map(|at| at.to_string()),
        "note": entry.note,
    })
}

/// `mail`, `mail of stream news`
pub(super) fn mail(scope: &Scope) -> String {
    match scope.stream() {
        None => "mail".to_owned(),
        Some(stream) => format!("mail of stream {stream}"),
    }
}

/// The mail of several entries.
pub(super) fn scopes(entries: &[Suppression]) -> String {
    let scopes = entries.iter().map(|entry| mail(&entry.scope));
    scopes.collect::<Vec<_>>().join(" and ")
}

/// `BOUNCE since 2026-11-22T00:20:07.000000Z`
pub(super) fn why(entry: &Suppression) -> String {
    format!("{} since {}", entry.cause, entry.since)
}

/// `, until 2026-12-22T00:20:07.000000Z`, where it ends.
pub(super) fn until(entry: &Suppression) -> String {
    entry
        .expires_at
        .map_or_else(String::new, |at| format!(", until {at}"))
}

/// Its note on one line.
pub(super) fn note(entry: &Suppression) -> String {
    entry.note.as_deref().map(plain).unwrap_or_default()
}
