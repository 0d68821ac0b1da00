//! Why there is no certificate for a host, whose fault that is, and for how long it is left alone then.

use std::time::Duration;

use postbell_model::retry::{Jitter, RetryPolicy};
use postbell_net::LookupError;
use postbell_net::acme::AcmeError;
use postbell_store::StoreError;

use super::terms::Terms;

/// A host without an address is looked for again this soon at the latest: it costs nobody anything.
const NO_ADDRESS_RETRY: Duration = Duration::from_mins(5);
/// What an authority may ask for: its limits are of hours, or a week.
const LEFT_ALONE_MAX: Duration = Duration::from_hours(8 * 24);

/// Why there is no certificate for a host.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCertificate {
    #[error(
        "the host has no address in the DNS ({0}); give it an A, AAAA or CNAME record that leads here"
    )]
    NoAddress(LookupError),
    #[error("{0}; {advice}", advice = .0.advice())]
    Acme(AcmeError),
    /// Whatever the host.
    #[error("there is no account: {0}; {advice}", advice = .0.advice())]
    Account(AcmeError),
    #[error("no listener proves the host to be ours; see tracking.acme.challenges")]
    NoWay,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it can't be sealed: {0}")]
    Sealing(#[from] postbell_store::SealError),
}

impl NoCertificate {
    /// Whether the account at the authority is to be made anew.
    pub(super) fn lost_account(&self) -> bool {
        matches!(self, Self::Acme(error) | Self::Account(error) if error.lost_account())
    }

    /// Whether another host would fare no better now.
    pub(super) fn is_of_all_hosts(&self) -> bool {
        let is_of_all = match self {
            Self::Acme(error) => error.is_of_all_hosts(),
            Self::Account(_) => true,
            Self::NoAddress(_) | Self::NoWay | Self::Store(_) | Self::Sealing(_) => false,
        };
        is_of_all && !self.lost_account()
    }

    /// Whether the host has failed by it. It has not where nobody has asked for it.
    pub(super) fn is_of_the_host(&self) -> bool {
        !matches!(self, Self::NoAddress(_)) && !self.is_of_all_hosts()
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoAddress(_) => "no_address",
            Self::Acme(error) | Self::Account(error) => error.reason(),
            Self::NoWay => "no_challenge",
            Self::Store(_) => "not_kept",
            Self::Sealing(_) => "not_sealed",
        }
    }
}

/// How long to wait after so many failures in a row, and longer where the authority says so.
pub(super) fn pause(why: &NoCertificate, failures: u32, terms: &Terms, jitter: Jitter) -> Duration {
    let policy = RetryPolicy {
        first: terms.options.first_retry,
        longest: terms.options.longest_retry,
        max_retries: None,
        expire_after: Duration::MAX,
    };
    if why.lost_account() && failures <= 1 {
        // Another account is made with the next order.
        return Duration::ZERO;
    }
    let times = if why.is_of_the_host() { failures } else { 1 };
    let pause = jitter.apply(policy.interval(times));
    match why {
        NoCertificate::NoAddress(_) => pause.min(NO_ADDRESS_RETRY),
        NoCertificate::Acme(error) | NoCertificate::Account(error) => {
            let asked = error.retry_after().unwrap_or_default();
            pause.max(asked.min(LEFT_ALONE_MAX))
        }
        NoCertificate::NoWay | NoCertificate::Store(_) | NoCertificate::Sealing(_) => pause,
    }
}
