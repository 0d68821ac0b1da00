//! Facts about opens, clicks and the suppression list.

use postbell_model::engagement::{Click, Engagement};
use postbell_model::suppression::{Scope, SuppressedBy, Suppression};
use postbell_model::{Address, EventId, EventKind, Fact, Timestamp, WorkspaceFact, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::json;

/// The payload of an `Open` or a `Click`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    user_agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    machine: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
}

/// The payload of a `Reject` for the suppression list, which has no reason, and of facts about the
/// list.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    cause: String,
    since: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(super) fn write_open(open: &Engagement) -> String {
    json(&record(open))
}

pub(super) fn write_click(click: &Click) -> String {
    json(&Record {
        url: Some(click.url.clone()),
        index: Some(click.index),
        ..record(&click.engagement)
    })
}

fn record(engagement: &Engagement) -> Record {
    let reasons = engagement.machine_reasons.iter();
    Record {
        url: None,
        index: None,
        ip: engagement.ip.clone(),
        user_agent: engagement.user_agent.clone(),
        count: engagement.count,
        machine: reasons.map(|reason| reason.name().to_owned()).collect(),
        proxy: engagement.proxy.map(|proxy| proxy.name().to_owned()),
    }
}

pub(super) fn write_suppressed(by: &SuppressedBy) -> String {
    json(&Entry {
        stream: by.scope.stream().map(ToOwned::to_owned),
        cause: by.cause.name().to_owned(),
        since: by.since.as_micros(),
        event: by.event.map(|event| event.to_string()),
        ..Entry::default()
    })
}

pub(super) fn write_suppression(entry: &Suppression) -> String {
    json(&Entry {
        workspace: Some(entry.workspace.0),
        address: Some(entry.address.as_str().to_owned()),
        stream: entry.scope.stream().map(ToOwned::to_owned),
        cause: entry.cause.name().to_owned(),
        since: entry.since.as_micros(),
        event: entry.event.map(|event| event.to_string()),
        expires_at: entry.expires_at.map(Timestamp::as_micros),
        note: entry.note.clone(),
    })
}

/// Reads an `Open` or a `Click` back.
pub(super) fn read(kind: EventKind, json: &str) -> Result<Fact, String> {
    let record: Record = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let machine_reasons = record.machine.iter().map(|name| name.parse());
    let machine_reasons = machine_reasons.collect::<Result<_, _>>();
    let proxy = record.proxy.as_deref().map(str::parse).transpose();
    let engagement = Engagement {
        ip: record.ip,
        user_agent: record.user_agent,
        count: record.count,
        machine_reasons: machine_reasons.map_err(|_| "a sign of machines is unknown")?,
        proxy: proxy.map_err(|_| "its proxy is unknown")?,
    };
    if kind == EventKind::Open {
        return Ok(Fact::Open(Box::new(engagement)));
    }
    Ok(Fact::Click(Box::new(Click {
        url: record.url.ok_or("it has no link")?,
        index: record.index.unwrap_or_default(),
        engagement,
    })))
}

/// Reads a `Reject` for the suppression list back; `None`: it is for another reason.
pub(super) fn read_suppressed(json: &str) -> Option<Result<Fact, String>> {
    let entry: Entry = serde_json::from_str(json).ok()?;
    if entry.cause.is_empty() {
        return None;
    }
    Some(suppressed_by(&entry).map(|by| Fact::Suppressed(Box::new(by))))
}

fn suppressed_by(entry: &Entry) -> Result<SuppressedBy, String> {
    let cause = entry.cause.parse().map_err(|_| "its cause is unknown")?;
    let event = entry.event.as_deref().map(str::parse::<EventId>);
    let event = event.transpose().map_err(|_| "its event is malformed")?;
    Ok(SuppressedBy {
        scope: Scope::of_stream(entry.stream.as_deref()),
        cause,
        since: Timestamp::from_micros(entry.since),
        event,
    })
}

/// Reads a fact about the suppression list back.
pub(super) fn read_suppression(kind: EventKind, json: &str) -> Result<WorkspaceFact, String> {
    let entry: Entry = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let by = suppressed_by(&entry)?;
    let address = entry.address.as_deref().map(Address::parse);
    let address = address.ok_or("it has no address")?;
    let suppression = Box::new(Suppression {
        workspace: WorkspaceId(entry.workspace.ok_or("it has no workspace")?),
        address: address.map_err(|_| "its address is malformed")?,
        scope: by.scope,
        cause: by.cause,
        since: by.since,
        event: by.event,
        expires_at: entry.expires_at.map(Timestamp::from_micros),
        note: entry.note,
    });
    Ok(match kind {
        EventKind::SuppressionAdded => WorkspaceFact::SuppressionAdded(suppression),
        _ => WorkspaceFact::SuppressionRemoved(suppression),
    })
}

#[cfg(test)]
mod tests {
    use postbell_model::engagement::{ImageProxy, MachineReason};
    use postbell_model::suppression::Cause;

    use super::super::{read as read_fact, read_workspace, write, write_workspace};
    use super::*;

    fn engagement() -> Engagement {
        Engagement {
            ip: Some("192.0.2.0/24".to_owned()),
            user_agent: "Mozilla/5.0 \"x\"".to_owned(),
            count: Some(2),
            machine_reasons: MachineReason::ALL.to_vec(),
            proxy: Some(ImageProxy::Google),
        }
    }

    fn entry() -> Suppression {
        Suppression {
            workspace: WorkspaceId(3),
            address: Address::parse("ann@far.example").unwrap(),
            scope: Scope::Stream("news".to_owned()),
            cause: Cause::Unsubscribe,
            since: Timestamp::from_micros(5),
            event: Some(EventId::new(Timestamp::from_micros(5_000))),
            expires_at: Some(Timestamp::from_micros(9)),
            note: Some("by \"phone\"".to_owned()),
        }
    }

    #[test]
    fn what_was_opened_and_clicked_comes_back_as_it_was() {
        let entry = entry();
        for fact in [
            Fact::Open(Box::new(engagement())),
            Fact::Click(Box::new(Click {
                url: "https://shop.example/?a=ä".to_owned(),
                index: 4,
                engagement: engagement(),
            })),
            Fact::Suppressed(Box::new(SuppressedBy {
                scope: entry.scope,
                cause: entry.cause,
                since: entry.since,
                event: entry.event,
            })),
        ] {
            let payload = write(&fact);
            assert_eq!(read_fact(fact.kind(), payload.as_deref()), Ok(fact));
        }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        for fact in [
            WorkspaceFact::SuppressionAdded(Box::new(entry())),
            WorkspaceFact::SuppressionRemoved(Box::new(entry())),
        ] {
            let payload = write_workspace(&fact);
            assert_eq!(read_workspace(fact.kind(), payload.as_deref()), Ok(fact));
        }
    }

    #[test]
    fn unreadable_payloads_are_errors() {
        for payload in [
            "",
            "[1]",
            r#"{"machine":["person"]}"#,
            r#"{"proxy":"nobody"}"#,
            "{}",
        ] {
            assert!(read(EventKind::Click, payload).is_err(), "{payload}");
        }
        for payload in [
            "{}",
            r#"{"cause":"BOUNCE"}"#,
            r#"{"cause":"x","address":"a@b.c"}"#,
        ] {
            let read = read_suppression(EventKind::SuppressionAdded, payload);
            assert!(read.is_err(), "{payload}");
        }
    }
}
