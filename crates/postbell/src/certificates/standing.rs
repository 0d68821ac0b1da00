//! How a host stands with its certificate.

use std::time::Duration;

use postbell_model::Timestamp;
use postbell_net::acme::AcmeOptions;
use postbell_store::HostCertificate;

/// From the moment of renewal on, this much of the time that is left may pass before it is told.
const PATIENCE: u32 = 4;

/// How a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has none that holds.
    Missing,
    /// It has one, which is renewed at a time.
    Valid {
        until: Timestamp,
        renew_at: Timestamp,
    },
    /// It has one, and should have had another for a while.
    Overdue { until: Timestamp },
}

impl Standing {
    /// That of a host, or of one that nobody knows of yet.
    pub(crate) fn of(
        known: Option<&HostCertificate>,
        options: &AcmeOptions,
        now: Timestamp,
    ) -> Self {
        let Some(kept) = known.and_then(|known| known.certificate.as_ref()) else {
            return Self::Missing;
        };
        let until = kept.expires_at;
        if until <= now {
            return Self::Missing;
        }
        let renew_at = options.renew_at(kept.issued_at, until);
        let patience: Duration = until.since(renew_at) / PATIENCE;
        if renew_at.after(patience) < now {
            return Self::Overdue { until };
        }
        Self::Valid { until, renew_at }
    }

    /// Whether another certificate is to be asked for now.
    pub(crate) fn is_due(
        known: Option<&HostCertificate>,
        options: &AcmeOptions,
        now: Timestamp,
    ) -> bool {
        let Some(known) = known else { return true };
        let is_early = known.retry_at.is_some_and(|at| at > now);
        let is_held = known.held_until.is_some_and(|until| until > now);
        if is_early || is_held {
            return false;
        }
        match Self::of(Some(known), options, now) {
            Self::Missing | Self::Overdue { .. } => true,
            Self::Valid { renew_at, .. } => {
                known.is_wanted || renew_at <= now || is_of_another(known, options)
            }
        }
    }

    /// `missing`, `valid`, `overdue`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Valid { .. } => "valid",
            Self::Overdue { .. } => "overdue",
        }
    }
}

/// Whether it comes from another authority than the one that is asked now, perhaps one for trials.
fn is_of_another(known: &HostCertificate, options: &AcmeOptions) -> bool {
    let (kept, asked) = (known.certificate.as_ref(), options.directory.as_ref());
    kept.zip(asked)
        .is_some_and(|(kept, asked)| kept.authority != *asked)
}

#[cfg(test)]
pub(crate) mod tests {
    use postbell_model::Domain;
    use postbell_store::KeptCertificate;

    use super::*;
    use crate::config;

    pub(crate) const DAY: Duration = Duration::from_hours(24);
    pub(crate) const ISSUED: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn options() -> AcmeOptions {
        config::load(&config::Sources::default())
            .unwrap()
            .config
            .tracking
            .acme
    }

    /// One that holds for 90 days.
    pub(crate) fn kept() -> HostCertificate {
        HostCertificate {
            host: Domain::parse("track.acme.example").unwrap(),
            certificate: Some(KeptCertificate {
                authority: "https://ca.example/".to_owned(),
                chain: String::new(),
                sealed: Vec::new(),
                issued_at: ISSUED,
                expires_at: ISSUED.after(DAY * 90),
            }),
            failures: 0,
            fault: None,
            retry_at: None,
            is_wanted: false,
            held_until: None,
            retired_at: None,
        }
    }

    #[test]
    fn a_host_has_its_certificate_renewed_in_time() {
        for (day, name, is_due) in [
            (0, "valid", false),
            (59, "valid", false),
            (60, "valid", true),
            (67, "valid", true),
            (68, "overdue", true),
            (90, "missing", true),
        ] {
            let now = ISSUED.after(DAY * day);
            let standing = Standing::of(Some(&kept()), &options(), now);
            assert_eq!(standing.name(), name, "day {day}");
            let due = Standing::is_due(Some(&kept()), &options(), now);
            assert_eq!(due, is_due, "day {day}");
        }
        assert!(Standing::is_due(None, &options(), ISSUED));
    }

    #[test]
    fn who_has_failed_waits_and_who_is_wanted_does_not() {
        let now = ISSUED.after(DAY);
        let wanted = HostCertificate {
            is_wanted: true,
            ..kept()
        };
        assert!(Standing::is_due(Some(&wanted), &options(), now));
        let failed = HostCertificate {
            certificate: None,
            retry_at: Some(now.after(DAY)),
            ..kept()
        };
        assert!(!Standing::is_due(Some(&failed), &options(), now));
        let later = now.after(DAY);
        assert!(Standing::is_due(Some(&failed), &options(), later));
        let held = HostCertificate {
            held_until: Some(now.after(DAY)),
            ..wanted
        };
        assert!(!Standing::is_due(Some(&held), &options(), now));
    }
}
