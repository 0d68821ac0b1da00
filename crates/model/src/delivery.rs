//! Deliveries: one recipient of a message each, their states and their lanes.

use std::fmt;
use std::str::FromStr;

use crate::{Address, DeliveryId, Domain, ReportRequest, Timestamp, WorkspaceId};

/// Where a delivery stands. `sending` is no state: what is in flight is known to the process
/// that does it, and nothing stored has to be unlocked after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Waits for its time of release.
    Scheduled,
    /// Waits for an attempt.
    Queued,
    /// Kept back by an operator, or because its record can't be read.
    Held,
    /// A far server said 250.
    Delivered,
    /// Refused for good.
    Bounced,
    /// Given up after the last retry.
    Expired,
    /// Not sent: the address is on the suppression list.
    Suppressed,
    /// Not sent: policy.
    Rejected,
    /// Not sent: the sender or an operator cancelled it.
    Cancelled,
}

impl DeliveryState {
    const NAMES: &[(Self, &'static str)] = &[
        (Self::Scheduled, "scheduled"),
        (Self::Queued, "queued"),
        (Self::Held, "held"),
        (Self::Delivered, "delivered"),
        (Self::Bounced, "bounced"),
        (Self::Expired, "expired"),
        (Self::Suppressed, "suppressed"),
        (Self::Rejected, "rejected"),
        (Self::Cancelled, "cancelled"),
    ];

    /// The name in the store and in every output: `queued`.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(state, _)| *state == self);
        found.expect("invariant: every state has a name").1
    }

    /// Whether nothing more will be sent: the body is no longer needed.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Queued | Self::Held)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no [`DeliveryState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a delivery state")]
pub struct UnknownState;

impl FromStr for DeliveryState {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(state, _)| *state)
            .ok_or(UnknownState)
    }
}

/// What is queued for one domain of one workspace: the unit of claiming and of fairness.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Whose mail it is.
    pub workspace: WorkspaceId,
    /// Where it goes.
    pub domain: Domain,
}

/// One recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The seeds' `outbox_id` and `emailId`.
    pub id: DeliveryId,
    /// The recipient, as given at RCPT TO.
    pub recipient: Address,
    /// The number of the attempt that is due or under way; 1 for the first.
    pub attempt: u32,
    /// The sequence number of the delivery's latest event.
    pub sequence: u32,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// What was asked about reports.
    pub report: ReportRequest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_names() {
        for (state, name) in DeliveryState::NAMES {
            assert_eq!(state.name(), *name);
            assert_eq!(name.parse(), Ok(*state));
        }
    }
}
