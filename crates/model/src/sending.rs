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
    /// It goes to verified addresses alone, and little of it.
    Sandbox(Sandbox),
}

impl Sending {
    /// `active`, `paused`, `sandbox`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused(_) => "paused",
            Self::Sandbox(_) => "sandbox",
        }
    }

    /// The pause, while there is one.
    pub const fn pause(&self) -> Option<&Pause> {
        match self {
            Self::Active | Self::Sandbox(_) => None,
            Self::Paused(pause) => Some(pause),
        }
    }

    /// The sandbox, while there is one.
    pub const fn sandbox(&self) -> Option<&Sandbox> {
        match self {
            Self::Active | Self::Paused(_) => None,
            Self::Sandbox(sandbox) => Some(sandbox),
        }
    }
}

/// Mail is sent to verified addresses and to the simulator alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// From when on.
    pub since: Timestamp,
    /// Recipients a day, from midnight to midnight in UTC; `None`: as many as there are.
    pub daily_limit: Option<u32>,
    /// What becomes of mail that may not be sent.
    pub new_mail: NewMail,
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
    Refuse,
    /// It is taken, and rejected at once: an event tells of it.
    Reject,
}

impl NewMail {
    /// `hold`, `refuse`, `reject`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Refuse => "refuse",
            Self::Reject => "reject",
        }
    }

    /// The value of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Hold, Self::Refuse, Self::Reject]
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
