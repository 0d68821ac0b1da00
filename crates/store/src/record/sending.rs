//! Whether mail is sent, as a column; and the facts about it.

use postbell_model::{Domain, NewMail, Pause, Sandbox, Sending, Timestamp, WorkspaceFact};
use serde::{Deserialize, Serialize};

use super::json;

/// The column's value, and the payload of a `SendingPaused` or `SendingResumed`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_mail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daily_limit: Option<u32>,
}

/// The column's value; `None` where mail is sent.
pub(crate) fn write_sending(sending: &Sending) -> Option<String> {
    let record = match sending {
        Sending::Active => return None,
        Sending::Paused(pause) => Record {
            since: Some(pause.since.as_micros()),
            reason: pause.reason.clone(),
            new_mail: Some(pause.new_mail.name().to_owned()),
            ..Record::default()
        },
        Sending::Sandbox(sandbox) => Record {
            since: Some(sandbox.since.as_micros()),
            daily_limit: sandbox.daily_limit,
            new_mail: Some(sandbox.new_mail.name().to_owned()),
            ..Record::default()
        },
    };
    Some(json(&Record {
        state: Some(sending.name().to_owned()),
        ..record
    }))
}

/// Reads the column back; `None`: it can't be.
pub(crate) fn read_sending(column: Option<&str>) -> Option<Sending> {
    let Some(column) = column else {
        return Some(Sending::Active);
    };
    let record: Record = serde_json::from_str(column).ok()?;
    let since = Timestamp::from_micros(record.since?);
    let new_mail = NewMail::of_name(&record.new_mail?)?;
    match record.state?.as_str() {
        "paused" => Some(Sending::Paused(Pause {
            since,
            reason: record.reason,
            new_mail,
        })),
        "sandbox" => Some(Sending::Sandbox(Sandbox {
            since,
            daily_limit: record.daily_limit,
            new_mail,
        })),
        _ => None,
    }
}

pub(super) fn write_paused(
    domain: Option<&Domain>,
    reason: Option<&str>,
    new_mail: NewMail,
) -> String {
    json(&Record {
        domain: domain.map(ToString::to_string),
        reason: reason.map(ToOwned::to_owned),
        new_mail: Some(new_mail.name().to_owned()),
        ..Record::default()
    })
}

pub(super) fn write_resumed(domain: Option<&Domain>, paused_at: Timestamp) -> String {
    json(&Record {
        domain: domain.map(ToString::to_string),
        since: Some(paused_at.as_micros()),
        ..Record::default()
    })
}

pub(super) fn read_paused(json: &str) -> Result<WorkspaceFact, String> {
    let (record, domain) = read(json)?;
    let new_mail = record.new_mail.as_deref().and_then(NewMail::of_name);
    Ok(WorkspaceFact::SendingPaused {
        domain,
        reason: record.reason,
        new_mail: new_mail.ok_or("what becomes of new mail is unknown")?,
    })
}

pub(super) fn read_resumed(json: &str) -> Result<WorkspaceFact, String> {
    let (record, domain) = read(json)?;
    let paused_at = record
        .since
        .ok_or("the beginning of the pause is missing")?;
    Ok(WorkspaceFact::SendingResumed {
        domain,
        paused_at: Timestamp::from_micros(paused_at),
    })
}

fn read(json: &str) -> Result<(Record, Option<Domain>), String> {
    let record: Record = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let domain = record.domain.as_deref().map(Domain::parse).transpose();
    let domain = domain.map_err(|_| "its domain is malformed")?;
    Ok((record, domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_comes_back_as_it_was() {
        let paused = Sending::Paused(Pause {
            since: Timestamp::from_micros(7),
            reason: Some("a \"burst\" of bounces".to_owned()),
            new_mail: NewMail::Reject,
        });
        let written = write_sending(&paused);
        assert_eq!(read_sending(written.as_deref()), Some(paused));
        let sandbox = Sending::Sandbox(Sandbox {
            since: Timestamp::from_micros(7),
            daily_limit: Some(200),
            new_mail: NewMail::Refuse,
        });
        let written = write_sending(&sandbox);
        assert_eq!(read_sending(written.as_deref()), Some(sandbox));
        assert_eq!(write_sending(&Sending::Active), None);
        assert_eq!(read_sending(None), Some(Sending::Active));
        for unknown in [r#"{"state":"sandbox"}"#, r#"{"state":"paused"}"#, "["] {
            assert_eq!(read_sending(Some(unknown)), None, "{unknown}");
        }
    }
}
