//! Why queued mail waits that nobody attempts: somebody has paused it.

use std::collections::BTreeMap;

use postbell_model::{DeliveryState, Sender, WorkspaceId};
use postbell_store::{LaneDepth, Paused, Waiting};
use serde_json::{Value, json};

use super::Window;
use crate::admin::workspace_name;

/// In the place of the time at which something is due.
pub(super) const WHEN_RESUMED: &str = "when resumed";

/// What keeps a lane from being attempted as a whole.
pub(super) fn of_lane<'w>(window: &'w Window<'_>, depth: &LaneDepth) -> Option<Paused<'w>> {
    let is_queued = depth.state == DeliveryState::Queued;
    let paused = window.directory.pause_of_workspace(depth.lane.workspace);
    paused.filter(|_| is_queued)
}

/// What keeps a delivery from being attempted.
pub(super) fn of_delivery<'w>(window: &'w Window<'_>, one: &Waiting) -> Option<Paused<'w>> {
    let is_queued = one.state == DeliveryState::Queued;
    let paused = window.directory.pause_of_message(&one.message);
    paused.filter(|_| is_queued)
}

/// For machines; null where nothing is paused.
pub(super) fn document(window: &Window<'_>, paused: Option<Paused<'_>>) -> Value {
    let Some(Paused { sender, pause }) = paused else {
        return Value::Null;
    };
    let mut document = json!({
        "since": pause.since.to_string(),
        "reason": pause.reason,
    });
    match sender {
        Sender::Workspace(id) => {
            document["workspace"] = json!(workspace_name(&window.directory, *id))
        }
        Sender::Domain(domain) => document["domain"] = json!(domain.as_str()),
    }
    document
}

/// A line for each pause, with what ends it.
pub(super) fn tell<'p>(window: &Window<'_>, all: impl Iterator<Item = Paused<'p>>) {
    let lines = all.map(|paused| line(window, paused));
    let lines: BTreeMap<String, ()> = lines.map(|line| (line, ())).collect();
    for line in lines.keys() {
        window.console.complain(line);
    }
}

/// What is paused of these workspaces.
pub(super) fn of_workspaces<'w>(
    window: &'w Window<'_>,
    workspaces: impl Iterator<Item = WorkspaceId>,
) -> Vec<Paused<'w>> {
    let directory = &window.directory;
    let mut all = Vec::new();
    for workspace in workspaces {
        all.extend(directory.pause_of_workspace(workspace));
        for domain in directory.domains_of(workspace) {
            all.extend(directory.pause_of_domain(&domain.name));
        }
    }
    all
}

fn line(window: &Window<'_>, Paused { sender, pause }: Paused<'_>) -> String {
    let (kind, name) = match sender {
        Sender::Workspace(id) => ("workspace", workspace_name(&window.directory, *id)),
        Sender::Domain(domain) => ("domain", domain.to_string()),
    };
    let reason = pause.reason.as_deref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!(
        "{kind} {name} is paused since {}{reason}: `postbell {kind} resume {name}`",
        pause.since
    )
}
