//! Opens and clicks: who, or what, has fetched the pixel or followed a link.
//!
//! Much of that is done by machines: proxies that fetch pictures ahead, scanners that follow links
//! before a person sees them. They are told apart by [`MachineReason`]s and told all the same.

use crate::name::named;
use crate::{DeliveryId, Timestamp, WorkspaceId};

/// A request to the tracking host, before anything was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The tenant, as the token says.
    pub workspace: WorkspaceId,
    /// The delivery, as the token says.
    pub delivery: DeliveryId,
    /// When it came.
    pub at: Timestamp,
    /// What was asked for.
    pub target: HitTarget,
    /// The client's address as the privacy settings leave it: whole, its network, nothing.
    pub ip: Option<String>,
    /// User-Agent, at most [`USER_AGENT_MAX`] octets.
    pub user_agent: String,
    /// What the request alone tells of machines.
    pub signs: Vec<MachineReason>,
    /// Whether it was made on somebody's behalf.
    pub proxy: Option<ImageProxy>,
}

/// What a request was for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HitTarget {
    /// The pixel.
    Pixel,
    /// A link.
    Link {
        /// Where it goes.
        url: String,
        /// How many links that can be tracked stand before it in the message.
        index: u16,
    },
}

/// A longer User-Agent is cut, at a character.
pub const USER_AGENT_MAX: usize = 512;

/// An open, or what a click has beside its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engagement {
    /// The client's address, as far as the privacy settings let it be told.
    pub ip: Option<String>,
    /// User-Agent; empty: it sent none.
    pub user_agent: String,
    /// How many of its kind there were of this delivery, this one included; `None`: nobody knows
    /// any more, since its rows were removed.
    pub count: Option<u32>,
    /// Why it is taken for a machine's; empty: it is a person's, as far as anybody can tell.
    pub machine_reasons: Vec<MachineReason>,
    /// Whose proxy has made it for somebody.
    pub proxy: Option<ImageProxy>,
}

impl Engagement {
    /// Whether it is a machine's.
    pub const fn is_machine(&self) -> bool {
        !self.machine_reasons.is_empty()
    }

    /// Whether it is the first of its kind; `None`: nobody knows.
    pub fn is_first(&self) -> Option<bool> {
        self.count.map(|count| count == 1)
    }
}

/// A link that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Where it goes.
    pub url: String,
    /// How many links that can be tracked stand before it in the message.
    pub index: u16,
    /// By whom.
    pub engagement: Engagement,
}

/// Why a request is taken for a machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MachineReason {
    /// Apple's mail privacy: every picture of every mail is fetched.
    ApplePrivacyProxy,
    /// A program that fetches ahead of its user.
    PrefetchAgent,
    /// A program that looks for malice.
    ScannerAgent,
    /// It comes from a network of machines, by the operator's list.
    ScannerNetwork,
    /// It came before the far server had taken the mail.
    BeforeDelivery,
    /// It came within seconds of that.
    RightAfterDelivery,
    /// HEAD: nothing was shown to anybody.
    HeadRequest,
    /// Several links of the mail within seconds.
    SeveralLinks,
}

impl MachineReason {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ApplePrivacyProxy,
        Self::PrefetchAgent,
        Self::ScannerAgent,
        Self::ScannerNetwork,
        Self::BeforeDelivery,
        Self::RightAfterDelivery,
        Self::HeadRequest,
        Self::SeveralLinks,
    ];

    /// `applePrivacyProxy`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApplePrivacyProxy => "applePrivacyProxy",
            Self::PrefetchAgent => "prefetchAgent",
            Self::ScannerAgent => "scannerAgent",
            Self::ScannerNetwork => "scannerNetwork",
            Self::BeforeDelivery => "beforeDelivery",
            Self::RightAfterDelivery => "rightAfterDelivery",
            Self::HeadRequest => "headRequest",
            Self::SeveralLinks => "severalLinks",
        }
    }
}

/// Whose servers fetch pictures for the people who look at them: real opens, from another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageProxy {
    /// Gmail's.
    Google,
    /// Yahoo's, and AOL's.
    Yahoo,
    /// Another one that says so.
    Other,
}

impl ImageProxy {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Google, Self::Yahoo, Self::Other];

    /// `google`: the name in the store and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Yahoo => "yahoo",
            Self::Other => "other",
        }
    }
}

named!(MachineReason, ImageProxy);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::UnknownName;

    #[test]
    fn names_lead_back() {
        for reason in MachineReason::ALL {
            assert_eq!(reason.name().parse(), Ok(*reason));
        }
        for proxy in ImageProxy::ALL {
            assert_eq!(proxy.name().parse(), Ok(*proxy));
        }
        assert_eq!("person".parse::<MachineReason>(), Err(UnknownName));
    }
}
