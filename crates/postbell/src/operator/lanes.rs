//! `postbell queue`: what waits, by workspace and domain, and how the running server stands with
//! their mail hosts.

use std::cmp::Reverse;

use postbell_model::Event;
use postbell_store::{Inspect, LaneDepth};
use serde_json::{Value, json};

use super::queue::{last_reply, reply};
use super::sites::{self, Sites};
use super::{Window, which};
use crate::admin::workspace_name;
use crate::cli::{QueueArgs, QueueSort};
use crate::console::{age, until};

/// A lane, with what is known of it beside its depth.
struct Row {
    depth: LaneDepth,
    /// The latest event of its oldest delivery.
    latest: Option<Event>,
}

/// Shows lanes, or sites where those are asked for.
pub(super) async fn show(window: &Window<'_>, args: &QueueArgs) -> anyhow::Result<()> {
    if args.sites {
        return sites::show(window, args).await;
    }
    let list = &args.list;
    let filter = which::deliveries(window, &list.which)?;
    let mut depths = window.inspector.lanes(&filter).await?;
    let (count, total) = (depths.len(), depths.iter().map(|depth| depth.count).sum());
    sort(window, &mut depths, args.sort);
    depths.truncate(list.limit);
    let domains = depths.iter().map(|depth| &depth.lane.domain);
    let sites = Sites::of(window, domains).await;
    let mut lanes = Vec::with_capacity(depths.len());
    for depth in depths {
        let latest = window.inspector.latest(depth.oldest_delivery).await?;
        lanes.push(Row { depth, latest });
    }
    if list.output.json {
        let documents = lanes.iter().map(|lane| document(window, lane, &sites));
        let documents = Value::Array(documents.collect());
        window.console.say(documents.to_string());
        return Ok(());
    }
    if lanes.is_empty() {
        window.console.complain("nothing waits");
        return Ok(());
    }
    let rows: Vec<_> = lanes.iter().map(|lane| row(window, lane, &sites)).collect();
    let mut heading = vec!["WORKSPACE", "DOMAIN", "STATE", "COUNT", "OLDEST", "NEXT"];
    if sites.are_known() {
        heading.extend(["OPEN", "PAUSE"]);
    }
    heading.push("LAST REPLY");
    window.console.table(&heading, &rows);
    let summary = summary((count, total), lanes.len());
    window.console.complain(summary);
    Ok(())
}

fn sort(window: &Window<'_>, depths: &mut [LaneDepth], order: QueueSort) {
    match order {
        QueueSort::Count => depths.sort_by_key(|depth| Reverse(depth.count)),
        QueueSort::Oldest => depths.sort_by_key(|depth| depth.oldest),
        QueueSort::Next => depths.sort_by_key(|depth| depth.next_at),
        QueueSort::Name => depths.sort_by_cached_key(|depth| {
            let workspace = workspace_name(&window.directory, depth.lane.workspace);
            (workspace, depth.lane.domain.clone())
        }),
    }
}

fn summary((lanes, deliveries): (usize, u64), shown: usize) -> String {
    let more = match lanes - shown {
        0 => String::new(),
        hidden => format!("; and {hidden} more lanes, see --limit"),
    };
    format!("{deliveries} deliveries wait in {lanes} lanes{more}")
}

fn row(window: &Window<'_>, lane: &Row, sites: &Sites) -> Vec<String> {
    let Row { depth, latest } = lane;
    let mut row = vec![
        workspace_name(&window.directory, depth.lane.workspace),
        depth.lane.domain.to_string(),
        depth.state.to_string(),
        depth.count.to_string(),
        age(depth.oldest, window.now()),
        until(depth.next_at, window.now()),
    ];
    if sites.are_known() {
        row.extend(sites.cells(&depth.lane.domain));
    }
    row.push(reply(latest.as_ref()));
    row
}

fn document(window: &Window<'_>, lane: &Row, sites: &Sites) -> Value {
    let Row { depth, latest } = lane;
    json!({
        "workspace": workspace_name(&window.directory, depth.lane.workspace),
        "domain": depth.lane.domain.as_str(),
        "state": depth.state.name(),
        "count": depth.count,
        "oldestAcceptedAt": depth.oldest.to_string(),
        "oldestDeliveryId": depth.oldest_delivery.to_string(),
        "nextAttemptAt": depth.next_at.to_string(),
        "lastReply": last_reply(latest.as_ref()),
        "sites": sites.documents(&depth.lane.domain),
    })
}
