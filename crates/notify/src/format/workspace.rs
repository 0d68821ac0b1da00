//! Our own documents about a workspace: the envelope of those about a delivery, without a mail.

use std::borrow::Cow;
use std::collections::BTreeMap;

use postbell_model::suppression::Suppression;
use postbell_model::{Domain, SettingChange, WorkspaceEvent, WorkspaceFact};
use serde::Serialize;

use super::incoming::one_line;
use super::moment::Micros;
use super::received::Received;

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
    DomainCreated(DomainCreated<'a>),
    DomainUpdated(DomainUpdated<'a>),
    DomainVerified(DomainVerified<'a>),
    DomainUnverified(DomainUnverified<'a>),
    DomainDeleted(DomainDeleted<'a>),
    SendingPaused(SendingPaused<'a>),
    SendingResumed(SendingResumed<'a>),
    Received(Box<Received<'a>>),
    SuppressionAdded(SuppressionEntry<'a>),
    SuppressionRemoved(SuppressionEntry<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestinationDisabled<'a> {
    destination_id: String,
    name: &'a str,
    cause: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct DomainCreated<'a> {
    domain: &'a str,
    #[serde(flatten)]
    settings: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct DomainUpdated<'a> {
    domain: &'a str,
    changes: BTreeMap<&'static str, Change<'a>>,
}

#[derive(Serialize)]
struct Change<'a> {
    old: Option<&'a str>,
    new: &'a str,
}

#[derive(Serialize)]
struct DomainVerified<'a> {
    domain: &'a str,
    dkim: bool,
    spf: bool,
    dmarc: bool,
}

#[derive(Serialize)]
struct DomainUnverified<'a> {
    domain: &'a str,
    missing: &'a [String],
}

#[derive(Serialize)]
struct DomainDeleted<'a> {
    domain: &'a str,
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

/// What stands on the suppression list: for mail of the `stream`; null: for all.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SuppressionEntry<'a> {
    email_address: &'a str,
    stream: Option<&'a str>,
    cause: &'static str,
    since: Micros,
    original_event_id: Option<String>,
    expires_at: Option<Micros>,
    note: Option<Cow<'a, str>>,
}

impl<'a> Body<'a> {
    pub(super) fn new(event: &'a WorkspaceEvent) -> Self {
        Self {
            id: event.id.to_string(),
            event_type: event.fact.kind().name(),
            timestamp: Micros(event.at),
            workspace_id: event.workspace.to_string(),
            told: told(event),
        }
    }
}

fn told(event: &WorkspaceEvent) -> Told<'_> {
    match &event.fact {
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
        WorkspaceFact::DomainCreated { domain, settings } => Told::DomainCreated(DomainCreated {
            domain: domain.as_str(),
            settings: settings.iter().map(setting).collect(),
        }),
        WorkspaceFact::DomainUpdated { domain, changes } => Told::DomainUpdated(DomainUpdated {
            domain: domain.as_str(),
            changes: changes.iter().map(change).collect(),
        }),
        WorkspaceFact::DomainVerified { domain, seen } => Told::DomainVerified(DomainVerified {
            domain: domain.as_str(),
            dkim: seen.dkim,
            spf: seen.spf,
            dmarc: seen.dmarc,
        }),
        WorkspaceFact::DomainUnverified { domain, missing } => {
            let domain = domain.as_str();
            Told::DomainUnverified(DomainUnverified { domain, missing })
        }
        WorkspaceFact::DomainDeleted { domain } => Told::DomainDeleted(DomainDeleted {
            domain: domain.as_str(),
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
        WorkspaceFact::Received(mail) => Told::Received(Box::new(Received::new(event.at, mail))),
        WorkspaceFact::SuppressionAdded(entry) => Told::SuppressionAdded(suppression(entry)),
        WorkspaceFact::SuppressionRemoved(entry) => Told::SuppressionRemoved(suppression(entry)),
    }
}

fn suppression(entry: &Suppression) -> SuppressionEntry<'_> {
    SuppressionEntry {
        email_address: entry.address.as_str(),
        stream: entry.scope.stream(),
        cause: entry.cause.name(),
        since: Micros(entry.since),
        original_event_id: entry.event.map(|event| event.to_string()),
        expires_at: entry.expires_at.map(Micros),
        note: entry.note.as_deref().map(one_line),
    }
}

fn setting(change: &SettingChange) -> (&'static str, &str) {
    (change.setting.name(), &change.new)
}

fn change(change: &SettingChange) -> (&'static str, Change<'_>) {
    let told = Change {
        old: change.old.as_deref(),
        new: &change.new,
    };
    (change.setting.name(), told)
}
