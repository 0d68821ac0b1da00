//! `postbell workspace`.

use postbell_model::{Clock, ConfigurationSet, Workspace};
use postbell_store::{NewConfigurationSet, Tenants};
use serde_json::{Value, json};

use super::Output;
use super::desk::{Desk, check_name};

/// The configuration set that every workspace has.
const DEFAULT_SET: &str = "default";

pub(super) async fn add(desk: &Desk, name: &str, output: &Output) -> anyhow::Result<()> {
    let (workspace, set) = make_workspace(desk.tenants.as_ref(), desk.clock.as_ref(), name).await?;
    let sentence = format!(
        "made workspace {} ({}) with configuration set \"{}\"",
        workspace.name, workspace.id, set.name
    );
    desk.tell(output, &document(&workspace), &sentence);
    Ok(())
}

pub(super) fn list(desk: &Desk, output: &Output) {
    let directory = desk.directory();
    let workspaces = directory.workspaces();
    let documents = workspaces.iter().map(|w| document(w)).collect();
    let row = |w: &&Workspace| vec![w.name.clone(), w.id.to_string(), w.created_at.to_string()];
    let rows: Vec<_> = workspaces.iter().map(row).collect();
    desk.tell_list(output, documents, &["NAME", "ID", "CREATED"], &rows);
}

/// Makes a workspace with its configuration set.
pub(crate) async fn make_workspace(
    tenants: &dyn Tenants,
    clock: &dyn Clock,
    name: &str,
) -> anyhow::Result<(Workspace, ConfigurationSet)> {
    check_name(name)?;
    let workspace = tenants.create_workspace(name, clock.now()).await?;
    let set = NewConfigurationSet {
        workspace: workspace.id,
        name: DEFAULT_SET.to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
    };
    let set = tenants.create_configuration_set(set, clock.now()).await?;
    Ok((workspace, set))
}

fn document(workspace: &Workspace) -> Value {
    json!({
        "id": workspace.id.to_string(),
        "name": workspace.name,
        "createdAt": workspace.created_at.to_string(),
    })
}
