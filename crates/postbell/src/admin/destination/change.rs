//! `postbell destination update` and `remove`.

use anyhow::bail;
use postbell_model::{Destination, DestinationState};
use postbell_store::DestinationChange;
use serde_json::json;

use super::{find, settings, show};
use crate::admin::desk::Desk;
use crate::cli::{DestinationUpdate, Output, WhichDestination};

pub(super) async fn update(desk: &Desk, update: &DestinationUpdate) -> anyhow::Result<()> {
    let directory = desk.directory();
    let before = find(&directory, &update.which)?;
    let change = change(before, update)?;
    if change == DestinationChange::default() {
        bail!("say what to change: --url, --events, --state, …; see --help");
    }
    postbell_notify::check(&changed(before.clone(), &change))?;
    let back = before.state == DestinationState::Disabled
        && change.state == Some(DestinationState::Active);
    desk.webhooks.change_destination(before.id, change).await?;
    let directory = desk.directory();
    let destination = find(&directory, &update.which)?;
    let mut sentence = format!(
        "changed {}; a server that runs sees it within two seconds",
        destination.name
    );
    if back {
        sentence.push_str("; it hears all that it missed");
    }
    let document = show::document(&directory, destination);
    desk.tell(&update.output, &document, &sentence);
    Ok(())
}

fn change(before: &Destination, update: &DestinationUpdate) -> anyhow::Result<DestinationChange> {
    let settings = if settings::is_given(&update.settings) {
        Some(settings::changed(
            before.settings.clone(),
            &update.settings,
        )?)
    } else {
        None
    };
    Ok(DestinationChange {
        url: update.url.clone(),
        matching_event_types: update.events.clone(),
        format: update.format.clone(),
        settings,
        state: update.state.map(settings::state),
    })
}

fn changed(mut destination: Destination, change: &DestinationChange) -> Destination {
    let change = change.clone();
    destination.url = change.url.unwrap_or(destination.url);
    destination.matching_event_types = change
        .matching_event_types
        .unwrap_or(destination.matching_event_types);
    destination.format = change.format.unwrap_or(destination.format);
    destination.settings = change.settings.unwrap_or(destination.settings);
    destination
}

pub(super) async fn remove(
    desk: &Desk,
    which: &WhichDestination,
    (yes, output): (bool, &Output),
) -> anyhow::Result<()> {
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let backlog = desk.webhooks.backlog(destination.id).await?;
    let sentence = if yes {
        desk.webhooks.remove_destination(destination.id).await?;
        format!("removed {}", destination.name)
    } else {
        format!(
            "{} would be removed, with {} calls that are due again and {} that were given up; \
             say --yes to do it",
            destination.name, backlog.retries, backlog.dead
        )
    };
    let document = json!({
        "done": yes,
        "id": destination.id.to_string(),
        "retries": backlog.retries,
        "dead": backlog.dead,
    });
    desk.tell(output, &document, &sentence);
    Ok(())
}
