//! Facts about sending domains.

use postbell_model::{Domain, EventKind, SeenRecords, SettingChange, WorkspaceFact};
use serde::{Deserialize, Serialize};

use super::json;

/// What the row of such a fact carries: its domain, and what its kind adds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct DomainRecord {
    domain: String,
    /// Name, old and new value of each setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settings: Vec<(String, Option<String>, String)>,
    /// The records that were seen: `dkim`, `spf`, `dmarc`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// What the row of a fact about a domain carries; `None`: it is about something else.
pub(super) fn write(fact: &WorkspaceFact) -> Option<String> {
    let of = |domain: &Domain| DomainRecord {
        domain: domain.as_str().to_owned(),
        ..DomainRecord::default()
    };
    let record = match fact {
        WorkspaceFact::DestinationDisabled { .. }
        | WorkspaceFact::SendingPaused { .. }
        | WorkspaceFact::SendingResumed { .. }
        | WorkspaceFact::SuppressionAdded(_)
        | WorkspaceFact::SuppressionRemoved(_)
        | WorkspaceFact::Received(_) => return None,
        WorkspaceFact::DomainCreated { domain, settings } => DomainRecord {
            settings: write_settings(settings),
            ..of(domain)
        },
        WorkspaceFact::DomainUpdated { domain, changes } => DomainRecord {
            settings: write_settings(changes),
            ..of(domain)
        },
        WorkspaceFact::DomainVerified { domain, seen } => DomainRecord {
            seen: write_seen(*seen),
            ..of(domain)
        },
        WorkspaceFact::DomainUnverified { domain, missing } => DomainRecord {
            missing: missing.clone(),
            ..of(domain)
        },
        WorkspaceFact::DomainDeleted { domain } => of(domain),
    };
    Some(json(&record))
}

/// Reads a fact about a domain back.
pub(super) fn read(kind: EventKind, payload: &str) -> Result<WorkspaceFact, String> {
    if !is_about_domain(kind) {
        return Err("it is about no workspace".to_owned());
    }
    let record: DomainRecord = serde_json::from_str(payload).map_err(|error| error.to_string())?;
    let domain = Domain::parse(&record.domain).map_err(|_| "its domain is malformed")?;
    Ok(match kind {
        EventKind::DomainCreated => WorkspaceFact::DomainCreated {
            domain,
            settings: read_settings(record.settings)?,
        },
        EventKind::DomainUpdated => WorkspaceFact::DomainUpdated {
            domain,
            changes: read_settings(record.settings)?,
        },
        EventKind::DomainVerified => WorkspaceFact::DomainVerified {
            domain,
            seen: read_seen(&record.seen),
        },
        EventKind::DomainUnverified => WorkspaceFact::DomainUnverified {
            domain,
            missing: record.missing,
        },
        _ => WorkspaceFact::DomainDeleted { domain },
    })
}

const fn is_about_domain(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::DomainCreated
            | EventKind::DomainUpdated
            | EventKind::DomainVerified
            | EventKind::DomainUnverified
            | EventKind::DomainDeleted
    )
}

fn write_settings(settings: &[SettingChange]) -> Vec<(String, Option<String>, String)> {
    let written = settings.iter().map(|change| {
        let name = change.setting.name().to_owned();
        (name, change.old.clone(), change.new.clone())
    });
    written.collect()
}

fn read_settings(
    settings: Vec<(String, Option<String>, String)>,
) -> Result<Vec<SettingChange>, String> {
    let read = settings.into_iter().map(|(name, old, new)| {
        let setting = name.parse().map_err(|_| format!("no setting \"{name}\""))?;
        Ok(SettingChange { setting, old, new })
    });
    read.collect()
}

fn write_seen(seen: SeenRecords) -> Vec<String> {
    let all = [
        ("dkim", seen.dkim),
        ("spf", seen.spf),
        ("dmarc", seen.dmarc),
    ];
    let there = all.into_iter().filter(|(_, there)| *there);
    there.map(|(name, _)| name.to_owned()).collect()
}

fn read_seen(seen: &[String]) -> SeenRecords {
    let is_there = |name: &str| seen.iter().any(|there| there == name);
    SeenRecords {
        dkim: is_there("dkim"),
        spf: is_there("spf"),
        dmarc: is_there("dmarc"),
    }
}

#[cfg(test)]
mod tests {
    use postbell_model::DomainSetting;

    use super::super::{read_workspace, write_workspace};
    use super::*;

    #[test]
    fn facts_about_domains_come_back_as_they_were() {
        let domain = Domain::parse("acme.example").unwrap();
        let settings = vec![SettingChange {
            setting: DomainSetting::ReplyHost,
            old: None,
            new: "reply.acme.example".to_owned(),
        }];
        let changes = vec![SettingChange {
            old: Some("reply.acme.example".to_owned()),
            ..settings[0].clone()
        }];
        let seen = SeenRecords {
            dkim: true,
            spf: true,
            dmarc: false,
        };
        let missing = vec!["MX bounce.acme.example".to_owned()];
        let domain = || domain.clone();
        for fact in [
            WorkspaceFact::DomainCreated {
                domain: domain(),
                settings,
            },
            WorkspaceFact::DomainUpdated {
                domain: domain(),
                changes,
            },
            WorkspaceFact::DomainVerified {
                domain: domain(),
                seen,
            },
            WorkspaceFact::DomainUnverified {
                domain: domain(),
                missing,
            },
            WorkspaceFact::DomainDeleted { domain: domain() },
        ] {
            let payload = write_workspace(&fact);
            assert_eq!(read_workspace(fact.kind(), payload.as_deref()), Ok(fact));
        }
    }

    #[test]
    fn unreadable_payloads_are_errors() {
        for payload in [
            "",
            "{}",
            r#"{"domain":"a b"}"#,
            r#"{"domain":"x.test","settings":[["a",null,"b"]]}"#,
        ] {
            assert!(
                read(EventKind::DomainUpdated, payload).is_err(),
                "{payload}"
            );
        }
        assert!(read(EventKind::Send, r#"{"domain":"x.test"}"#).is_err());
    }
}
