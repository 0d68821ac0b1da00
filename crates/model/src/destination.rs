//! Destinations: webhooks, and how each wants to be told.

use crate::{ConfigurationSetId, DestinationId, Secret, Timestamp, WorkspaceId};

/// A webhook, attached to a configuration set or to a whole workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Whose mail it hears of; `None`: of all its workspace's, and of events that no message
    /// explains.
    pub configuration_set: Option<ConfigurationSetId>,
    /// Its name, unique in its configuration set, or among those of the whole workspace.
    pub name: String,
    /// Where events go.
    pub url: String,
    /// The key of the signature, decoded.
    pub secret: Secret,
    /// The key before it, while both are signed with.
    pub previous_secret: Option<PreviousSecret>,
    /// Names of events in any vocabulary; empty: all.
    pub matching_event_types: Vec<String>,
    /// The vocabulary: `postbell`, `splashify`.
    pub format: String,
    /// How it wants to be called.
    pub settings: DestinationSettings,
    /// How often an operator had events replayed to it: says that there may be retries that the
    /// one who calls it does not know of.
    pub replays: u64,
    /// Whether it is sent to.
    pub state: DestinationState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Destination {
    /// Whose events it hears of.
    pub fn audience(&self) -> Audience {
        self.configuration_set
            .map_or(Audience::Workspace(self.workspace), Audience::Set)
    }
}

/// Whose events a destination hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Those of the mail of one configuration set.
    Set(ConfigurationSetId),
    /// Those of all mail of a workspace, and those about the workspace itself.
    Workspace(WorkspaceId),
}

/// Whether a destination is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DestinationState {
    /// Events are sent.
    Active,
    /// Switched off, by an operator or by its own 410; its cursor stands.
    Disabled,
}

impl DestinationState {
    /// `active`, `disabled`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// The state of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Disabled]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A secret that another has taken over from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The key, decoded.
    pub secret: Secret,
    /// Until when calls are signed with it, too.
    pub until: Timestamp,
}

/// How a destination wants to be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationSettings {
    /// Sent with every call.
    pub headers: Vec<CustomHeader>,
    /// Calls under way at once; `None`: as the configuration says.
    pub in_flight: Option<u32>,
    /// Which delays of a delivery it hears of.
    pub delays: Delays,
    /// Whether it hears of automatic answers.
    pub auto_replies: Telling,
    /// Whether it hears of opens and clicks by machines.
    pub machines: Telling,
}

/// A header field that its owner chose; the value is often a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// Which delays of a delivery a destination hears of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Delays {
    /// The first: mail is late.
    #[default]
    First,
    /// Each: how the retries go.
    Each,
}

impl Delays {
    /// `first`, `each`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Each => "each",
        }
    }

    /// The value of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::First, Self::Each]
            .into_iter()
            .find(|delays| delays.name() == name)
    }
}

/// Whether something is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Telling {
    /// It is.
    #[default]
    Send,
    /// It is passed over.
    Skip,
}

impl Telling {
    /// `send`, `skip`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Skip => "skip",
        }
    }

    /// The value of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Send, Self::Skip]
            .into_iter()
            .find(|telling| telling.name() == name)
    }
}
