//! Addresses that a workspace does not send to.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::address::is_dot_string;
use crate::{Address, BounceType, EventId, Fact, Timestamp, WorkspaceId};

/// An address that a workspace does not send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Whose list it is on.
    pub workspace: WorkspaceId,
    /// The address, as it was given.
    pub address: Address,
    /// Which mail is not sent.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
    /// The event that it follows from; `None`: somebody has put it there.
    pub event: Option<EventId>,
    /// Until when; `None`: until it is removed.
    pub expires_at: Option<Timestamp>,
    /// What somebody has noted about it.
    pub note: Option<String>,
}

/// Which mail to an address is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All.
    #[default]
    All,
    /// That of the stream with this name.
    Stream(String),
}

impl Scope {
    /// That of a stream, or all where there is none.
    pub fn of_stream(stream: Option<&str>) -> Self {
        stream.map_or(Self::All, |stream| Self::Stream(stream.to_owned()))
    }

    /// The stream's name; `None`: all mail.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Stream(stream) => Some(stream),
        }
    }
}

/// `all`, or the stream's name.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stream().unwrap_or("all"))
    }
}

/// Why an address is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Mail to it came back: it is dead.
    Bounce,
    /// Whoever has it calls our mail unwanted.
    Complaint,
    /// Whoever has it wants no more.
    Unsubscribe,
    /// Somebody has put it there.
    Manual,
}

impl Cause {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Bounce,
        Self::Complaint,
        Self::Unsubscribe,
        Self::Manual,
    ];

    /// Whether whoever has the address has said so. It takes the place of what others think of it, and
    /// nothing takes its place.
    pub const fn is_wish(self) -> bool {
        match self {
            Self::Complaint | Self::Unsubscribe => true,
            Self::Bounce | Self::Manual => false,
        }
    }

    /// `BOUNCE`: the name in the store, in documents and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bounce => "BOUNCE",
            Self::Complaint => "COMPLAINT",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Manual => "MANUAL",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no [`Cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not BOUNCE, COMPLAINT, UNSUBSCRIBE or MANUAL")]
pub struct UnknownCause;

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(name: &str) -> Result<Self, UnknownCause> {
        let found = Self::ALL
            .iter()
            .find(|cause| cause.name().eq_ignore_ascii_case(name));
        found.copied().ok_or(UnknownCause)
    }
}

/// What a fact puts on the list: the cause, and which mail is not sent any more to the recipient of
/// the delivery, which is of this stream. `None`: nothing.
///
/// A dead address and a complaint end all mail; who unsubscribes from a stream still gets the mail
/// of the others. A refusal for policy or reputation says nothing of the address.
pub fn follows_from(fact: &Fact, stream: Option<&str>) -> Option<(Cause, Scope)> {
    match fact {
        Fact::Bounce {
            bounce_type: BounceType::Permanent,
            ..
        }
        | Fact::LateBounce {
            bounce_type: BounceType::Permanent,
            ..
        } => Some((Cause::Bounce, Scope::All)),
        Fact::Complaint(_) => Some((Cause::Complaint, Scope::All)),
        Fact::Unsubscribe { .. } => Some((Cause::Unsubscribe, Scope::of_stream(stream))),
        _ => None,
    }
}

/// The entry that keeps a delivery from being sent, as its event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressedBy {
    /// Which mail is not sent.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// Since when.
    pub since: Timestamp,
    /// The event that it follows from.
    pub event: Option<EventId>,
}

/// How local parts are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LocalPart {
    /// Without case, as every large provider does.
    #[default]
    Fold,
    /// With case (RFC 5321 §2.4).
    Exact,
}

impl LocalPart {
    /// The text by which an address is found: the domain in A-label form and lower case, the local part
    /// without quotes and backslashes that it does without.
    pub fn key(self, address: &Address) -> String {
        let text = address.as_str();
        let (local, domain) = (shortest(address), address.domain().as_str());
        match self {
            Self::Exact => format!("{local}@{}", domain.to_ascii_lowercase()),
            Self::Fold if text.is_ascii() && !text.starts_with('"') => text.to_ascii_lowercase(),
            Self::Fold => format!("{}@{}", local.to_lowercase(), domain.to_ascii_lowercase()),
        }
    }
}

/// A local part in the shortest of the forms that mean the same mailbox.
// RFC 5321 §4.1.2: all quoted forms are equivalent, and so is the one without quotes where it can be.
fn shortest(address: &Address) -> Cow<'_, str> {
    let named = address.plain_local_part();
    if matches!(named, Cow::Borrowed(_)) || is_dot_string(&named) {
        return named;
    }
    let escaped = named.replace('\\', r"\\").replace('"', r#"\""#);
    format!("\"{escaped}\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_are_not_needed_mean_nothing() {
        for (local, expected) in [
            ("ann", "ann"),
            (r#""ann""#, "ann"),
            (r#""a\nn""#, "ann"),
            (r#""Ann.Lee+x""#, "Ann.Lee+x"),
            (r#""josé""#, "josé"),
            (r#""a\ b""#, r#""a b""#),
            (r#""a\"\\\b""#, r#""a\"\\b""#),
            (r#""a.""#, r#""a.""#),
            (r#""a@b""#, r#""a@b""#),
            (r#""""#, r#""""#),
        ] {
            for local in [local, expected] {
                let address = Address::parse(&format!("{local}@example.com")).unwrap();
                assert_eq!(shortest(&address), expected, "{local}");
            }
        }
    }

    #[test]
    fn causes_have_names() {
        for cause in Cause::ALL {
            assert_eq!(cause.name().parse(), Ok(*cause));
        }
        assert_eq!("bounce".parse(), Ok(Cause::Bounce));
        assert_eq!("spam".parse::<Cause>(), Err(UnknownCause));
    }

    #[test]
    fn who_unsubscribes_from_a_stream_gets_the_others() {
        let fact = Fact::Unsubscribe {
            method: crate::inbound::UnsubscribeMethod::Link,
            inbound: None,
        };
        let stream = Scope::Stream("news".to_owned());
        let follows = follows_from(&fact, Some("news"));
        assert_eq!(follows, Some((Cause::Unsubscribe, stream)));
        let follows = follows_from(&fact, None);
        assert_eq!(follows, Some((Cause::Unsubscribe, Scope::All)));
        assert_eq!(follows_from(&Fact::Send, Some("news")), None);
    }

    #[test]
    fn addresses_are_compared_as_mail_does() {
        let address = Address::parse("Ann.Ä@Bücher.Example").unwrap();
        assert_eq!(LocalPart::Fold.key(&address), "ann.ä@xn--bcher-kva.example");
        assert_eq!(
            LocalPart::Exact.key(&address),
            "Ann.Ä@xn--bcher-kva.example"
        );
        let quoted = Address::parse("\"A\\nn\"@Example.com").unwrap();
        assert_eq!(LocalPart::Fold.key(&quoted), "ann@example.com");
        assert_eq!(LocalPart::Exact.key(&quoted), "Ann@example.com");
    }
}
