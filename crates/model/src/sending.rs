//! Whether mail is sent: of a whole workspace, or of one of its domains.

use crate::{Domain, Timestamp, WorkspaceId};

/// Whether mail is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sending {
    /// It is.
    #[default]
    Active,
    /// It is not, until somebody resumes it.
    Paused(Pause),
}

impl Sending {
    /// `active`, `paused`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused(_) => "paused",
        }
    }

    /// The pause, while there is one.
    pub const fn pause(&self) -> Option<&Pause> {
        match self {
            Self::Active => None,
            Self::Paused(pause) => Some(pause),
        }
    }
}

/// Mail is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// From when on.
    pub since: Timestamp,
    /// Why, in words for whoever sends.
    pub reason: Option<String>,
    /// What becomes of mail that is handed in meanwhile.
    pub new_mail: NewMail,
}

/// What becomes of mail that is handed in during a pause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NewMail {
    /// It is taken, and waits with what was there.
    #[default]
    Hold,
    /// It is refused.
    Reject,
}

impl NewMail {
    /// `hold`, `reject`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Reject => "reject",
        }
    }

    /// The value of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Hold, Self::Reject]
            .into_iter()
            .find(|new_mail| new_mail.name() == name)
    }
}

/// Whose mail a pause is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// All of a workspace.
    Workspace(WorkspaceId),
    /// That of one domain.
    Domain(Domain),
}
