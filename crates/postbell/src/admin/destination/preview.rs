//! `postbell destination preview`: an event as a format tells it.

use anyhow::{Context, bail};
use postbell_model::EventId;
use postbell_notify::{Format, preview};
use postbell_store::{Inspect, SqliteInspector};
use serde_json::Value;

use crate::admin::desk::{self, Desk};
use crate::cli::Output;

pub(super) async fn run(
    desk: &Desk,
    event: &str,
    format: &str,
    output: &Output,
) -> anyhow::Result<()> {
    let id: EventId = event
        .parse()
        .with_context(|| format!("\"{}\" is no event", event.escape_debug()))?;
    let format: Format = format.parse()?;
    let inspector = SqliteInspector::open(&desk.config.server.data_dir).await?;
    let found = inspector.event(id).await;
    inspector.close().await;
    let Some(event) = found? else {
        bail!("there is no event {id}");
    };
    let set = desk::set_of(&desk.directory(), &event);
    for document in preview(format, &event, &set) {
        if output.json {
            desk.console.say(String::from_utf8_lossy(&document.json));
        } else {
            let value: Value = serde_json::from_slice(&document.json)?;
            desk.console.say(format!("{value:#}"));
        }
    }
    Ok(())
}
