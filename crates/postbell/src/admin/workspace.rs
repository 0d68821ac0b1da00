//! `postbell workspace`.

use postbell_model::{Clock, ConfigurationSet, SendingLimits, Workspace};
use postbell_store::{NewConfigurationSet, Tenants};
use serde_json::{Value, json};

use super::desk::{self, Desk, check_name};
use super::{Output, limits};
use crate::cli::WorkspaceSet;

/// The configuration set that every workspace has.
const DEFAULT_SET: &str = "default";

pub(super) async fn add(
    desk: &Desk,
    name: &str,
    limits: SendingLimits,
    output: &Output,
) -> anyhow::Result<()> {
    let (tenants, clock) = (desk.tenants.as_ref(), desk.clock.as_ref());
    let (mut workspace, set) = make_workspace(tenants, clock, name).await?;
    if limits != SendingLimits::default() {
        let allowances = &desk.allowances;
        allowances
            .set_workspace_limits(workspace.id, limits)
            .await?;
        workspace.limits = limits;
    }
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
    let row = |w: &&Workspace| {
        let [rate, quota] = limits::cells(w.limits);
        vec![
            w.name.clone(),
            w.id.to_string(),
            w.created_at.to_string(),
            rate,
            quota,
        ]
    };
    let rows: Vec<_> = workspaces.iter().map(row).collect();
    let [rate, quota] = limits::HEADING;
    let heading = ["NAME", "ID", "CREATED", rate, quota];
    desk.tell_list(output, documents, &heading, &rows);
}

pub(super) async fn set(desk: &Desk, set: &WorkspaceSet) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &set.name)?;
    let limits = set.limits.over(workspace.limits);
    let allowances = &desk.allowances;
    allowances
        .set_workspace_limits(workspace.id, limits)
        .await?;
    let workspace = Workspace {
        limits,
        ..workspace.clone()
    };
    let sentence = format!(
        "workspace {} may hand in {}; a server that runs sees it within two seconds",
        workspace.name,
        limits::sentence(limits)
    );
    desk.tell(&set.output, &document(&workspace), &sentence);
    Ok(())
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
    let mut document = json!({
        "id": workspace.id.to_string(),
        "name": workspace.name,
        "createdAt": workspace.created_at.to_string(),
    });
    limits::document(&mut document, workspace.limits);
    document
}
