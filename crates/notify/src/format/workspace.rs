//! Our own documents about a workspace: the envelope of those about a delivery, without a mail.

use postbell_model::{Domain, WorkspaceEvent, WorkspaceFact};
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
    SendingPaused(SendingPaused<'a>),
    SendingResumed(SendingResumed<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestinationDisabled<'a> {
    destination_id: String,
    name: &'a str,
    cause: &'static str,
    reason: String,
}

/// What is paused or resumed is the `domain`, or the whole workspace where there is none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SendingPaused<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    new_mail: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SendingResumed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    paused_at: Micros,
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
        WorkspaceFact::SendingPaused {
            domain,
            reason,
            new_mail,
        } => Told::SendingPaused(SendingPaused {
            domain: domain.as_ref().map(Domain::as_str),
            reason: reason.as_deref(),
            new_mail: new_mail.name(),
        }),
        WorkspaceFact::SendingResumed { domain, paused_at } => {
            Told::SendingResumed(SendingResumed {
                domain: domain.as_ref().map(Domain::as_str),
                paused_at: Micros(*paused_at),
            })
        }
    }
}
