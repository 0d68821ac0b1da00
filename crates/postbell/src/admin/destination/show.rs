//! `postbell destination list` and `show`. Secrets and the values of headers are never shown.

use postbell_model::{Destination, Timestamp};
use postbell_store::{Backlog, Directory};
use serde_json::{Map, Value, json};

use super::find;
use crate::admin::InWorkspace;
use crate::admin::desk::{self, Desk};
use crate::cli::{Output, WhichDestination};
use crate::console::Style;

const REDACTED: &str = "[redacted]";
const WHOLE_WORKSPACE: &str = "(whole workspace)";

pub(super) fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let wanted: Vec<_> = desk::workspaces(&directory, list)?
        .iter()
        .map(|workspace| workspace.id)
        .collect();
    let all = directory.destinations().iter();
    let shown: Vec<_> = all.filter(|d| wanted.contains(&d.workspace)).collect();
    let documents = shown.iter().map(|d| document(&directory, d)).collect();
    let rows: Vec<_> = shown.iter().map(|d| row(&directory, d)).collect();
    let heading = [
        "NAME",
        "WORKSPACE",
        "CONFIGURATION SET",
        "STATE",
        "FORMAT",
        "EVENTS",
        "URL",
    ];
    desk.tell_list(&list.output, documents, &heading, &rows);
    Ok(())
}

pub(super) async fn show(
    desk: &Desk,
    which: &WhichDestination,
    output: &Output,
) -> anyhow::Result<()> {
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let backlog = desk.webhooks.backlog(destination.id).await?;
    let mut document = document(&directory, destination);
    document["backlog"] = json!({
        "cursor": backlog.cursor.0,
        "newest": backlog.newest.0,
        "retries": backlog.retries,
        "dead": backlog.dead,
    });
    let sentence = lines(desk, (&directory, destination), backlog).join("\n");
    desk.tell(output, &document, &sentence);
    Ok(())
}

fn lines(
    desk: &Desk,
    (directory, destination): (&Directory, &Destination),
    backlog: Backlog,
) -> Vec<String> {
    let settings = &destination.settings;
    let title = format!("{} ({})", destination.name, destination.id);
    let in_flight = settings
        .in_flight
        .map_or_else(|| "as configured".to_owned(), |most| most.to_string());
    let headers = settings.headers.iter();
    let headers: Vec<_> = headers
        .map(|header| format!("{}: {REDACTED}", header.name))
        .collect();
    let mut lines = vec![
        desk.console.styled(Style::Strong, &title),
        format!(
            "  workspace      {}",
            desk::workspace_name(directory, destination.workspace)
        ),
        format!("  set            {}", set(directory, destination)),
        format!("  url            {}", destination.url),
        format!("  state          {}", destination.state.name()),
        format!("  format         {}", destination.format),
        format!("  events         {}", events(destination)),
        format!("  headers        {}", none_or(&headers.join(", "))),
        format!("  in flight      {in_flight}"),
        format!("  delays         {}", settings.delays.name()),
        format!("  auto replies   {}", settings.auto_replies.name()),
        format!("  machines       {}", settings.machines.name()),
        format!(
            "  behind         {} events of the log; {} calls due again, {} given up",
            backlog.newest.0 - backlog.cursor.0.min(backlog.newest.0),
            backlog.retries,
            backlog.dead
        ),
    ];
    if let Some(until) = overlap(destination, desk.clock.now()) {
        lines.push(format!("  old secret     signs as well until {until}"));
    }
    lines
}

fn none_or(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// Until when the secret before the present one signs, too.
fn overlap(destination: &Destination, now: Timestamp) -> Option<Timestamp> {
    let previous = destination.previous_secret.as_ref()?;
    (previous.until > now).then_some(previous.until)
}

pub(super) fn document(directory: &Directory, destination: &Destination) -> Value {
    let settings = &destination.settings;
    let headers = settings.headers.iter();
    let headers: Map<String, Value> = headers
        .map(|header| (header.name.clone(), json!(REDACTED)))
        .collect();
    let previous = destination.previous_secret.as_ref();
    json!({
        "id": destination.id.to_string(),
        "name": destination.name,
        "workspace": desk::workspace_name(directory, destination.workspace),
        "configurationSet": destination.configuration_set.map(|set| desk::set_name(directory, set)),
        "url": destination.url,
        "format": destination.format,
        "matchingEventTypes": destination.matching_event_types,
        "headers": headers,
        "inFlight": settings.in_flight,
        "delays": settings.delays.name(),
        "autoReplies": settings.auto_replies.name(),
        "machines": settings.machines.name(),
        "previousSecretUntil": previous.map(|previous| previous.until.to_string()),
        "state": destination.state.name(),
        "createdAt": destination.created_at.to_string(),
    })
}

fn row(directory: &Directory, destination: &Destination) -> Vec<String> {
    vec![
        destination.name.clone(),
        desk::workspace_name(directory, destination.workspace),
        set(directory, destination),
        destination.state.name().to_owned(),
        destination.format.clone(),
        events(destination),
        destination.url.clone(),
    ]
}

fn set(directory: &Directory, destination: &Destination) -> String {
    let set = destination.configuration_set;
    set.map_or_else(
        || WHOLE_WORKSPACE.to_owned(),
        |set| desk::set_name(directory, set),
    )
}

pub(super) fn events(destination: &Destination) -> String {
    if destination.matching_event_types.is_empty() {
        return "all".to_owned();
    }
    destination.matching_event_types.join(",")
}
