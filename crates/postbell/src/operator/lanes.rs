//! `postbell queue`: what waits, by workspace and domain, and how the running server stands with
//! their mail hosts.

use std::cmp::Reverse;

use postbell_model::{DeliveryId, Event};
use postbell_store::{DeliveryFilter, Inspect, LaneDepth};
use serde_json::{Value, json};

use super::queue::{last_reply, reply};
use super::sites::{self, Sites};
use super::{Window, pauses, which};
use crate::admin::workspace_name;
use crate::cli::{QueueArgs, QueueSort};
use crate::console::{age, until};

/// A lane, with what is known of it beside its depth.
struct Row {
    depth: LaneDepth,
    /// Its oldest delivery; `None`: it has gone meanwhile.
    oldest: Option<DeliveryId>,
    /// The latest event of that.
    latest: Option<Event>,
}

/// Shows lanes, or sites where those are asked for.
pub(super) async fn show(window: &Window<'_>, args: &QueueArgs) -> anyhow::Result<()> {
    if args.sites {
        return sites::show(window, args).await;
    }
    let list = &args.list;
    let filter = which::deliveries(window, &list.which)?;
    let depths = window.inspector.lanes(&filter).await?;
    let (count, total) = (depths.len(), depths.iter().map(|depth| depth.count).sum());
    let lanes = rows(window, (&filter, args), depths).await?;
    let domains = lanes.iter().map(|lane| &lane.depth.lane.domain);
    let sites = Sites::of(window, domains).await;
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
    let workspaces = lanes.iter().map(|lane| lane.depth.lane.workspace);
    pauses::tell(
        window,
        pauses::of_workspaces(window, workspaces).into_iter(),
    );
    let summary = summary((count, total), lanes.len());
    window.console.complain(summary);
    Ok(())
}

/// The lanes that are shown, in their order. The oldest deliveries are looked up for these alone,
/// but where the order needs them.
async fn rows(
    window: &Window<'_>,
    (filter, args): (&DeliveryFilter, &QueueArgs),
    mut depths: Vec<LaneDepth>,
) -> anyhow::Result<Vec<Row>> {
    let limit = args.list.limit;
    match args.sort {
        QueueSort::Count => depths.sort_by_key(|depth| Reverse(depth.count)),
        QueueSort::Next => depths.sort_by_key(|depth| depth.next_at),
        QueueSort::Name => depths.sort_by_cached_key(|depth| {
            let workspace = workspace_name(&window.directory, depth.lane.workspace);
            (workspace, depth.lane.domain.clone())
        }),
        QueueSort::Oldest => {}
    }
    if args.sort != QueueSort::Oldest {
        depths.truncate(limit);
    }
    let mut rows = Vec::with_capacity(depths.len());
    for depth in depths {
        let oldest = window.inspector.oldest(filter, &depth).await?;
        rows.push(Row {
            depth,
            oldest,
            latest: None,
        });
    }
    if args.sort == QueueSort::Oldest {
        rows.sort_by_key(|row| (row.oldest.is_none(), row.oldest));
        rows.truncate(limit);
    }
    for row in &mut rows {
        if let Some(oldest) = row.oldest {
            row.latest = window.inspector.latest(oldest).await?;
        }
    }
    Ok(rows)
}

fn summary((lanes, deliveries): (usize, u64), shown: usize) -> String {
    let more = match lanes - shown {
        0 => String::new(),
        hidden => format!("; and {hidden} more lanes, see --limit"),
    };
    format!("{deliveries} deliveries wait in {lanes} lanes{more}")
}

fn row(window: &Window<'_>, lane: &Row, sites: &Sites) -> Vec<String> {
    let depth = &lane.depth;
    let oldest = lane
        .oldest
        .map(|oldest| age(oldest.made_at(), window.now()));
    let mut row = vec![
        workspace_name(&window.directory, depth.lane.workspace),
        depth.lane.domain.to_string(),
        depth.state.to_string(),
        depth.count.to_string(),
        oldest.unwrap_or_else(|| "-".to_owned()),
        match pauses::of_lane(window, depth) {
            Some(_) => pauses::WHEN_RESUMED.to_owned(),
            None => until(depth.next_at, window.now()),
        },
    ];
    if sites.are_known() {
        row.extend(sites.cells(&depth.lane.domain));
    }
    row.push(reply(lane.latest.as_ref()));
    row
}

fn document(window: &Window<'_>, lane: &Row, sites: &Sites) -> Value {
    let depth = &lane.depth;
    json!({
        "workspace": workspace_name(&window.directory, depth.lane.workspace),
        "domain": depth.lane.domain.as_str(),
        "state": depth.state.name(),
        "count": depth.count,
        "oldestAcceptedAt": lane.oldest.map(|oldest| oldest.made_at().to_string()),
        "oldestDeliveryId": lane.oldest.map(|oldest| oldest.to_string()),
        "nextAttemptAt": depth.next_at.to_string(),
        "paused": pauses::document(window, pauses::of_lane(window, depth)),
        "lastReply": last_reply(lane.latest.as_ref()),
        "sites": sites.documents(&depth.lane.domain),
    })
}
