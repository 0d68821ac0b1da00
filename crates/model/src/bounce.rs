//! Why mail was not taken: one list of classes, whatever the far server's words.

use std::fmt;
use std::str::FromStr;

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $sentence:literal;)*) => {
        /// The class of a refusal, a deferral or a failure to reach the far server.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum BounceClass {
            $($(#[$doc])* $variant,)*
        }

        impl BounceClass {
            /// Every class.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in events, configuration and the store: `no_such_user`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }

        impl FromStr for BounceClass {
            type Err = UnknownClass;

            fn from_str(name: &str) -> Result<Self, UnknownClass> {
                match name { $($name => Ok(Self::$variant),)* _ => Err(UnknownClass) }
            }
        }
    };
}

/// A name that is none of [`BounceClass::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a bounce class")]
pub struct UnknownClass;

classes! {
    /// The mailbox does not exist.
    NoSuchUser = "no_such_user", "The mailbox does not exist.";
    /// The domain does not exist or takes no mail.
    NoSuchDomain = "no_such_domain", "The domain does not exist or takes no mail.";
    /// The mailbox is over its quota.
    MailboxFull = "mailbox_full", "The mailbox is full.";
    /// The mailbox exists and is switched off.
    MailboxDisabled = "mailbox_disabled", "The mailbox is switched off.";
    /// The message is larger than the server or the mailbox takes.
    MessageTooLarge = "message_too_large", "The message is larger than the recipient's server takes.";
    /// The message is malformed, or has a part that the server does not take.
    ContentRejected = "content_rejected", "The recipient's server refused the message's content.";
    /// The server takes the message for spam.
    SpamRejected = "spam_rejected", "The recipient's server took the message for spam.";
    /// A rule of the server forbids the message.
    PolicyRejected = "policy_rejected", "A rule of the recipient's server forbids the message.";
    /// SPF, DKIM or DMARC failed.
    AuthenticationFailed = "authentication_failed", "The recipient's server could not verify the sender's domain.";
    /// Our address is on a block list or has a bad name.
    IpBlocked = "ip_blocked", "The recipient's server blocks our IP address.";
    /// Too much mail, too fast.
    RateLimited = "rate_limited", "The recipient's server asked us to slow down.";
    /// The server does not take mail for that domain.
    RelayDenied = "relay_denied", "The server does not take mail for the recipient's domain.";
    /// The server could not be reached, or broke off.
    NetworkError = "network_error", "The recipient's server could not be reached or broke off.";
    /// TLS is required by one side and could not be had.
    TlsRequired = "tls_required", "A secured connection is required and could not be made.";
    /// We gave up after the last retry.
    Expired = "expired", "The message could not be delivered in the time allowed.";
    /// Nothing that we recognise.
    Other = "other", "The recipient's server refused the message.";
}

impl BounceClass {
    /// Whether a permanent refusal of this class means that the address is dead: what makes a
    /// bounce `Permanent` and puts the address on the suppression list.
    pub const fn means_dead_address(self) -> bool {
        matches!(
            self,
            Self::NoSuchUser | Self::NoSuchDomain | Self::MailboxDisabled
        )
    }
}

impl fmt::Display for BounceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The three types of a bounce, as SES and Splashify name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BounceType {
    /// The address is dead.
    Permanent,
    /// Refused for another cause, or given up.
    Transient,
    /// The report does not say.
    Undetermined,
}

impl BounceType {
    /// The name in events: `Permanent`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permanent => "Permanent",
            Self::Transient => "Transient",
            Self::Undetermined => "Undetermined",
        }
    }

    /// The type of a refusal for good of this class.
    pub const fn of_refusal(class: BounceClass) -> Self {
        if class.means_dead_address() {
            Self::Permanent
        } else {
            Self::Transient
        }
    }
}

impl FromStr for BounceType {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        match name {
            "Permanent" => Ok(Self::Permanent),
            "Transient" => Ok(Self::Transient),
            "Undetermined" => Ok(Self::Undetermined),
            _ => Err(UnknownClass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_class() {
        for class in BounceClass::ALL {
            assert_eq!(class.name().parse(), Ok(*class));
        }
        assert_eq!("nope".parse::<BounceClass>(), Err(UnknownClass));
    }

    #[test]
    fn only_a_dead_address_is_permanent() {
        let dead: Vec<_> = BounceClass::ALL
            .iter()
            .filter(|c| c.means_dead_address())
            .collect();
        assert_eq!(
            dead,
            [
                &BounceClass::NoSuchUser,
                &BounceClass::NoSuchDomain,
                &BounceClass::MailboxDisabled
            ]
        );
        assert_eq!(
            BounceType::of_refusal(BounceClass::SpamRejected),
            BounceType::Transient
        );
    }
}
