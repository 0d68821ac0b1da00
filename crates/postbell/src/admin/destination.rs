//! `postbell destination`.

use postbell_model::{Destination, DestinationId, DestinationState};
use postbell_notify::signature;
use postbell_store::Directory;
use serde_json::{Value, json};

use super::InWorkspace;
use super::desk::{self, Desk};
use crate::cli::DestinationAdd;

pub(super) async fn add(desk: &Desk, add: &DestinationAdd) -> anyhow::Result<()> {
    desk::check_name(&add.name)?;
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &add.workspace)?;
    let set = desk::configuration_set(&directory, workspace, &add.config_set)?;
    let secret = match &add.secret {
        Some(secret) => secret.clone(),
        None => signature::new_secret()?,
    };
    let now = desk.clock.now();
    let destination = Destination {
        id: DestinationId::new(now),
        workspace: workspace.id,
        configuration_set: set.id,
        name: add.name.clone(),
        url: add.url.clone(),
        secret: signature::parse_secret(&secret)?,
        matching_event_types: add.events.clone(),
        format: add.format.clone(),
        state: DestinationState::Active,
        created_at: now,
    };
    postbell_notify::check(&destination)?;
    desk.tenants.create_destination(destination.clone()).await?;
    tell_made(desk, add, &directory, &destination, &secret);
    Ok(())
}

/// The secret is told here and never again, and only where nobody chose it.
fn tell_made(
    desk: &Desk,
    add: &DestinationAdd,
    directory: &Directory,
    destination: &Destination,
    secret: &str,
) {
    let mut document = document(directory, destination);
    let mut sentence = format!(
        "made destination {} ({}): {} to {}",
        destination.name,
        destination.id,
        events(destination),
        destination.url
    );
    if add.secret.is_none() {
        document["secret"] = json!(secret);
        sentence.push_str(&format!(
            "\nsecret, shown this once: {secret}\n\
             verify with any Standard Webhooks library"
        ));
    }
    desk.tell(&add.output, &document, &sentence);
}

pub(super) fn list(desk: &Desk, list: &InWorkspace) -> anyhow::Result<()> {
    let directory = desk.directory();
    let wanted: Vec<_> = desk::workspaces(&directory, list)?
        .iter()
        .map(|workspace| workspace.id)
        .collect();
    let all = directory.destinations().iter();
    let shown: Vec<_> = all.filter(|d| wanted.contains(&d.workspace)).collect();
    let documents = shown.iter().map(|d| document(&directory, d)).collect();
    let rows: Vec<_> = shown.iter().map(|d| row(&directory, d)).collect();
    let heading = [
        "NAME",
        "WORKSPACE",
        "CONFIGURATION SET",
        "STATE",
        "FORMAT",
        "EVENTS",
        "URL",
    ];
    desk.tell_list(&list.output, documents, &heading, &rows);
    Ok(())
}

fn document(directory: &Directory, destination: &Destination) -> Value {
    json!({
        "id": destination.id.to_string(),
        "name": destination.name,
        "workspace": desk::workspace_name(directory, destination.workspace),
        "configurationSet": desk::set_name(directory, destination.configuration_set),
        "url": destination.url,
        "format": destination.format,
        "matchingEventTypes": destination.matching_event_types,
        "state": state(destination.state),
        "createdAt": destination.created_at.to_string(),
    })
}

fn row(directory: &Directory, destination: &Destination) -> Vec<String> {
    vec![
        destination.name.clone(),
        desk::workspace_name(directory, destination.workspace),
        desk::set_name(directory, destination.configuration_set),
        state(destination.state).to_owned(),
        destination.format.clone(),
        events(destination),
        destination.url.clone(),
    ]
}

fn events(destination: &Destination) -> String {
    if destination.matching_event_types.is_empty() {
        return "all".to_owned();
    }
    destination.matching_event_types.join(",")
}

fn state(state: DestinationState) -> &'static str {
    match state {
        DestinationState::Active => "active",
        DestinationState::Disabled => "disabled",
    }
}
