//! Addresses that never leave the machine and behave as they are named, so that an application can
//! try what it does about bounces, complaints and the rest.

use std::fmt;

use crate::{Address, Domain};

/// The domain of the simulated addresses of a server with this name; `None`: no domain can have
/// that name.
pub fn simulator_domain(hostname: &str) -> Option<Domain> {
    Domain::parse(&format!("simulator.{hostname}")).ok()
}

/// How a simulated address behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Simulated {
    /// Mail is delivered, and nothing more happens.
    Success,
    /// Mail is refused for good: there is no such user.
    Bounce,
    /// Mail is refused: the mailbox is full.
    SoftBounce,
    /// Mail is put off at first.
    Delay,
    /// Mail is delivered, and its recipient calls it unwanted.
    Complaint,
    /// Mail is delivered, and comes back.
    LateBounce,
    /// Mail is not sent, as if the address stood on the suppression list.
    Suppressed,
    /// Mail is delivered and opened.
    Open,
    /// Mail is delivered, and its first tracked link is followed.
    Click,
    /// Mail is delivered, and a person answers.
    Reply,
    /// Mail is delivered, and a program answers.
    Vacation,
    /// Mail is delivered, and its recipient unsubscribes with one click.
    Unsubscribe,
}

impl Simulated {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Success,
        Self::Bounce,
        Self::SoftBounce,
        Self::Delay,
        Self::Complaint,
        Self::LateBounce,
        Self::Suppressed,
        Self::Open,
        Self::Click,
        Self::Reply,
        Self::Vacation,
        Self::Unsubscribe,
    ];

    /// The local part: `bounce`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Bounce => "bounce",
            Self::SoftBounce => "softbounce",
            Self::Delay => "delay",
            Self::Complaint => "complaint",
            Self::LateBounce => "bounce-later",
            Self::Suppressed => "suppressed",
            Self::Open => "open",
            Self::Click => "click",
            Self::Reply => "reply",
            Self::Vacation => "vacation",
            Self::Unsubscribe => "unsubscribe",
        }
    }

    /// What an address does by its local part; a detail after `+` changes nothing. `None`: there is
    /// no such name.
    pub fn of(address: &Address) -> Option<Self> {
        let local = address.local_part();
        let name = local.split_once('+').map_or(local, |(name, _)| name);
        let mut all = Self::ALL.iter();
        let found = all.find(|simulated| simulated.name().eq_ignore_ascii_case(name));
        found.copied()
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_follows_from_the_name_of_the_server() {
        let of = |hostname| simulator_domain(hostname).map(|domain| domain.to_string());
        assert_eq!(
            of("mail.acme.example").unwrap(),
            "simulator.mail.acme.example"
        );
        assert_eq!(of("localhost").unwrap(), "simulator.localhost");
        assert_eq!(of("not a name"), None);
    }

    #[test]
    fn the_local_part_says_how_an_address_behaves() {
        let of = |local: &str| {
            Simulated::of(&Address::parse(&format!("{local}@simulator.localhost")).unwrap())
        };
        for simulated in Simulated::ALL {
            assert_eq!(of(simulated.name()), Some(*simulated));
        }
        assert_eq!(of("Bounce+order42"), Some(Simulated::Bounce));
        assert_eq!(of("bouncer"), None);
        assert_eq!(of("+bounce"), None);
    }
}
