//! The commands that set things up: workspaces, domains, credentials, API keys, configuration
//! sets, destinations, suppression lists, blocked links, certificates.
//!
//! They open the database beside a running server, which sees what changed within a second or
//! two.

mod api_key;
mod certificate;
mod config_set;
mod credential;
mod desk;
mod destination;
mod domain;
mod egress;
mod identity;
mod inbound_route;
mod limits;
mod link;
mod removal;
mod revoke;
mod sending;
mod suppression;
mod tracking;
mod verified_address;
mod waiting;
mod workspace;

pub(crate) use credential::make_credential;
pub(crate) use desk::{Desk, set_name, set_of, workspace as workspace_named, workspace_name};
pub(crate) use domain::{NewDomain, make_domain};
pub(crate) use workspace::make_workspace;

use crate::cli::{
    ApiKeyCommand, CertificateCommand, ConfigSetCommand, CredentialCommand, DestinationCommand,
    DomainCommand, InWorkspace, InboundRouteCommand, LinkCommand, Output, SuppressionCommand,
    VerifiedAddressCommand, WorkspaceCommand,
};

/// A command about what is set up.
#[derive(Debug)]
pub(crate) enum Request {
    Workspace(WorkspaceCommand),
    Domain(DomainCommand),
    Credential(CredentialCommand),
    ApiKey(ApiKeyCommand),
    ConfigSet(ConfigSetCommand),
    Destination(DestinationCommand),
    InboundRoute(InboundRouteCommand),
    VerifiedAddress(VerifiedAddressCommand),
    Suppression(SuppressionCommand),
    Link(LinkCommand),
    Certificate(CertificateCommand),
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
        Request::Workspace(command) => workspace::run(desk, command).await,
        Request::Domain(command) => domain::run(desk, command).await,
        Request::Credential(command) => credential::run(desk, command).await,
        Request::ApiKey(command) => api_key::run(desk, command).await,
        Request::ConfigSet(command) => config_set::run(desk, command).await,
        Request::Destination(command) => destination::run(desk, command).await,
        Request::InboundRoute(command) => inbound_route::run(desk, command).await,
        Request::VerifiedAddress(command) => verified_address::run(desk, command).await,
        Request::Suppression(command) => suppression::run(desk, command).await,
        Request::Link(command) => link::run(desk, command).await,
        Request::Certificate(command) => certificate::run(desk, command).await,
    }
}
