//! The commands that set things up: workspaces, domains, credentials, configuration
//! sets, destinations.
//!
//! They open the database beside a running server, which sees what changed within a second or
//! two.

mod config_set;
mod credential;
mod desk;
mod destination;
mod domain;
mod egress;
mod identity;
mod limits;
mod removal;
mod workspace;

pub(crate) use credential::make_credential;
pub(crate) use desk::{Desk, set_name, set_of, workspace as workspace_named, workspace_name};
pub(crate) use domain::{NewDomain, make_domain};
pub(crate) use workspace::make_workspace;

use crate::cli::{
    ConfigSetCommand, CredentialCommand, DestinationCommand, DomainCommand, InWorkspace, Output,
    WorkspaceCommand,
};

/// A command about what is set up.
#[derive(Debug)]
pub(crate) enum Request {
    Workspace(WorkspaceCommand),
    Domain(DomainCommand),
    Credential(CredentialCommand),
    ConfigSet(ConfigSetCommand),
    Destination(DestinationCommand),
}

impl Request {
    /// Whether it makes the database where there is none: the first workspace does. Anything
    /// else asked of a folder without one was meant for another folder.
    pub(crate) fn makes_database(&self) -> bool {
        matches!(self, Self::Workspace(WorkspaceCommand::Add { .. }))
    }
}

/// Carries a request out.
pub(crate) async fn run(request: &Request, desk: &Desk) -> anyhow::Result<()> {
    match request {
        Request::Workspace(WorkspaceCommand::Add {
            name,
            limits,
            output,
        }) => workspace::add(desk, name, limits.wanted(), output).await,
        Request::Workspace(WorkspaceCommand::Set(set)) => workspace::set(desk, set).await,
        Request::Workspace(WorkspaceCommand::List { output }) => {
            workspace::list(desk, output);
            Ok(())
        }
        Request::Domain(DomainCommand::Add(add)) => domain::add(desk, add).await,
        Request::Domain(DomainCommand::Update(update)) => domain::update(desk, update).await,
        Request::Domain(DomainCommand::Remove(remove)) => removal::remove(desk, remove).await,
        Request::Domain(DomainCommand::List(list)) => domain::list(desk, list).await,
        Request::Domain(DomainCommand::Show(show)) => identity::show(desk, show).await,
        Request::Domain(DomainCommand::Check(named)) => identity::check_domain(desk, named).await,
        Request::Domain(DomainCommand::Rotate(named)) => identity::rotate(desk, named).await,
        Request::Credential(CredentialCommand::Add(add)) => credential::add(desk, add).await,
        Request::Credential(CredentialCommand::Set(set)) => credential::set(desk, set).await,
        Request::Credential(CredentialCommand::List(list)) => credential::list(desk, list),
        Request::Credential(CredentialCommand::Revoke { username, output }) => {
            credential::revoke(desk, username, output).await
        }
        Request::ConfigSet(ConfigSetCommand::Add(add)) => config_set::add(desk, add).await,
        Request::ConfigSet(ConfigSetCommand::Set(set)) => config_set::set(desk, set).await,
        Request::ConfigSet(ConfigSetCommand::List(list)) => config_set::list(desk, list),
        Request::Destination(command) => destination::run(desk, command).await,
    }
}
