//! `postbell events`: the log, as far as it is about what was asked for.

use std::time::Duration;

use postbell_notify::{Format, preview};
use postbell_peers::timeline::{self, Look};
use postbell_peers::webhook::SignatureCheck;
use postbell_store::{EventFilter, From, Inspect, Logged};
use serde_json::Value;

use super::{Window, which};
use crate::admin::set_of;
use crate::cli::{Output, WhichEvents};

/// Events read at a time by `tail`.
const PAGE: usize = 500;
/// How long `tail` sleeps where there is nothing new.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn list(
    window: &Window<'_>,
    which: &WhichEvents,
    (since, limit): (Option<Duration>, usize),
    output: &Output,
) -> anyhow::Result<()> {
    let filter = EventFilter {
        since: since.map(|age| window.now().before(age)),
        ..which::events(window, which)?
    };
    let found = window
        .inspector
        .events(&filter, From::Newest, limit)
        .await?;
    if found.events.is_empty() && !output.json {
        window.console.complain("no such events");
    }
    for event in &found.events {
        say(window, event, output);
    }
    Ok(())
}

pub(super) async fn tail(
    window: &Window<'_>,
    which: &WhichEvents,
    output: &Output,
) -> anyhow::Result<()> {
    let filter = which::events(window, which)?;
    let newest = window.inspector.events(&filter, From::Newest, 1).await?;
    let mut after = newest.read_to;
    let ended = tokio::signal::ctrl_c();
    tokio::pin!(ended);
    loop {
        let found = window
            .inspector
            .events(&filter, From::After(after), PAGE)
            .await?;
        after = found.read_to;
        for event in &found.events {
            say(window, event, output);
        }
        if found.events.len() == PAGE {
            continue;
        }
        tokio::select! {
            _ = &mut ended => return Ok(()),
            () = window.clock.sleep(PAUSE) => {}
        }
    }
}

/// A line for people, or the document of the `postbell` format for machines.
fn say(window: &Window<'_>, event: &Logged, output: &Output) {
    let set = set_of(&window.directory, event);
    for document in preview(Format::Postbell, event, &set) {
        let json = String::from_utf8_lossy(&document.json);
        if output.json {
            window.console.say(json);
            continue;
        }
        let value: Value = serde_json::from_str(&json).unwrap_or_default();
        window.console.say(line(window, &value));
    }
}

/// The line for people about a document.
pub(super) fn line(window: &Window<'_>, document: &Value) -> String {
    let look = if window.console.is_coloured() {
        Look::Coloured
    } else {
        Look::Plain
    };
    timeline::line(document, SignatureCheck::Unchecked, look)
}
