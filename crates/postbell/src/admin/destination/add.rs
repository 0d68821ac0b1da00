//! `postbell destination add`.

use postbell_model::{Destination, DestinationId, DestinationSettings, DestinationState};
use postbell_notify::signature;
use postbell_store::Directory;
use serde_json::json;

use super::{secret, settings, show};
use crate::admin::desk::{self, Desk};
use crate::cli::DestinationAdd;

pub(super) async fn add(desk: &Desk, add: &DestinationAdd) -> anyhow::Result<()> {
    desk::check_name(&add.name)?;
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.workspace)?;
    let set = if add.whole_workspace {
        None
    } else {
        Some(desk::configuration_set(&directory, workspace, &add.config_set)?.id)
    };
    let chosen = secret::chosen(add.secret.as_deref(), add.secret_file.as_deref())?;
    let secret = match &chosen {
        Some(secret) => secret.clone(),
        None => signature::new_secret()?,
    };
    let now = desk.clock.now();
    let destination = Destination {
        id: DestinationId::new(now),
        workspace: workspace.id,
        configuration_set: set,
        name: add.name.clone(),
        url: add.url.clone(),
        secret: signature::parse_secret(&secret)?,
        previous_secret: None,
        matching_event_types: add.events.clone(),
        format: add.format.clone(),
        settings: settings::changed(DestinationSettings::default(), &add.settings)?,
        replays: 0,
        state: DestinationState::Active,
        created_at: now,
    };
    postbell_notify::check(&destination)?;
    desk.tenants.create_destination(destination.clone()).await?;
    let shown = chosen.is_none().then_some(secret.as_str());
    tell_made(desk, add, (&directory, &destination), shown);
    Ok(())
}

/// The secret is told here and never again, and only where nobody chose it.
fn tell_made(
    desk: &Desk,
    add: &DestinationAdd,
    (directory, destination): (&Directory, &Destination),
    secret: Option<&str>,
) {
    let mut document = show::document(directory, destination);
    let mut sentence = format!(
        "made destination {} ({}): {} to {}",
        destination.name,
        destination.id,
        show::events(destination),
        destination.url
    );
    if let Some(secret) = secret {
        document["secret"] = json!(secret);
        sentence.push_str(&format!(
            "\nsecret, shown this once: {secret}\n\
             verify with any Standard Webhooks library"
        ));
    }
    desk.tell(&add.output, &document, &sentence);
}
