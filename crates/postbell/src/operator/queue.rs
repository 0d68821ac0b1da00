//! `postbell queue` and `postbell queue show`.

use std::cmp::Reverse;

use postbell_model::Event;
use postbell_store::{Inspect, LaneDepth, Waiting};
use serde_json::{Value, json};

use super::{Window, pauses, which};
use crate::admin::workspace_name;
use crate::cli::QueueList;
use crate::console::{age, until};

/// What waits, by lane: the fullest first.
pub(super) async fn lanes(window: &Window<'_>, list: &QueueList) -> anyhow::Result<()> {
    let filter = which::deliveries(window, &list.which)?;
    let mut depths = window.inspector.lanes(&filter).await?;
    depths.sort_by_key(|depth| Reverse(depth.count));
    let (count, total) = (depths.len(), depths.iter().map(|depth| depth.count).sum());
    depths.truncate(list.limit);
    let mut lanes = Vec::with_capacity(depths.len());
    for depth in depths {
        let latest = window.inspector.latest(depth.oldest_delivery).await?;
        lanes.push((depth, latest));
    }
    if list.output.json {
        let documents = lanes
            .iter()
            .map(|(depth, latest)| lane_document(window, depth, latest.as_ref()));
        window
            .console
            .say(Value::Array(documents.collect()).to_string());
        return Ok(());
    }
    if lanes.is_empty() {
        window.console.complain("nothing waits");
        return Ok(());
    }
    let rows: Vec<_> = lanes
        .iter()
        .map(|(depth, latest)| lane_row(window, depth, latest.as_ref()))
        .collect();
    let heading = [
        "WORKSPACE",
        "DOMAIN",
        "STATE",
        "COUNT",
        "OLDEST",
        "DUE",
        "LAST REPLY TO THE OLDEST",
    ];
    window.console.table(&heading, &rows);
    let workspaces = lanes.iter().map(|(depth, _)| depth.lane.workspace);
    pauses::tell(
        window,
        pauses::of_workspaces(window, workspaces).into_iter(),
    );
    window
        .console
        .complain(summary((count, total), lanes.len()));
    Ok(())
}

fn summary((lanes, deliveries): (usize, u64), shown: usize) -> String {
    let more = match lanes - shown {
        0 => String::new(),
        hidden => format!("; {hidden} lanes more are not shown, see --limit"),
    };
    format!("{deliveries} deliveries wait in {lanes} lanes{more}")
}

fn lane_row(window: &Window<'_>, depth: &LaneDepth, latest: Option<&Event>) -> Vec<String> {
    vec![
        workspace_name(&window.directory, depth.lane.workspace),
        depth.lane.domain.to_string(),
        depth.state.to_string(),
        depth.count.to_string(),
        age(depth.oldest, window.now()),
        match pauses::of_lane(window, depth) {
            Some(_) => pauses::WHEN_RESUMED.to_owned(),
            None => until(depth.next_at, window.now()),
        },
        reply(latest),
    ]
}

fn lane_document(window: &Window<'_>, depth: &LaneDepth, latest: Option<&Event>) -> Value {
    json!({
        "workspace": workspace_name(&window.directory, depth.lane.workspace),
        "domain": depth.lane.domain.as_str(),
        "state": depth.state.name(),
        "count": depth.count,
        "oldestAcceptedAt": depth.oldest.to_string(),
        "oldestDeliveryId": depth.oldest_delivery.to_string(),
        "nextAttemptAt": depth.next_at.to_string(),
        "paused": pauses::document(window, pauses::of_lane(window, depth)),
        "lastReply": last_reply(latest),
    })
}

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
        window
            .console
            .complain(format!("these are the first {}; see --limit", list.limit));
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
fn reply(latest: Option<&Event>) -> String {
    last_reply(latest).map_or_else(|| "-".to_owned(), |reply| reply.escape_debug().to_string())
}

fn last_reply(latest: Option<&Event>) -> Option<String> {
    let last = latest?.fact.attempt()?.last()?;
    Some(last.reply.to_string())
}
