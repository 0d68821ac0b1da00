//! `postbell workspace show`: what it has, what waits, whether it is sent.

use postbell_model::{Sender, Workspace};
use postbell_store::{DeliveryFilter, Directory};
use serde_json::{Value, json};

use super::document;
use crate::admin::desk::{self, Desk};
use crate::admin::{limits, sending, waiting};
use crate::cli::WorkspaceNamed;
use crate::console::Style;

pub(super) async fn show(desk: &Desk, named: &WorkspaceNamed) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &named.name)?;
    let filter = DeliveryFilter {
        workspace: Some(workspace.id),
        ..DeliveryFilter::default()
    };
    let waits = waiting::count(desk, &filter).await?;
    let has = Has::of(&directory, workspace);
    let mut document = document(&directory, workspace);
    document["domains"] = list(&has.domains);
    document["configurationSets"] = list(&has.sets);
    document["destinations"] = list(&has.destinations);
    document["credentials"] = list(&has.credentials);
    document["apiKeys"] = list(&has.api_keys);
    document["waiting"] = json!(waits);
    let mut lines = lines(desk, (&directory, workspace), &has, waits);
    let sender = Sender::Workspace(workspace.id);
    if let Some(used) = sending::used_today(desk, (workspace.id, &sender)).await? {
        document["sending"]["usedToday"] = json!(used);
        lines.insert(2, format!("  sent today     {}", waiting::recipients(used)));
    }
    desk.tell(&named.output, &document, &lines.join("\n"));
    Ok(())
}

/// The names of what a workspace has.
struct Has<'d> {
    domains: Vec<&'d str>,
    sets: Vec<&'d str>,
    destinations: Vec<&'d str>,
    /// Those in use.
    credentials: Vec<&'d str>,
    api_keys: Vec<&'d str>,
}

impl<'d> Has<'d> {
    fn of(directory: &'d Directory, workspace: &Workspace) -> Self {
        let id = workspace.id;
        let domains = directory.domains_of(id).into_iter();
        let sets = directory.configuration_sets_of(id).into_iter();
        let destinations = directory.destinations().iter();
        let credentials = directory.credentials_of(id).into_iter();
        let api_keys = directory.api_keys_of(id).into_iter();
        Self {
            domains: domains.map(|domain| domain.name.as_str()).collect(),
            sets: sets.map(|set| set.name.as_str()).collect(),
            destinations: destinations
                .filter(|destination| destination.workspace == id)
                .map(|destination| destination.name.as_str())
                .collect(),
            credentials: credentials
                .filter(|credential| credential.revoked_at.is_none())
                .map(|credential| credential.username.as_str())
                .collect(),
            api_keys: api_keys.map(|key| key.name.as_str()).collect(),
        }
    }
}

fn list(names: &[&str]) -> Value {
    json!(names)
}

fn lines(
    desk: &Desk,
    (directory, workspace): (&Directory, &Workspace),
    has: &Has<'_>,
    waits: u64,
) -> Vec<String> {
    let sending = directory.sending(&Sender::Workspace(workspace.id));
    let title = format!("{} ({})", workspace.name, workspace.id);
    let named = |names: &[&str]| desk::listed(names.iter().copied());
    vec![
        desk.console.styled(Style::Strong, &title),
        format!("  sending        {}", sending::told(sending)),
        format!("  may hand in    {}", limits::sentence(workspace.limits)),
        format!("  waiting        {}", waiting::deliveries(waits)),
        format!("  domains        {}", named(&has.domains)),
        format!("  sets           {}", named(&has.sets)),
        format!("  destinations   {}", named(&has.destinations)),
        format!("  credentials    {}", named(&has.credentials)),
        format!("  API keys       {}", named(&has.api_keys)),
        format!("  created        {}", workspace.created_at),
    ]
}
