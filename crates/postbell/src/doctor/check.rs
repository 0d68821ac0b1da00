//! What one look came to.

use serde_json::{Value, json};

use crate::console::plain;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Ok,
    /// Mail goes, and something is not as it should be or could not be seen.
    Warning,
    /// Mail does not go, or is lost or refused.
    Fault,
}

impl Mark {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) mark: Mark,
    pub(super) found: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            mark: Mark::Ok,
            found: found.into(),
            advice: None,
        }
    }

    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            mark: Mark::Warning,
            advice: Some(advice.into()),
            ..Self::ok(name, found)
        }
    }

    pub(super) fn fault(
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            mark: Mark::Fault,
            ..Self::warning(name, found, advice)
        }
    }

    /// `disk           12 GiB are free; …`
    pub(super) fn line(&self) -> String {
        let Self { name, found, .. } = self;
        let found = plain(found);
        match &self.advice {
            None => format!("{name:<13} {found}"),
            Some(advice) => format!("{name:<13} {found}; {advice}"),
        }
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "name": self.name,
            "mark": self.mark.name(),
            "found": self.found,
            "advice": self.advice,
        })
    }
}
