//! `postbell workspace`.

mod reputation;
mod show;

use anyhow::bail;
use postbell_model::tracking::SetTracking;
use postbell_model::{Clock, ConfigurationSet, Sender, SendingLimits, Workspace, WorkspaceId};
use postbell_store::{Directory, NewConfigurationSet, Removal, Tenants};
use serde_json::{Value, json};

use super::desk::{self, Desk, check_name};
use super::sending::{self, Whose};
use super::{Output, limits};
use crate::cli::{WorkspaceCommand, WorkspaceUpdate};

/// The configuration set that every workspace has.
pub(super) const DEFAULT_SET: &str = "default";

pub(super) async fn run(desk: &Desk, command: &WorkspaceCommand) -> anyhow::Result<()> {
    match command {
        WorkspaceCommand::Add {
            name,
            limits,
            output,
        } => add(desk, name, limits.wanted(), output).await,
        WorkspaceCommand::List { output } => {
            list(desk, output);
            Ok(())
        }
        WorkspaceCommand::Show(named) => show::show(desk, named).await,
        WorkspaceCommand::Update(wanted) => update(desk, wanted).await,
        WorkspaceCommand::Pause {
            name,
            pause,
            output,
        } => {
            let whose = Whose::workspace(&desk.directory(), name)?;
            sending::pause(desk, &whose, pause, output).await
        }
        WorkspaceCommand::Sandbox {
            name,
            sandbox,
            output,
        } => {
            let whose = Whose::workspace(&desk.directory(), name)?;
            sending::enter_sandbox(desk, &whose, sandbox, output).await
        }
        WorkspaceCommand::Reputation(named) => reputation::show(desk, named).await,
        WorkspaceCommand::Resume(named) => {
            let whose = Whose::workspace(&desk.directory(), &named.name)?;
            sending::resume(desk, &whose, &named.output).await
        }
        WorkspaceCommand::Remove { name, yes, output } => remove(desk, name, (*yes, output)).await,
    }
}

async fn add(
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
    desk.tell(output, &document(&desk.directory(), &workspace), &sentence);
    Ok(())
}

fn list(desk: &Desk, output: &Output) {
    let directory = desk.directory();
    let workspaces = directory.workspaces();
    let documents = workspaces.iter().map(|w| document(&directory, w)).collect();
    let row = |w: &&Workspace| {
        let [rate, quota] = limits::cells(w.limits);
        vec![
            w.name.clone(),
            w.id.to_string(),
            w.created_at.to_string(),
            rate,
            quota,
            directory
                .sending(&Sender::Workspace(w.id))
                .name()
                .to_owned(),
        ]
    };
    let rows: Vec<_> = workspaces.iter().map(row).collect();
    let [rate, quota] = limits::HEADING;
    let heading = ["NAME", "ID", "CREATED", rate, quota, "SENDING"];
    desk.tell_list(output, documents, &heading, &rows);
}

async fn update(desk: &Desk, update: &WorkspaceUpdate) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, &update.name)?;
    let limits = update.limits.over(workspace.limits);
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
    desk.tell(&update.output, &document(&directory, &workspace), &sentence);
    Ok(())
}

async fn remove(desk: &Desk, name: &str, (yes, output): (bool, &Output)) -> anyhow::Result<()> {
    let directory = desk.directory();
    let workspace = desk::workspace(&directory, name)?;
    let trusted = &desk.config.submission.trusted;
    if let Some(at) = trusted.iter().position(|entry| entry.workspace == name) {
        bail!(
            "workspace \"{name}\" can't be removed: submission.trusted[{at}] of the configuration \
             names it, and a server would not start"
        );
    }
    let removal = if yes {
        Removal::At(desk.clock.now())
    } else {
        Removal::Check
    };
    let goes = goes_with(&directory, workspace.id);
    desk.removals
        .remove_workspace(workspace.id, removal)
        .await?;
    let sentence = if yes {
        format!("removed workspace {name}, with {goes}")
    } else {
        format!("workspace {name} would be removed, with {goes}; say --yes to do it")
    };
    let mut document = document(&directory, workspace);
    document["done"] = json!(yes);
    desk.tell(output, &document, &sentence);
    Ok(())
}

/// What is removed with a workspace.
fn goes_with(directory: &Directory, id: WorkspaceId) -> String {
    let destinations = directory.destinations().iter();
    let destinations = destinations.filter(|destination| destination.workspace == id);
    let credentials = directory.credentials_of(id);
    let used = credentials.iter().filter(|c| c.revoked_at.is_none());
    format!(
        "{} configuration sets, {} destinations, {} credentials and {} API keys",
        directory.configuration_sets_of(id).len(),
        destinations.count(),
        used.count(),
        directory.api_keys_of(id).len()
    )
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
        tracking: SetTracking::default(),
    };
    let set = tenants.create_configuration_set(set, clock.now()).await?;
    Ok((workspace, set))
}

fn document(directory: &Directory, workspace: &Workspace) -> Value {
    let mut document = json!({
        "id": workspace.id.to_string(),
        "name": workspace.name,
        "createdAt": workspace.created_at.to_string(),
        "sending": sending::document(directory.sending(&Sender::Workspace(workspace.id))),
    });
    limits::document(&mut document, workspace.limits);
    document
}
