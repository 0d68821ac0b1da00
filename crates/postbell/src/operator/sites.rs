//! How the running server stands with mail hosts, as far as it has sent there lately.

use std::collections::BTreeSet;

use anyhow::Context;
use postbell_api::control::CONTROL_SOCKET;
use postbell_model::Domain;
use postbell_net::control::{self, ControlError};
use serde_json::Value;

use super::{Window, which};
use crate::cli::{QueueArgs, QueueSort};

/// Domains that are asked for at a time.
const ASKED: usize = 200;

/// The sites of some domains, as the server tells them; `None`: no server runs.
pub(super) struct Sites(Option<Vec<Value>>);

impl Sites {
    /// Asks for those of these domains. Where the server does not answer it is said, and the queue
    /// is shown without them.
    pub(super) async fn of<'d>(
        window: &Window<'_>,
        domains: impl Iterator<Item = &'d Domain>,
    ) -> Self {
        let domains: BTreeSet<_> = domains.map(Domain::as_str).collect();
        let domains: Vec<_> = domains.into_iter().collect();
        let mut known = Vec::new();
        for some in domains.chunks(ASKED) {
            match ask(window, some).await {
                Ok(sites) => known.extend(sites),
                Err(ControlError::NoServer { .. }) => return Self(None),
                Err(error) => {
                    let why = format!("of connections nothing is known: {error}");
                    window.console.complain(why);
                    return Self(None);
                }
            }
        }
        Self(Some(known))
    }

    /// Whether a server has answered.
    pub(super) const fn are_known(&self) -> bool {
        self.0.is_some()
    }

    /// Those of a domain: several, where mail leaves in several ways.
    fn of_domain<'s>(&'s self, domain: &'s Domain) -> impl Iterator<Item = &'s Value> {
        let goes_there = |site: &&Value| {
            let domains = site["domains"].as_array().into_iter().flatten();
            domains.into_iter().any(|one| one == domain.as_str())
        };
        self.0.iter().flatten().filter(goes_there)
    }

    /// Connections of the most that there may be, and the pause of a domain's sites.
    pub(super) fn cells(&self, domain: &Domain) -> [String; 2] {
        let sum = |key| {
            self.of_domain(domain)
                .map(|site| number(site, key))
                .sum::<u64>()
        };
        let (open, most) = (sum("connections"), sum("maxConnections"));
        let open = if most == 0 {
            "-".to_owned()
        } else {
            format!("{open}/{most}")
        };
        let pauses = self.of_domain(domain).filter_map(paused);
        let longest = pauses.max_by(f64::total_cmp);
        [open, longest.map_or_else(|| "-".to_owned(), seconds)]
    }

    /// The documents of a domain's sites; null, where no server runs.
    pub(super) fn documents(&self, domain: &Domain) -> Value {
        if !self.are_known() {
            return Value::Null;
        }
        Value::Array(self.of_domain(domain).cloned().collect())
    }
}

/// `postbell queue --sites`
pub(super) async fn show(window: &Window<'_>, args: &QueueArgs) -> anyhow::Result<()> {
    let filter = which::deliveries(window, &args.list.which)?;
    let domain = filter.domain.as_ref().map(Domain::as_str);
    let mut sites = ask(window, domain.as_slice())
        .await
        .context("how it stands with mail hosts a running server knows alone")?;
    sort(&mut sites, args.sort);
    let count = sites.len();
    sites.truncate(args.list.limit);
    if args.list.output.json {
        window.console.say(Value::Array(sites).to_string());
        return Ok(());
    }
    if sites.is_empty() {
        window
            .console
            .complain("the running server has sent nothing there lately");
        return Ok(());
    }
    let heading = [
        "HOSTS",
        "OPEN",
        "IDLE",
        "TRUSTED",
        "WAITING",
        "RATE",
        "PAUSE",
        "LAST REPLY",
    ];
    let rows: Vec<_> = sites.iter().map(row).collect();
    window.console.table(&heading, &rows);
    if count > sites.len() {
        let more = count - sites.len();
        window
            .console
            .complain(format!("and {more} more sites, see --limit"));
    }
    Ok(())
}

async fn ask(window: &Window<'_>, domains: &[&str]) -> Result<Vec<Value>, ControlError> {
    let socket = window.config.server.data_dir.join(CONTROL_SOCKET);
    let asked: Vec<_> = domains
        .iter()
        .map(|domain| format!("domain={domain}"))
        .collect();
    let answer = control::ask(&socket, &format!("/v1/sites?{}", asked.join("&"))).await?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

fn sort(sites: &mut [Value], order: QueueSort) {
    let hosts = |site: &Value| site["hosts"].to_string();
    sites.sort_by(|a, b| {
        let by_order = match order {
            QueueSort::Count => number(b, "waiting").cmp(&number(a, "waiting")),
            QueueSort::Oldest => {
                let pause = |site| paused(site).unwrap_or_default();
                pause(b).total_cmp(&pause(a))
            }
            QueueSort::Next => {
                let pause = |site| paused(site).unwrap_or_default();
                pause(a).total_cmp(&pause(b))
            }
            QueueSort::Name => std::cmp::Ordering::Equal,
        };
        by_order.then_with(|| hosts(a).cmp(&hosts(b)))
    });
}

fn row(site: &Value) -> Vec<String> {
    let hosts = site["hosts"].as_array().into_iter().flatten();
    let hosts: Vec<_> = hosts.filter_map(Value::as_str).collect();
    let replies = site["replies"]
        .as_array()
        .and_then(|replies| replies.last());
    vec![
        hosts.join(", "),
        format!(
            "{}/{}",
            number(site, "connections"),
            number(site, "maxConnections")
        ),
        number(site, "idle").to_string(),
        number(site, "window").to_string(),
        number(site, "waiting").to_string(),
        site["rate"].as_str().unwrap_or("-").to_owned(),
        paused(site).map_or_else(|| "-".to_owned(), seconds),
        replies.map_or_else(|| "-".to_owned(), said),
    ]
}

fn said(reply: &Value) -> String {
    let text = |key: &str| reply[key].as_str().unwrap_or_default();
    let code = reply["code"].to_string();
    let words = [&*code, text("enhanced"), text("text")];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").escape_debug().to_string()
}

fn number(site: &Value, key: &str) -> u64 {
    site[key].as_u64().unwrap_or_default()
}

fn paused(site: &Value) -> Option<f64> {
    site["pausedForSeconds"].as_f64()
}

fn seconds(left: f64) -> String {
    format!("{left:.0}s")
}
