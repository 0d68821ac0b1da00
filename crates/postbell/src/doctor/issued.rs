//! Certificates that the server asks for itself: until when they hold, what has failed, what to do.

use postbell_model::{Domain, Timestamp};
use postbell_net::acme::AcmeOptions;
use postbell_store::HostCertificate;

use super::check::Check;
use super::setup::{Setup, told};
use crate::certificates::{LinkHosts, Standing};
use crate::config::Config;
use crate::config::tracking::files;
use crate::console::until;

const NAME: &str = "certificates";

/// One line for those that hold, and one for each that does not.
pub(super) fn look(config: &Config, setup: &Setup, now: Timestamp) -> Vec<Check> {
    let Some(directory) = &setup.directory else {
        return Vec::new();
    };
    let tracking = &config.tracking;
    if tracking.acme.directory.is_none() {
        return Vec::new();
    }
    let files = files(tracking);
    let mut hosts = LinkHosts::of(config).list(directory, &setup.certificates, now);
    hosts.retain(|host| !files.iter().any(|file| file.is_for(host.as_str())));
    let troubled = hosts.iter().filter_map(|host| {
        let known = setup.certificates.iter().find(|known| known.host == *host);
        check(host, known, (&tracking.acme, now))
    });
    told(
        NAME,
        troubled.collect(),
        hosts.len(),
        "valid and renewed in time",
    )
}

/// What is wrong with a host's certificate.
fn check(
    host: &Domain,
    known: Option<&HostCertificate>,
    (options, now): (&AcmeOptions, Timestamp),
) -> Option<Check> {
    let fault = known.and_then(|known| known.fault.as_ref());
    let why = match (fault, known.and_then(|known| known.retry_at)) {
        (Some(fault), Some(at)) => format!("{} (tried again {})", fault.text, until(at, now)),
        (Some(fault), None) => fault.text.clone(),
        (None, _) => "none was asked for yet".to_owned(),
    };
    let advice = format!("then `postbell certificate renew {host}`, or wait");
    match Standing::of(known, options, now) {
        Standing::Missing if fault.is_none() => {
            let found = format!("{host} has none yet");
            let advice = "a running server asks for it within a minute";
            Some(Check::warning(NAME, found, advice))
        }
        Standing::Missing => {
            let found = format!("{host} has none that holds: {why}");
            Some(Check::fault(NAME, found, advice))
        }
        Standing::Overdue { until: end } => {
            let found = format!(
                "that of {host} ends {} and is not renewed: {why}",
                until(end, now)
            );
            Some(Check::warning(NAME, found, advice))
        }
        Standing::Valid { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use postbell_store::OrderFault;

    use super::super::check::Mark;
    use super::*;
    use crate::certificates::standings::{DAY, ISSUED, kept};
    use crate::config;

    fn looked(known: Option<&HostCertificate>, day: u32) -> Option<Check> {
        let config = config::load(&config::Sources::default()).unwrap().config;
        let host = Domain::parse("track.acme.example").unwrap();
        let now = ISSUED.after(DAY * day);
        check(&host, known, (&config.tracking.acme, now))
    }

    #[test]
    fn what_has_failed_is_told_with_what_to_do() {
        let mut known = HostCertificate {
            failures: 3,
            fault: Some(OrderFault {
                text: "nobody listens there".to_owned(),
                at: ISSUED,
            }),
            retry_at: Some(ISSUED.after(DAY * 100)),
            ..kept()
        };
        assert_eq!(looked(Some(&known), 1), None);
        let late = looked(Some(&known), 80).unwrap();
        assert_eq!(late.mark, Mark::Warning);
        assert!(late.found.contains("ends in 10d"), "{}", late.found);
        let ended = looked(Some(&known), 95).unwrap();
        assert_eq!(ended.mark, Mark::Fault);
        let expected = "nobody listens there (tried again in 5d)";
        assert!(ended.found.ends_with(expected), "{}", ended.found);
        known.certificate = None;
        known.fault = None;
        assert_eq!(looked(Some(&known), 0).unwrap().mark, Mark::Warning);
        assert_eq!(looked(None, 0).unwrap().mark, Mark::Warning);
    }
}
