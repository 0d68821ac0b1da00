//! `postbell trace`: SMTP sessions of the running server as they happen.

use std::path::Path;

use anyhow::Context;
use postbell_api::control::CONTROL_SOCKET;
use postbell_net::control::{ControlError, ControlLines};
use serde_json::Value;

use crate::cli::{TraceArgs, TraceRole};
use crate::config::Config;
use crate::console::{Console, Style};

/// Shows what the server tells until it ends, nobody reads on, or a signal ends the program.
pub(crate) async fn run(args: &TraceArgs, config: &Config, console: Console) -> anyhow::Result<()> {
    let folder = args.data_dir.as_deref().unwrap_or(&config.server.data_dir);
    let socket = Path::new(folder).join(CONTROL_SOCKET);
    let mut lines = ControlLines::open(&socket, &target(args)).await?;
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            // A server that ends does not wait for who watches it.
            Ok(None) | Err(ControlError::Broken(_)) => break,
            Err(error) => return Err(error.into()),
        };
        let document: Value = serde_json::from_slice(&line).context("the server's answer")?;
        let told = if args.json {
            console.stream(document.to_string())
        } else {
            tell(&document, console)
        };
        if told.is_err() {
            return Ok(());
        }
    }
    console.complain("the server has ended");
    Ok(())
}

fn target(args: &TraceArgs) -> String {
    let mut parameters = Vec::new();
    parameters.extend(args.client_ip.map(|ip| format!("ip={ip}")));
    parameters.extend(
        args.domain
            .as_ref()
            .map(|domain| format!("domain={domain}")),
    );
    parameters.extend(args.role.map(|role| match role {
        TraceRole::Submission => "role=submission".to_owned(),
        TraceRole::Inbound => "role=inbound".to_owned(),
        TraceRole::Delivery => "role=delivery".to_owned(),
    }));
    parameters.extend(args.data.then(|| "data=true".to_owned()));
    format!("/v1/trace?{}", parameters.join("&"))
}

/// One line for people: `12:34:57.123 delivery 7 192.0.2.1 S: 250 ok`.
fn tell(document: &Value, console: Console) -> std::io::Result<()> {
    let text = |key: &str| document[key].as_str().unwrap_or_default();
    if document["watching"] == true {
        console.complain("watching; Ctrl-C ends it");
        return Ok(());
    }
    if let Some(lost @ 1..) = document["lostBefore"].as_u64() {
        console.stream(format!("({lost} lines were lost: there were too many)"))?;
    }
    let speaker = match text("from") {
        "client" => "C:",
        "server" => "S:",
        _ => "--",
    };
    let head = format!(
        "{} {} {} {}",
        time_of_day(text("at")),
        text("role"),
        document["session"],
        text("peer")
    );
    let head = console.styled(Style::Faint, &head);
    console.stream(format!("{head} {speaker} {}", text("text")))
}

/// `2026-05-03T12:34:57.123456Z` is `12:34:57.123`.
fn time_of_day(at: &str) -> &str {
    let time = at.split_once('T').map_or(at, |(_, time)| time);
    time.get(..12).unwrap_or(time)
}
