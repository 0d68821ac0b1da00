//! When a workspace whose mail fares badly is paused.

use std::time::Duration;

use postbell_model::NewMail;
use postbell_model::reputation::{ReputationLimits, Share};
use serde::{Deserialize, Deserializer, de};

/// The `[reputation]` section.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReputationSection {
    /// What is done with a workspace that passes a limit.
    pub action: ReputationAction,
    /// How far back its mail is looked at.
    pub window: Duration,
    /// Of fewer deliveries nothing is concluded.
    pub min_volume: u64,
    /// The share of complaints that is not too much.
    #[serde(deserialize_with = "share")]
    pub max_complaints: Share,
    /// The share of hard bounces that is not too much.
    #[serde(deserialize_with = "share")]
    pub max_hard_bounces: Share,
    /// What becomes of mail that is handed in to a workspace that was paused.
    pub new_mail: NewMailSetting,
    /// How often there is a look.
    pub round_every: Duration,
}

/// What is done with a workspace that passes a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReputationAction {
    /// It is paused.
    Pause,
    /// The log and the metrics tell.
    Warn,
    /// Nothing, and nothing is counted.
    Off,
}

impl ReputationAction {
    /// `pause`, `warn`, `off`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Warn => "warn",
            Self::Off => "off",
        }
    }
}

/// What becomes of new mail during a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewMailSetting {
    /// It waits.
    Hold,
    /// It is refused.
    Refuse,
    /// It is taken and rejected.
    Reject,
}

impl From<NewMailSetting> for NewMail {
    fn from(setting: NewMailSetting) -> Self {
        match setting {
            NewMailSetting::Hold => Self::Hold,
            NewMailSetting::Refuse => Self::Refuse,
            NewMailSetting::Reject => Self::Reject,
        }
    }
}

impl ReputationSection {
    /// What is too much.
    pub(crate) const fn limits(&self) -> ReputationLimits {
        ReputationLimits {
            min_volume: self.min_volume,
            max_complaints: self.max_complaints,
            max_hard_bounces: self.max_hard_bounces,
        }
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || de::Error::custom("must be a share of 0% to 100% such as \"0.3%\" or \"10%\"");
    text.parse().map_err(|_| wrong())
}
