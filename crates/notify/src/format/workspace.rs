//! Our own documents about a workspace: the envelope of those about a delivery, without a mail.

use postbell_model::{WorkspaceEvent, WorkspaceFact};
use serde::Serialize;

use super::moment::Micros;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    id: String,
    event_type: &'static str,
    timestamp: Micros,
    workspace_id: String,
    #[serde(flatten)]
    told: Told<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Told<'a> {
    DestinationDisabled(DestinationDisabled<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestinationDisabled<'a> {
    destination_id: String,
    name: &'a str,
    cause: &'static str,
    reason: String,
}

impl<'a> Body<'a> {
    pub(super) fn new(event: &'a WorkspaceEvent) -> Self {
        Self {
            id: event.id.to_string(),
            event_type: event.fact.kind().name(),
            timestamp: Micros(event.at),
            workspace_id: event.workspace.to_string(),
            told: told(&event.fact),
        }
    }
}

fn told(fact: &WorkspaceFact) -> Told<'_> {
    match fact {
        WorkspaceFact::DestinationDisabled {
            destination,
            name,
            reason,
        } => Told::DestinationDisabled(DestinationDisabled {
            destination_id: destination.to_string(),
            name,
            cause: reason.name(),
            reason: reason.to_string(),
        }),
    }
}
