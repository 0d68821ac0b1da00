//! How a domain's mail fares now: what is queued, from the data folder; how its sites stand and what
//! they said last, from the server that runs on it.

use std::path::Path;

use postbell_api::control::CONTROL_SOCKET;
use postbell_model::Domain;
use postbell_net::control::{self, ControlError};
use postbell_store::{DeliveryFilter, Inspect, LaneDepth, SqliteInspector, SqliteTenants, Tenants};
use serde_json::{Value, json};

/// What is known beside the DNS.
#[derive(Debug)]
pub(super) struct Present {
    /// The lanes with the names of their workspaces, or why they can't be read.
    lanes: Result<Vec<(String, LaneDepth)>, String>,
    /// The sites as the running server tells them.
    sites: Result<Value, ControlError>,
}

impl Present {
    /// Looks at the data folder and asks the server that runs on it.
    pub(super) async fn look(folder: &Path, domain: &Domain) -> Self {
        let socket = folder.join(CONTROL_SOCKET);
        let target = format!("/v1/sites?domain={domain}");
        let answer = control::ask(&socket, &target).await;
        Self {
            lanes: lanes(folder, domain).await,
            sites: answer.map(|octets| serde_json::from_slice(&octets).unwrap_or_default()),
        }
    }

    pub(super) fn add_to(&self, document: &mut Value) {
        let lane = |(workspace, lane): &(String, LaneDepth)| {
            json!({
                "workspace": workspace,
                "state": lane.state.name(),
                "deliveries": lane.count,
                "nextAt": lane.next_at.to_string(),
            })
        };
        let lanes = self.lanes.as_ref().ok();
        document["queued"] = json!(lanes.map(|lanes| lanes.iter().map(lane).collect::<Vec<_>>()));
        document["server"] = match &self.sites {
            Ok(sites) => json!({"running": true, "sites": sites}),
            Err(error) => json!({"running": false, "error": error.to_string()}),
        };
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(self.lane_lines());
        match &self.sites {
            Err(error) => lines.push(format!("Of connections nothing is known: {error}")),
            Ok(sites) => match sites.as_array().map(Vec::as_slice) {
                None | Some([]) => {
                    lines.push("The running server has sent nothing there lately.".to_owned());
                }
                Some(sites) => lines.extend(sites.iter().flat_map(site_lines)),
            },
        }
        lines
    }

    fn lane_lines(&self) -> Vec<String> {
        let lanes = match &self.lanes {
            Ok(lanes) => lanes,
            Err(why) => return vec![format!("Of what is queued nothing is known: {why}")],
        };
        if lanes.is_empty() {
            return vec!["Nothing is queued for it.".to_owned()];
        }
        let line = |(workspace, lane): &(String, LaneDepth)| {
            let (state, count, next) = (lane.state.name(), lane.count, lane.next_at);
            format!("Of {workspace}: {count} deliveries {state}, the next is due {next}")
        };
        lanes.iter().map(line).collect()
    }
}

async fn lanes(folder: &Path, domain: &Domain) -> Result<Vec<(String, LaneDepth)>, String> {
    if !folder.exists() {
        return Err(format!("there is no data folder {}", folder.display()));
    }
    let opened = SqliteTenants::open(folder).await;
    let tenants = opened.map_err(|error| error.to_string())?;
    let directory = tenants.directory();
    tenants.close().await;
    let opened = SqliteInspector::open(folder).await;
    let inspector = opened.map_err(|error| error.to_string())?;
    let wanted = DeliveryFilter {
        domain: Some(domain.clone()),
        ..DeliveryFilter::default()
    };
    let queued = inspector.lanes(&wanted).await;
    inspector.close().await;
    let named = |lane: LaneDepth| {
        let id = lane.lane.workspace;
        let workspaces = directory.workspaces();
        let workspace = workspaces.iter().find(|one| one.id == id);
        let name = workspace.map_or_else(|| id.to_string(), |w| w.name.clone());
        (name, lane)
    };
    let lanes = queued.map_err(|error| error.to_string())?;
    Ok(lanes.into_iter().map(named).collect())
}

fn site_lines(site: &Value) -> Vec<String> {
    let number = |key: &str| site[key].as_u64().unwrap_or_default();
    let words = |key: &str| -> Vec<&str> {
        let list = site[key].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    };
    let mut lines = vec![format!("Site {}:", words("hosts").join(", "))];
    let sources = words("sourceAddresses");
    if !sources.is_empty() {
        lines.push(format!("  dialled from {}", sources.join(" and ")));
    }
    lines.extend(site["ehloName"].as_str().map(|name| format!("  as {name}")));
    lines.push(format!(
        "  {} connections open ({} opening, {} idle), trusted with {}; {} deliveries wait in memory",
        number("connections"),
        number("opening"),
        number("idle"),
        number("window"),
        number("waiting"),
    ));
    let seconds = |key: &str| site[key].as_f64();
    lines.extend(
        seconds("pausedForSeconds").map(|left| {
            format!("  left alone for {left:.0} s more, since no host could be reached")
        }),
    );
    lines.extend(
        seconds("heldForSeconds").map(|left| format!("  its rate holds mail back for {left:.1} s")),
    );
    let replies = site["replies"].as_array();
    let replies = replies.map(Vec::as_slice).unwrap_or_default();
    if !replies.is_empty() {
        lines.push("  said last:".to_owned());
    }
    lines.extend(replies.iter().map(reply_line));
    lines
}

fn reply_line(reply: &Value) -> String {
    let text = |key: &str| reply[key].as_str().unwrap_or_default();
    let ours = if reply["fromHost"] == true {
        ""
    } else {
        " (not the host's words)"
    };
    let words = [
        reply["code"].to_string(),
        text("enhanced").to_owned(),
        text("text").to_owned(),
    ];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!(
        "    {}  {} {}  {}: {}{ours}",
        text("at"),
        text("host"),
        text("ip"),
        text("phase"),
        words.join(" ").replace('\n', " / "),
    )
}
