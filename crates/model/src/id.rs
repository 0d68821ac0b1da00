//! Identifiers.
//!
//! Messages, deliveries, events and destinations have `UUIDv7` ids (RFC 9562 §5.7), so that ids
//! order by time. Workspaces, credentials and configuration sets have small numbers: a workspace must fit
//! the 32 bits that a token leaves for it.

use std::fmt;
use std::str::FromStr;

use uuid::{NoContext, Uuid};

use crate::Timestamp;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: it must look like {example}")]
pub struct IdError {
    kind: &'static str,
    example: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id for something that happens at `now`.
            pub fn new(now: Timestamp) -> Self {
                Self(uuid_v7(now))
            }

            /// The lowest id of its millisecond: ids of that time and later are not lower.
            pub const fn lowest_at(time: Timestamp) -> Self {
                let milliseconds = time.as_micros().unsigned_abs() / 1_000;
                Self(Uuid::from_u128((milliseconds as u128) << 80))
            }

            /// When it was made, to the millisecond.
            pub const fn made_at(&self) -> Timestamp {
                let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
                let milliseconds = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
                Timestamp::from_micros(milliseconds * 1_000)
            }

            /// The id of these 16 octets, as stored.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 octets of the id, as stored; they sort by time.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|uuid| Uuid::try_parse(uuid).ok())
                    .map(Self)
                    .ok_or(IdError { kind: $kind, example: $example })
            }
        }
    };
}

uuid_id!(
    /// One accepted submission. Printed as a bare UUID: the seeds' `messageId`.
    MessageId,
    "message",
    "",
    "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10"
);
uuid_id!(
    /// One recipient of a message. Printed as a bare UUID: the seeds' `outbox_id`, `emailId`.
    DeliveryId,
    "delivery",
    "",
    "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10"
);
uuid_id!(
    /// A message that came in, for one address of ours. Printed as `in_` and a UUID.
    InboundId,
    "inbound message",
    "in_",
    "in_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10"
);
uuid_id!(
    /// One immutable fact. Printed as `evt_` and a UUID.
    EventId,
    "event",
    "evt_",
    "evt_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10"
);
uuid_id!(
    /// One webhook. Printed as `dst_` and a UUID.
    DestinationId,
    "destination",
    "dst_",
    "dst_0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10"
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|number| number.parse().ok())
                    .map(Self)
                    .ok_or(IdError { kind: $kind, example: $example })
            }
        }
    };
}

number_id!(
    /// A tenant. Printed as `ws_` and a number.
    WorkspaceId,
    "workspace",
    "ws_",
    "ws_7"
);
number_id!(
    /// A username with its password. Printed as `cred_` and a number.
    CredentialId,
    "credential",
    "cred_",
    "cred_5"
);
number_id!(
    /// A configuration set. Printed as `set_` and a number.
    ConfigurationSetId,
    "configuration set",
    "set_",
    "set_7"
);

impl ConfigurationSetId {
    /// The set of what we send on our own account: no workspace has it, so no destination hears
    /// of that mail, and it is retried as the configuration says.
    pub const OWN: Self = Self(0);
}

fn uuid_v7(now: Timestamp) -> Uuid {
    let micros = now.as_micros().max(0).unsigned_abs();
    let seconds = micros / 1_000_000;
    let nanos = u32::try_from(micros % 1_000_000).expect("invariant: below a million") * 1_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_by_time() {
        let early = EventId::new(Timestamp::from_micros(1_700_000_000_000_000));
        let late = EventId::new(Timestamp::from_micros(1_700_000_000_001_000));
        assert!(early < late);
        assert_eq!(
            late.made_at(),
            Timestamp::from_micros(1_700_000_000_001_000)
        );
        assert!(
            early < EventId::lowest_at(late.made_at()) && EventId::lowest_at(late.made_at()) < late
        );
    }

    #[test]
    fn ids_survive_their_text() {
        let event = EventId::new(Timestamp::from_micros(1_700_000_000_000_000));
        assert_eq!(event.to_string().parse::<EventId>(), Ok(event));
        assert_eq!("ws_7".parse(), Ok(WorkspaceId(7)));
        let error = "7".parse::<WorkspaceId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a workspace id: it must look like ws_7"
        );
    }
}
