//! Who mail that comes in is from, as far as SPF, DKIM, DMARC and ARC can tell.
//!
//! The words are those of RFC 8601 §2.7. What is written here about a message was found out once,
//! when it came in: records and keys in the DNS change, so it can't be found out again later.
//!
//! Names in here are other people's, but each is a name: what does not parse as one is left out.

use std::fmt;
use std::str::FromStr;

use crate::Domain;

/// What was found out about one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authentication {
    /// Whether the client may send for the domain of the envelope.
    pub spf: SpfResult,
    /// One for each signature that was looked at, in their order in the header. Empty where
    /// there is none.
    pub dkim: Vec<DkimResult>,
    /// Whether one of the two holds for the domain in From.
    pub dmarc: DmarcResult,
    /// What those who forwarded it vouch for.
    pub arc: ArcResult,
}

macro_rules! named {
    (
        $(#[$doc:meta])* $kind:ident, $all:literal:
        $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)*
    ) => {
        $(#[$doc])*
        pub enum $kind {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $kind {
            #[doc = $all]
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in header fields, events and the store.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = UnknownWord;

            fn from_str(name: &str) -> Result<Self, UnknownWord> {
                match name { $($name => Ok(Self::$variant),)* _ => Err(UnknownWord) }
            }
        }
    };
}

/// A word that is none of those that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of sender authentication")]
pub struct UnknownWord;

named! {
    /// How an evaluation ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    Verdict, "Every verdict.":
    /// There was nothing to evaluate: no record, no signature.
    #[default]
    None = "none",
    /// The domain says nothing either way; or a signature that says too little.
    Neutral = "neutral",
    /// It holds.
    Pass = "pass",
    /// It does not hold.
    Fail = "fail",
    /// The domain believes that it does not hold, but is not sure.
    SoftFail = "softfail",
    /// It holds, but is not enough for us: a key that is too short.
    Policy = "policy",
    /// It can't be said now: DNS did not answer, or it took too long.
    TempError = "temperror",
    /// It can't ever be said: a record or a signature is not what it has to be.
    PermError = "permerror",
}

/// SPF (RFC 7208).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpfResult {
    /// How it ended.
    pub verdict: Verdict,
    /// What of the envelope was looked at.
    pub identity: SpfIdentity,
    /// The domain of that identity; none where it is no domain.
    pub domain: Option<Domain>,
}

named! {
    /// What of the envelope SPF looks at: HELO where the reverse-path is empty (RFC 7208 §2.4).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    SpfIdentity, "Both identities.":
    /// The reverse-path.
    #[default]
    MailFrom = "mailfrom",
    /// The name that the client gave for itself.
    Helo = "helo",
}

/// One signature (RFC 6376).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DkimResult {
    /// How it ended.
    pub verdict: Verdict,
    /// Who signed, `d=`; none where the signature does not say so.
    pub domain: Option<Domain>,
    /// With which key, `s=`.
    pub selector: Option<String>,
    /// How, `a=`; none where it is none that there is.
    pub algorithm: Option<DkimAlgorithm>,
    /// A few words of ours, where it did not pass.
    pub reason: Option<String>,
}

named! {
    /// How a signature is made.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    DkimAlgorithm, "Every algorithm.":
    /// Of old; does not count (RFC 8301 §3.1).
    RsaSha1 = "rsa-sha1",
    /// RSA.
    RsaSha256 = "rsa-sha256",
    /// RFC 8463
    Ed25519Sha256 = "ed25519-sha256",
}

/// DMARC (RFC 7489).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DmarcResult {
    /// How it ended.
    pub verdict: Verdict,
    /// The domain in From; none where it names no single domain.
    pub from: Option<Domain>,
    /// What its owner asks for, where it has a record.
    pub request: Option<DmarcRequest>,
    /// Who passed and is aligned with From. Not empty exactly where the verdict is `pass`.
    pub aligned: Vec<Aligned>,
}

/// What the owner of a domain asks receivers to do with mail that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DmarcRequest {
    /// What to do: `sp=` where From is a subdomain of the domain with the record, else `p=`.
    pub policy: DmarcPolicy,
    /// To how many of 100 such messages, `pct=`.
    pub percent: u8,
}

impl DmarcRequest {
    /// What to do with one message, for a number drawn from 0 to 99 for it.
    // RFC 7489 §6.6.4: what is not in the sample gets the next weaker policy.
    pub const fn drawn(self, number: u8) -> DmarcPolicy {
        if number < self.percent {
            return self.policy;
        }
        match self.policy {
            DmarcPolicy::Reject => DmarcPolicy::Quarantine,
            DmarcPolicy::Quarantine | DmarcPolicy::None => DmarcPolicy::None,
        }
    }
}

named! {
    /// What to do with mail that fails, weakest first.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    DmarcPolicy, "Every policy.":
    /// Nothing.
    None = "none",
    /// Take it for suspicious.
    Quarantine = "quarantine",
    /// Refuse it.
    Reject = "reject",
}

/// An identifier that passed and belongs to the domain in From (RFC 7489 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aligned {
    /// The domain of the envelope.
    Spf(Domain),
    /// The domain of a signature.
    Dkim(Domain),
}

/// The chain of those who forwarded a message (RFC 8617).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArcResult {
    /// `none`, `pass` or `fail`; `temperror` where a key could not be had.
    pub verdict: Verdict,
    /// How many have sealed it.
    pub sets: u8,
    /// Who sealed it last.
    pub sealer: Option<Domain>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.name().parse(), Ok(*verdict));
        }
        for policy in DmarcPolicy::ALL {
            assert_eq!(policy.name().parse(), Ok(*policy));
        }
        for algorithm in DkimAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(*algorithm));
        }
        for identity in SpfIdentity::ALL {
            assert_eq!(identity.name().parse(), Ok(*identity));
        }
        assert_eq!("Pass".parse::<Verdict>(), Err(UnknownWord));
    }

    #[test]
    fn nothing_is_known_of_mail_that_was_not_looked_at() {
        let nothing = Authentication::default();
        assert_eq!(nothing.spf.verdict, Verdict::None);
        assert_eq!(nothing.dmarc.verdict, Verdict::None);
        assert_eq!(nothing.arc.verdict, Verdict::None);
        assert_eq!(nothing.dkim, []);
    }

    // RFC 7489 §6.6.4
    #[test]
    fn what_is_not_in_the_sample_gets_the_next_weaker_policy() {
        let check = |policy, percent, number, expected| {
            let request = DmarcRequest { policy, percent };
            assert_eq!(request.drawn(number), expected, "{request:?} {number}");
        };
        check(DmarcPolicy::Reject, 100, 99, DmarcPolicy::Reject);
        check(DmarcPolicy::Reject, 30, 29, DmarcPolicy::Reject);
        check(DmarcPolicy::Reject, 30, 30, DmarcPolicy::Quarantine);
        check(DmarcPolicy::Quarantine, 0, 0, DmarcPolicy::None);
        check(DmarcPolicy::None, 0, 0, DmarcPolicy::None);
    }
}
