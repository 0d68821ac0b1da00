//! What an operator sets up: workspaces, credentials, domains, configuration sets.

use std::time::Duration;

use crate::{ConfigurationSetId, CredentialId, Domain, Secret, Timestamp, WorkspaceId};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its number.
    pub id: WorkspaceId,
    /// Its name, unique in the installation.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A username and a password with which clients hand in mail for a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its number.
    pub id: CredentialId,
    /// Whose mail it is then.
    pub workspace: WorkspaceId,
    /// The username, unique in the installation, told apart by case.
    pub username: String,
    /// The password's hash, as a PHC string.
    pub password_hash: Secret,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked; it is kept so that nobody else gets its name.
    pub revoked_at: Option<Timestamp>,
}

/// A domain that a workspace sends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingDomain {
    /// The domain of From, Sender and MAIL FROM.
    pub name: Domain,
    /// Whose it is; a domain belongs to one workspace.
    pub workspace: WorkspaceId,
    /// The host of the return path, within the domain so that SPF aligns.
    pub return_path_host: Domain,
    /// The configuration set of mail that names none.
    pub configuration_set: ConfigurationSetId,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A named choice of destinations and retry policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationSet {
    /// Its number.
    pub id: ConfigurationSetId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its name, unique in its workspace.
    pub name: String,
    /// Attempts after the first; `None`: as the configuration says.
    pub max_retries: Option<u32>,
    /// How long a delivery is tried; `None`: as the configuration says.
    pub expire_after: Option<Duration>,
    /// Whether MAIL FROM gets reports (RFC 3464); `None`: mail that came by SMTP does, other mail
    /// does not.
    pub reports: Option<bool>,
    /// When it was made.
    pub created_at: Timestamp,
}
