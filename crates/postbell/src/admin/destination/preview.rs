//! `postbell destination preview`: an event, or a made-up one, as a format tells it.

use anyhow::{Context, bail};
use postbell_model::{EventId, EventKind};
use postbell_notify::{Format, Matching, preview, sample};
use postbell_store::{Inspect, SqliteInspector};
use serde_json::Value;

use crate::admin::desk::{self, Desk};
use crate::cli::Output;

pub(super) async fn of_event(
    desk: &Desk,
    event: &str,
    format: Format,
    output: &Output,
) -> anyhow::Result<()> {
    let id: EventId = event
        .parse()
        .with_context(|| format!("\"{}\" is no event", event.escape_debug()))?;
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

/// Those of all kinds that a name means, for those who write a consumer.
pub(super) fn made_up(
    desk: &Desk,
    name: &str,
    format: Format,
    output: &Output,
) -> anyhow::Result<()> {
    let matching = Matching::parse(&[name])?;
    let kinds = EventKind::ALL.iter();
    let kinds = kinds.filter(|kind| matching.matches(**kind));
    let samples: Vec<_> = kinds.filter_map(|kind| sample(format, *kind)).collect();
    if samples.is_empty() {
        bail!(
            "{format} has no word for \"{}\" in this version",
            name.escape_debug()
        );
    }
    for document in samples {
        if output.json {
            let value: Value = serde_json::from_str(document)?;
            desk.console.say(value.to_string());
        } else {
            desk.console.say(document.trim_end());
        }
    }
    Ok(())
}
