//! `postbell queue show`.

use postbell_model::Event;
use postbell_store::{Inspect, Waiting};
use serde_json::{Value, json};

use super::{Window, pauses, which};
use crate::admin::workspace_name;
use crate::cli::QueueList;
use crate::console::{age, until};

/// What waits, one by one.
pub(super) async fn show(window: &Window<'_>, list: &QueueList) -> anyhow::Result<()> {
    let filter = which::deliveries(window, &list.which)?;
    let waiting = window.inspector.waiting(&filter, list.limit).await?;
    if list.output.json {
        let documents = waiting.iter().map(|one| delivery_document(window, one));
        window
            .console
            .say(Value::Array(documents.collect()).to_string());
        return Ok(());
    }
    if waiting.is_empty() {
        window.console.complain("nothing waits");
        return Ok(());
    }
    let rows: Vec<_> = waiting
        .iter()
        .map(|one| delivery_row(window, one))
        .collect();
    let heading = [
        "DELIVERY",
        "RECIPIENT",
        "STATE",
        "AGE",
        "ATTEMPT",
        "DUE",
        "LAST REPLY",
    ];
    window.console.table(&heading, &rows);
    let paused = waiting.iter();
    let paused = paused.filter_map(|one| pauses::of_delivery(window, one));
    pauses::tell(window, paused);
    if waiting.len() == list.limit {
        window.console.complain(format!(
            "these are the first {}, there may be more; see --limit",
            list.limit
        ));
    }
    Ok(())
}

fn delivery_row(window: &Window<'_>, one: &Waiting) -> Vec<String> {
    let now = window.now();
    vec![
        one.delivery.id.to_string(),
        one.delivery.recipient.to_string(),
        one.state.to_string(),
        age(one.message.accepted_at, now),
        one.delivery.attempt.to_string(),
        match pauses::of_delivery(window, one) {
            Some(_) => pauses::WHEN_RESUMED.to_owned(),
            None => until(one.next_at, now),
        },
        reply(one.latest.as_ref()),
    ]
}

fn delivery_document(window: &Window<'_>, one: &Waiting) -> Value {
    json!({
        "deliveryId": one.delivery.id.to_string(),
        "messageId": one.message.id.to_string(),
        "workspace": workspace_name(&window.directory, one.message.workspace),
        "recipient": one.delivery.recipient.as_str(),
        "source": one.message.source,
        "subject": one.message.subject,
        "state": one.state.name(),
        "acceptedAt": one.message.accepted_at.to_string(),
        "attempt": one.delivery.attempt,
        "nextAttemptAt": one.next_at.to_string(),
        "paused": pauses::document(window, pauses::of_delivery(window, one)),
        "expiresAt": one.delivery.expires_at.to_string(),
        "lastReply": last_reply(one.latest.as_ref()),
    })
}

/// What a far server said last, on one line.
pub(super) fn reply(latest: Option<&Event>) -> String {
    last_reply(latest).map_or_else(|| "-".to_owned(), |reply| reply.escape_debug().to_string())
}

pub(super) fn last_reply(latest: Option<&Event>) -> Option<String> {
    let last = latest?.fact.attempt()?.last()?;
    Some(last.reply.to_string())
}
