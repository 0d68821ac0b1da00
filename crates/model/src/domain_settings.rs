//! What can be set of a sending domain, and how a change of it is told.

use std::fmt;
use std::str::FromStr;

/// A setting of a sending domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DomainSetting {
    /// The host of the return path.
    ReturnPathHost,
    /// The host of the addresses that replies are caught at.
    ReplyHost,
    /// The host of links and pixels that are tracked.
    TrackingHost,
    /// The configuration set of its mail.
    ConfigurationSet,
    /// Whether answers are caught: `on`, `off`.
    ReplyCapture,
    /// Whether it takes mail: `on`, `off`.
    Inbound,
    /// What it does with mail that its senders' domains forbid: `off`, `mark`, `enforce`.
    Dmarc,
    /// Whether opens are tracked: `on`, `off`.
    TrackOpens,
    /// Whether clicks are tracked: `on`, `off`.
    TrackClicks,
    /// What it is called to those who unsubscribe; empty: by its name.
    BrandName,
    /// The colour of its button: `#1a7f37`; empty: the usual one.
    BrandColour,
}

impl DomainSetting {
    /// Every setting.
    pub const ALL: &[Self] = &[
        Self::ReturnPathHost,
        Self::ReplyHost,
        Self::TrackingHost,
        Self::ConfigurationSet,
        Self::ReplyCapture,
        Self::Inbound,
        Self::Dmarc,
        Self::TrackOpens,
        Self::TrackClicks,
        Self::BrandName,
        Self::BrandColour,
    ];

    /// `replyHost`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReturnPathHost => "returnPathHost",
            Self::ReplyHost => "replyHost",
            Self::TrackingHost => "trackingHost",
            Self::ConfigurationSet => "configurationSet",
            Self::ReplyCapture => "replyCapture",
            Self::Inbound => "inbound",
            Self::Dmarc => "dmarc",
            Self::TrackOpens => "trackOpens",
            Self::TrackClicks => "trackClicks",
            Self::BrandName => "brandName",
            Self::BrandColour => "brandColour",
        }
    }
}

impl fmt::Display for DomainSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no [`DomainSetting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a setting of a domain")]
pub struct UnknownSetting;

impl FromStr for DomainSetting {
    type Err = UnknownSetting;

    fn from_str(name: &str) -> Result<Self, UnknownSetting> {
        let found = Self::ALL.iter().find(|setting| setting.name() == name);
        found.copied().ok_or(UnknownSetting)
    }
}

/// A setting that has another value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// Which.
    pub setting: DomainSetting,
    /// What it was; `None`: it was not set before.
    pub old: Option<String>,
    /// What it is.
    pub new: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_names() {
        for setting in DomainSetting::ALL {
            assert_eq!(setting.name().parse(), Ok(*setting));
        }
        assert_eq!("colour".parse::<DomainSetting>(), Err(UnknownSetting));
    }
}
