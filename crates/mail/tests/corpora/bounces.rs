//! Reports about deliveries: who, with which codes, and what it means.

use std::collections::BTreeSet;

use postbell_mail::inbound::{Envelope, Inbound, Mail, Reader, RecipientStatus, StatusReport};
use postbell_model::BounceClass;
use serde_json::Value;

use super::Row;
use super::score::Scores;

pub(crate) fn measure(row: &Row, reader: &Reader, scores: &mut Scores) {
    // A mailbox of several reports is no message.
    let is_mailbox = memchr::memmem::find(&row.raw, b"\n\nFrom MAILER-DAEMON ").is_some();
    if !row.is(&["bounce", "delay", "success"]) || !row.file.starts_with("bounces/") || is_mailbox {
        return;
    }
    let raw = row.received();
    let found = reader.read(&Mail::read(&raw), Envelope::Noted);
    let is_report = matches!(found, Inbound::Status(_));
    scores.count("bounces: recognised", row, is_report, || {
        format!("{found:?}")
    });
    let Inbound::Status(report) = found else {
        if let Some(labels) = row.recipients()
            && is_firm(row)
            && !labels.is_empty()
        {
            scores.count("bounces: recipients", row, false, || {
                "not recognised".to_owned()
            });
        }
        return;
    };
    let Some(labels) = row.recipients() else {
        return;
    };
    recipients(row, labels, &report, scores);
    for label in labels {
        let told = match (report.recipients.as_slice(), labels.len()) {
            ([one], 1) => Some(one),
            (all, _) => all.iter().find(|status| is_about(status, label)),
        };
        if let Some(status) = told {
            outcome(row, label, status, scores);
        }
    }
}

/// A label that another tool gave and no test holds is not firm.
fn is_firm(row: &Row) -> bool {
    row.text("label_quality") != Some("tool") && row.value.get("disputed").is_none()
}

fn recipients(row: &Row, labels: &[Value], report: &StatusReport, scores: &mut Scores) {
    let is_literal = |label: &Value| label.get("address_literal") != Some(&Value::Bool(false));
    let wanted: BTreeSet<_> = labels
        .iter()
        .filter_map(|label| label["address"].as_str())
        .map(str::to_lowercase)
        .collect();
    if wanted.len() < labels.len() || !labels.iter().all(is_literal) || labels.is_empty() {
        return;
    }
    let named: BTreeSet<_> = report
        .recipients
        .iter()
        .filter_map(|status| status.address.as_deref())
        .map(str::to_lowercase)
        .collect();
    let how = || format!("wanted {wanted:?}, found {named:?}");
    let figure = match is_firm(row) {
        true => "bounces: recipients",
        false => "bounces: recipients, soft labels",
    };
    // Some labels are the address that the message was sent to; a report tells both.
    let originals: BTreeSet<_> = report
        .recipients
        .iter()
        .filter_map(|status| status.original.as_deref().or(status.address.as_deref()))
        .map(str::to_lowercase)
        .collect();
    let hit = named == wanted || originals == wanted;
    scores.count(figure, row, hit, how);
    let fields = row
        .value
        .pointer("/dsn_fields/final-recipient")
        .and_then(Value::as_array);
    let is_whole = |field: &Value| {
        field
            .as_str()
            .is_some_and(|field| field.contains('@') && !field.contains("; @"))
    };
    if is_firm(row) && fields.is_some_and(|fields| fields.iter().all(is_whole)) {
        scores.count("bounces: recipients, Final-Recipient whole", row, hit, how);
    }
}

fn is_about(status: &RecipientStatus, label: &Value) -> bool {
    let address = label["address"].as_str().unwrap_or_default();
    status
        .address
        .as_deref()
        .is_some_and(|own| own.eq_ignore_ascii_case(address))
}

fn outcome(row: &Row, label: &Value, status: &RecipientStatus, scores: &mut Scores) {
    let shown = || format!("label {label}\n    found {status:?}");
    if let Some(action) = label["action"].as_str() {
        scores.count(
            "bounces: action",
            row,
            status.action.name() == action,
            shown,
        );
    }
    let is_synthetic = label["status_synthetic"].as_bool() == Some(true);
    if let Some(code) = label["status"].as_str().filter(|_| !is_synthetic) {
        let is_field = label["from_fields"].as_bool() == Some(true);
        let own = if is_field {
            status.status_field
        } else {
            status.status
        };
        let own = own.map(|code| code.to_string());
        scores.count(
            "bounces: status code",
            row,
            own.as_deref() == Some(code),
            shown,
        );
    }
    if !is_firm(row) {
        return;
    }
    if let Some(hard) = label["hardbounce"].as_bool()
        && label["hardbounce_firm"].as_bool() != Some(false)
    {
        let accepted = classes(row, label);
        // A disabled mailbox is dead for us, and soft for some (docs/classes.md).
        let agrees = accepted.is_empty()
            || accepted
                .iter()
                .any(|class| class.means_dead_address() == hard)
            || !hard;
        let is_suspended = accepted == [BounceClass::MailboxDisabled] && !hard;
        if agrees && !is_suspended {
            scores.count(
                "bounces: hard or soft",
                row,
                status.is_dead() == hard,
                shown,
            );
        }
    }
    let accepted = classes(row, label);
    let is_firm = label["reason_firm"].as_bool() != Some(false);
    if !accepted.is_empty() && is_firm {
        let hit = status.class.is_some_and(|class| accepted.contains(&class));
        scores.count("bounces: class", row, hit, shown);
    }
}

/// Our classes for the reasons that the label accepts; none where they say nothing.
fn classes(row: &Row, label: &Value) -> Vec<BounceClass> {
    let Some(reason) = label["reason"].as_str() else {
        return Vec::new();
    };
    let also = label["reason_accept"].as_array();
    let also = also.into_iter().flatten().filter_map(Value::as_str);
    let file = match row.text("reason_vocabulary") {
        None => include_str!("../../../../fixtures/replies/vocabularies.toml"),
        Some(_) => include_str!("../../../../fixtures/inbound/vocabularies.toml"),
    };
    let table: toml::Table = file.parse().unwrap();
    let section = match row.text("reason_vocabulary") {
        None => "sisimai",
        Some(_) => "bounceparser",
    };
    let vocabulary = table[section].as_table().unwrap();
    [reason]
        .into_iter()
        .chain(also)
        .filter_map(|reason| vocabulary.get(reason))
        .flat_map(|list| list.as_array().unwrap())
        .map(|class| class.as_str().unwrap().parse().unwrap())
        .collect()
}
