//! How a destination wants to be called, and facts about workspaces.

use postbell_model::{
    CustomHeader, Delays, DestinationSettings, DisableReason, EventKind, Secret, Telling,
    WorkspaceFact,
};
use serde::{Deserialize, Serialize};

use super::{PayloadError, domain, engagement, inbound, json, sending};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delays: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_replies: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machines: Option<String>,
}

/// The column's value; `None` where nothing is set.
pub(crate) fn write_settings(settings: &DestinationSettings) -> Option<String> {
    if *settings == DestinationSettings::default() {
        return None;
    }
    let headers = settings.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value.expose());
        (header.name.clone(), value.into_owned())
    });
    Some(json(&Settings {
        headers: headers.collect(),
        in_flight: settings.in_flight,
        delays: Some(settings.delays.name().to_owned()),
        auto_replies: Some(settings.auto_replies.name().to_owned()),
        machines: Some(settings.machines.name().to_owned()),
    }))
}

/// Reads the column back; `None`: it can't be.
pub(crate) fn read_settings(column: Option<&str>) -> Option<DestinationSettings> {
    let Some(column) = column else {
        return Some(DestinationSettings::default());
    };
    let settings: Settings = serde_json::from_str(column).ok()?;
    let headers = settings.headers.into_iter();
    let telling = |name: Option<String>| {
        name.map_or(Some(Telling::default()), |name| Telling::of_name(&name))
    };
    Some(DestinationSettings {
        headers: headers
            .map(|(name, value)| CustomHeader {
                name,
                value: Secret::new(value),
            })
            .collect(),
        in_flight: settings.in_flight,
        delays: match settings.delays {
            Some(name) => Delays::of_name(&name)?,
            None => Delays::default(),
        },
        auto_replies: telling(settings.auto_replies)?,
        machines: telling(settings.machines)?,
    })
}

/// The payload of a `DestinationDisabled`.
#[derive(Debug, Serialize, Deserialize)]
struct DestinationDisabled {
    destination: String,
    name: String,
    reason: String,
}

/// What the row of a fact about a workspace carries.
pub(crate) fn write_workspace(fact: &WorkspaceFact) -> Option<String> {
    match fact {
        WorkspaceFact::DestinationDisabled {
            destination,
            name,
            reason,
        } => Some(json(&DestinationDisabled {
            destination: destination.to_string(),
            name: name.clone(),
            reason: reason.name().to_owned(),
        })),
        WorkspaceFact::DomainCreated { .. }
        | WorkspaceFact::DomainUpdated { .. }
        | WorkspaceFact::DomainVerified { .. }
        | WorkspaceFact::DomainUnverified { .. }
        | WorkspaceFact::DomainDeleted { .. } => domain::write(fact),
        WorkspaceFact::SendingPaused {
            domain,
            reason,
            new_mail,
        } => Some(sending::write_paused(
            domain.as_ref(),
            reason.as_deref(),
            *new_mail,
        )),
        WorkspaceFact::SendingResumed { domain, paused_at } => {
            Some(sending::write_resumed(domain.as_ref(), *paused_at))
        }
        WorkspaceFact::Received(mail) => Some(inbound::write_mail(mail)),
        WorkspaceFact::SuppressionAdded(entry) | WorkspaceFact::SuppressionRemoved(entry) => {
            Some(engagement::write_suppression(entry))
        }
    }
}

/// Reads a fact about a workspace back.
pub(crate) fn read_workspace(
    kind: EventKind,
    payload: Option<&str>,
) -> Result<WorkspaceFact, PayloadError> {
    let fault = |what: String| PayloadError { kind, what };
    let payload = payload.unwrap_or_default();
    match kind {
        EventKind::DestinationDisabled => read_disabled(payload).map_err(fault),
        EventKind::SendingPaused => sending::read_paused(payload).map_err(fault),
        EventKind::Received => inbound::read_mail(payload).map_err(fault),
        EventKind::SendingResumed => sending::read_resumed(payload).map_err(fault),
        EventKind::SuppressionAdded | EventKind::SuppressionRemoved => {
            engagement::read_suppression(kind, payload).map_err(fault)
        }
        _ => domain::read(kind, payload).map_err(fault),
    }
}

fn read_disabled(json: &str) -> Result<WorkspaceFact, String> {
    let record: DestinationDisabled =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    let destination = record.destination.parse();
    let reason = record.reason.parse::<DisableReason>();
    Ok(WorkspaceFact::DestinationDisabled {
        destination: destination.map_err(|_| "its destination is malformed")?,
        name: record.name,
        reason: reason.map_err(|_| "its reason is unknown")?,
    })
}

#[cfg(test)]
mod tests {
    use postbell_model::{DestinationId, Domain, NewMail, Timestamp};

    use super::*;

    #[test]
    fn settings_come_back_as_they_were() {
        let settings = DestinationSettings {
            headers: vec![CustomHeader {
                name: "authorization".to_owned(),
                value: Secret::new("Bearer \"x\""),
            }],
            in_flight: Some(4),
            delays: Delays::Each,
            auto_replies: Telling::Skip,
            machines: Telling::Send,
        };
        let written = write_settings(&settings);
        assert_eq!(read_settings(written.as_deref()), Some(settings));
        let none = DestinationSettings::default();
        assert_eq!(write_settings(&none), None);
        assert_eq!(read_settings(None), Some(none.clone()));
        assert_eq!(read_settings(Some(r#"{"new":1}"#)), Some(none));
        assert_eq!(read_settings(Some(r#"{"delays":"never"}"#)), None);
        assert_eq!(read_settings(Some("[")), None);
    }

    #[test]
    fn facts_about_workspaces_come_back_as_they_were() {
        let fact = WorkspaceFact::DestinationDisabled {
            destination: DestinationId::new(Timestamp::from_micros(1_700_000_000_000_000)),
            name: "hook".to_owned(),
            reason: DisableReason::Gone,
        };
        let payload = write_workspace(&fact);
        assert_eq!(
            read_workspace(fact.kind(), payload.as_deref()),
            Ok(fact.clone())
        );
        assert!(read_workspace(fact.kind(), None).is_err());
        assert!(read_workspace(EventKind::Send, payload.as_deref()).is_err());
        for domain in [None, Domain::parse("acme.example").ok()] {
            for fact in [
                WorkspaceFact::SendingPaused {
                    domain: domain.clone(),
                    reason: Some("too many bounces".to_owned()),
                    new_mail: NewMail::Hold,
                },
                WorkspaceFact::SendingResumed {
                    domain: domain.clone(),
                    paused_at: Timestamp::from_micros(7),
                },
            ] {
                let payload = write_workspace(&fact);
                assert_eq!(read_workspace(fact.kind(), payload.as_deref()), Ok(fact));
            }
        }
    }
}
