//! Why there is no certificate, in words for an operator.

use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::HttpError;

// What an authority says is kept and shown.
const DETAIL_MAX: usize = 600;
const PREFIX: &str = "urn:ietf:params:acme:error:";

/// There is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcmeError {
    /// The authority said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The authority can't be asked.
    #[error("the authority can't be asked: {0}")]
    Unreachable(HttpError),
    /// It proves hosts by other ways than those that are wanted.
    #[error("the authority does not offer the challenge {0}")]
    NoChallenge(&'static str),
    /// The order was not done in time.
    #[error("the order was not done within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer is none that RFC 8555 knows.
    #[error("the authority's answer can't be understood: {0}")]
    Nonsense(String),
    /// What came is no certificate that can be shown for the host.
    #[error("what the authority gave can't be used: {0}")]
    Unusable(String),
    /// The account that was kept can't be read.
    #[error("the account at the authority can't be used: {0}")]
    BadAccount(String),
    /// The proof can't be put where the authority looks for it.
    #[error("the proof can't be shown: {0}")]
    NotShown(String),
}

/// A problem document (RFC 8555 §6.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its type without the common prefix: `rateLimited`.
    pub kind: Option<String>,
    /// What it says.
    pub detail: String,
    /// For how long it wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Some(kind) => write!(f, "the authority says: {} ({kind})", self.detail),
            None => write!(f, "the authority says: {}", self.detail),
        }
    }
}

impl Refusal {
    pub(super) fn of(problem: &Problem, retry_after: Option<Duration>) -> Self {
        let mut detail = problem.detail.clone().unwrap_or_default();
        for sub in &problem.subproblems {
            let said = sub.detail.as_deref().unwrap_or_default();
            if !said.is_empty() && !detail.contains(said) {
                detail = format!("{detail}; {said}");
            }
        }
        if detail.is_empty() {
            "nothing more".clone_into(&mut detail);
        }
        let kind = problem.r#type.as_deref();
        Self {
            kind: kind.map(|kind| plain(kind.strip_prefix(PREFIX).unwrap_or(kind))),
            detail: plain(&detail),
            retry_after,
        }
    }
}

/// On one line, and no longer than anybody reads.
fn plain(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(printable).take(DETAIL_MAX).collect()
}

impl AcmeError {
    pub(super) fn of(error: Error, retry_after: Option<Duration>) -> Self {
        match error {
            Error::Api(problem) => Self::Refused(Refusal::of(&problem, retry_after)),
            Error::Other(error) => match error.downcast::<HttpError>() {
                Ok(error) => Self::Unreachable(*error),
                Err(error) => Self::Nonsense(plain(&error.to_string())),
            },
            error => Self::Nonsense(plain(&error.to_string())),
        }
    }

    /// Before a host is looked at, `unauthorized` is about the account: it was deactivated (RFC 8555 §7.3.6).
    pub(super) fn of_the_account(self) -> Self {
        match self {
            Self::Refused(refusal) if refusal.reason() == "unauthorized" => {
                Self::BadAccount(refusal.to_string())
            }
            other => other,
        }
    }

    /// A word for it, to be counted by: the type of a problem, where it is one of RFC 8555.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Unreachable(_) => "unreachable",
            Self::NoChallenge(_) => "no_challenge",
            Self::TimedOut(_) => "timed_out",
            Self::Nonsense(_) => "nonsense",
            Self::Unusable(_) => "unusable",
            Self::BadAccount(_) => "account",
            Self::NotShown(_) => "not_shown",
        }
    }

    /// What an operator can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.advice(),
            Self::Unreachable(HttpError::Forbidden(_)) => {
                "allow its network in guard.allow_acme, if it is yours"
            }
            Self::Unreachable(HttpError::Tls(_)) => {
                "name its certificate authority in tracking.acme.ca_file, if it is yours"
            }
            Self::Unreachable(_) => "see that tracking.acme.directory can be reached from here",
            Self::NoChallenge(_) => "choose another in tracking.acme.challenges",
            Self::Nonsense(_) => {
                "see that tracking.acme.directory is the directory of an ACME server"
            }
            Self::TimedOut(_) | Self::Unusable(_) | Self::NotShown(_) => {
                "it is tried again by itself"
            }
            Self::BadAccount(_) => "another account is made by itself",
        }
    }

    /// For how long the authority wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// Whether another host would fare no better now.
    pub fn is_of_all_hosts(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::BadAccount(_) | Self::NotShown(_) => true,
            Self::Refused(refusal) => matches!(
                refusal.reason(),
                "account_does_not_exist"
                    | "external_account_required"
                    | "server_internal"
                    | "invalid_contact"
                    | "unsupported_contact"
                    | "user_action_required"
            ),
            Self::NoChallenge(_) | Self::TimedOut(_) | Self::Nonsense(_) | Self::Unusable(_) => {
                false
            }
        }
    }

    /// Whether the account is not known any more: another has to be made.
    pub fn lost_account(&self) -> bool {
        match self {
            Self::BadAccount(_) => true,
            Self::Refused(refusal) => refusal.reason() == "account_does_not_exist",
            _ => false,
        }
    }
}

impl Refusal {
    /// RFC 8555 §6.7.
    fn reason(&self) -> &'static str {
        match self.kind.as_deref().unwrap_or_default() {
            "accountDoesNotExist" => "account_does_not_exist",
            "badNonce" => "bad_nonce",
            "caa" => "caa",
            "connection" => "connection",
            "dns" => "dns",
            "externalAccountRequired" => "external_account_required",
            "incorrectResponse" => "incorrect_response",
            "invalidContact" => "invalid_contact",
            "rateLimited" => "rate_limited",
            "rejectedIdentifier" => "rejected_identifier",
            "serverInternal" => "server_internal",
            "tls" => "tls",
            "unauthorized" => "unauthorized",
            "unsupportedContact" => "unsupported_contact",
            "userActionRequired" => "user_action_required",
            _ => "refused",
        }
    }

    fn advice(&self) -> &'static str {
        match self.reason() {
            "caa" => "let the CAA record of the domain name this authority, or no one",
            "connection" => {
                "see that the host's address is ours, and that port 80 (http-01) or 443 (tls-alpn-01) \
                 is open to everybody"
            }
            "dns" => "give the host an A, AAAA or CNAME record that leads here",
            "tls" => {
                "see that nothing between the world and us ends TLS on port 443, or choose http-01"
            }
            "incorrect_response" | "unauthorized" => {
                "something else answers for the host: see where its records lead"
            }
            "rate_limited" => "it is tried again when the authority allows it",
            "rejected_identifier" => "this authority gives no certificate for such a name",
            "external_account_required" => {
                "choose an authority that gives accounts to everybody; this one wants one made elsewhere"
            }
            "invalid_contact" | "unsupported_contact" => "correct tracking.acme.contact",
            "user_action_required" => "read what the authority wants, and agree to it",
            _ => "it is tried again by itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_problem_is_told_in_one_line_with_what_to_do() {
        let problem = problem(
            r#"{"type": "urn:ietf:params:acme:error:connection", "status": 400,
                "detail": "192.0.2.1: Fetching http://h.example/:\nTimeout",
                "subproblems": [{"type": "x", "detail": "and more"}]}"#,
        );
        let error = AcmeError::of(Error::Api(problem), Some(Duration::from_secs(9)));
        assert_eq!(
            error.to_string(),
            "the authority says: 192.0.2.1: Fetching http://h.example/: Timeout; and more (connection)"
        );
        assert_eq!(error.reason(), "connection");
        assert!(error.advice().contains("port 80"), "{}", error.advice());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
        assert!(!error.is_of_all_hosts() && !error.lost_account());
    }

    #[test]
    fn what_nobody_knows_is_told_as_it_is() {
        let strange = AcmeError::of(Error::Api(problem(r#"{"type": "urn:x:odd"}"#)), None);
        assert_eq!(
            strange.to_string(),
            "the authority says: nothing more (urn:x:odd)"
        );
        assert_eq!(strange.reason(), "refused");
        let far = HttpError::TimedOut(Duration::from_secs(1));
        let far = AcmeError::of(Error::Other(Box::new(far)), None);
        assert_eq!(far.reason(), "unreachable");
        assert!(far.is_of_all_hosts());
        let kind = format!(r#"{{"type": "{PREFIX}accountDoesNotExist", "detail": "who?"}}"#);
        let lost = AcmeError::of(Error::Api(problem(&kind)), None);
        assert!(lost.lost_account() && lost.is_of_all_hosts());
    }
}
