//! The `[tracking.acme]` section.

use std::path::PathBuf;
use std::time::Duration;

use postbell_model::Timestamp;
use serde::Deserialize;

/// The `[tracking.acme]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeOptions {
    /// The address of the authority's directory; `None`: no certificate is asked for.
    pub directory: Option<String>,
    /// Whom the authority may write to: `mailto:` addresses.
    pub contact: Vec<String>,
    /// Whether the operator has agreed to the authority's terms.
    pub accept_terms: bool,
    /// How a host is proved to be ours, the first choice first.
    pub challenges: Vec<ChallengeKind>,
    /// The certificate authorities of the directory itself, where they are not the system's.
    pub ca_file: Option<PathBuf>,
    /// How long before its end a certificate is renewed; `None`: when two thirds of its life are over.
    pub renew_before: Option<Duration>,
    /// Certificates that are asked for within an hour, at most.
    pub max_orders_per_hour: u32,
    /// How long an order may take.
    pub order_timeout: Duration,
    /// From the first failure to the next try.
    pub first_retry: Duration,
    /// No pause between two tries is longer.
    pub longest_retry: Duration,
}

/// How a host is proved to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ChallengeKind {
    /// Over HTTP, on port 80 (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// In a TLS handshake, on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl ChallengeKind {
    /// `http-01`, `tls-alpn-01`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

impl AcmeOptions {
    /// When a certificate of this life is renewed.
    pub fn renew_at(&self, issued_at: Timestamp, expires_at: Timestamp) -> Timestamp {
        let life = expires_at.since(issued_at);
        let third = life / 3;
        // One that would have to be renewed as soon as it is there would be renewed without end.
        let before = match self.renew_before {
            Some(before) if before < life => before,
            _ => third,
        };
        expires_at.before(before)
    }

    /// How a host is proved after so many failures in a row: each way in its turn.
    pub fn challenge_after(
        &self,
        failures: u32,
        usable: &[ChallengeKind],
    ) -> Option<ChallengeKind> {
        let mut wanted = self.challenges.clone();
        wanted.retain(|kind| usable.contains(kind));
        let nth = usize::try_from(failures).unwrap_or(usize::MAX);
        wanted.get(nth.checked_rem(wanted.len())?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn options(renew_before: Option<Duration>) -> AcmeOptions {
        AcmeOptions {
            directory: None,
            contact: Vec::new(),
            accept_terms: false,
            challenges: vec![ChallengeKind::TlsAlpn01, ChallengeKind::Http01],
            ca_file: None,
            renew_before,
            max_orders_per_hour: 1,
            order_timeout: DAY,
            first_retry: DAY,
            longest_retry: DAY,
        }
    }

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
        let issued = Timestamp::from_micros(1_800_000_000_000_000);
        for (renew_before, life, days) in [
            (None, 90, 60),
            (None, 6, 4),
            (Some(20), 90, 70),
            // Longer than it lives.
            (Some(20), 6, 4),
        ] {
            let options = options(renew_before.map(|days: u32| DAY * days));
            let at = options.renew_at(issued, issued.after(DAY * life));
            assert_eq!(at, issued.after(DAY * days), "{renew_before:?} {life}");
        }
    }

    #[test]
    fn each_way_of_proving_has_its_turn() {
        use ChallengeKind::{Http01, TlsAlpn01};
        let turns = |usable: &[_]| [0, 1, 2].map(|n| options(None).challenge_after(n, usable));
        let both = [Some(TlsAlpn01), Some(Http01), Some(TlsAlpn01)];
        assert_eq!(turns(&[Http01, TlsAlpn01]), both);
        assert_eq!(turns(&[Http01]), [Some(Http01); 3]);
        assert_eq!(turns(&[]), [None; 3]);
    }
}
