//! What an operator sets up: workspaces, credentials, domains, configuration sets.

use std::time::Duration;

use crate::tracking::{Brand, DomainTracking, SetTracking};
use crate::{
    ConfigurationSetId, CredentialId, DmarcMode, Domain, Egress, Secret, Timestamp, WorkspaceId,
};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its number.
    pub id: WorkspaceId,
    /// Its name, unique in the installation.
    pub name: String,
    /// How much it may hand in, all credentials together.
    pub limits: SendingLimits,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How much may be handed in. `None`: as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SendingLimits {
    /// Messages a minute.
    pub rate: Option<u32>,
    /// Recipients a day, from midnight to midnight in UTC.
    pub quota: Option<u32>,
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
    /// What proves the password by SCRAM; `None` where it was made before there was SCRAM, or
    /// has characters that SCRAM would have to change.
    pub scram: Option<ScramKeys>,
    /// How much may be handed in with it.
    pub limits: SendingLimits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked; it is kept so that nobody else gets its name.
    pub revoked_at: Option<Timestamp>,
}

/// What becomes of the waiting deliveries of a credential that is revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LeftQueue {
    /// They are sent.
    #[default]
    Keep,
    /// They are held, until an operator looks at them.
    Hold,
    /// They are taken back.
    Cancel,
}

impl LeftQueue {
    /// `keep`, `hold`, `cancel`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Hold => "hold",
            Self::Cancel => "cancel",
        }
    }

    /// The value of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Keep, Self::Hold, Self::Cancel]
            .into_iter()
            .find(|left| left.name() == name)
    }
}

/// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3): enough to check a proof and
/// to make one, too little to log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// What the password was hashed with.
    pub salt: Vec<u8>,
    /// How often.
    pub iterations: u32,
    /// `StoredKey`.
    pub stored_key: Secret,
    /// `ServerKey`.
    pub server_key: Secret,
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
    /// The host of the addresses that replies are caught at.
    pub reply_host: Domain,
    /// The host of the links and pixels that are tracked.
    pub tracking_host: Domain,
    /// The configuration set of mail that names none.
    pub configuration_set: ConfigurationSetId,
    /// Whether answers are caught: mail without a Reply-To gets one of ours.
    pub reply_capture: bool,
    /// Whether it takes mail to its own addresses.
    pub inbound: bool,
    /// What it does with mail that its senders' domains forbid.
    pub dmarc: DmarcMode,
    /// What is tracked of its mail.
    pub tracking: DomainTracking,
    /// How it looks to those who unsubscribe.
    pub brand: Brand,
    /// When it was added.
    pub created_at: Timestamp,
}

impl SendingDomain {
    /// A domain with the usual hosts: `bounce.`, `reply.` and `track.` before its name.
    pub fn new(
        name: Domain,
        workspace: WorkspaceId,
        configuration_set: ConfigurationSetId,
        created_at: Timestamp,
    ) -> Self {
        Self {
            return_path_host: Self::usual_host("bounce", &name),
            reply_host: Self::usual_host("reply", &name),
            tracking_host: Self::usual_host("track", &name),
            name,
            workspace,
            configuration_set,
            reply_capture: true,
            inbound: false,
            dmarc: DmarcMode::default(),
            tracking: DomainTracking::default(),
            brand: Brand::default(),
            created_at,
        }
    }

    /// The host below a domain; the domain itself where that is too long to have one.
    pub fn usual_host(label: &str, name: &Domain) -> Domain {
        Domain::parse(&format!("{label}.{name}")).unwrap_or_else(|_| name.clone())
    }
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
    /// How its mail leaves.
    pub egress: Egress,
    /// What is tracked of its mail, and whether people can unsubscribe from it.
    pub tracking: SetTracking,
    /// When it was made.
    pub created_at: Timestamp,
}
