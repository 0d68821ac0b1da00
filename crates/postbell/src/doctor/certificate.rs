//! How long the certificates of the listeners hold, and whether their keys fit.

use std::time::Duration;

use postbell_model::Timestamp;
use postbell_net::{CertificateFiles, ServerTls, valid_until};

use super::check::Check;
use crate::config::{Config, tracking};

const NAME: &str = "certificate";
const DAY: Duration = Duration::from_hours(24);
/// Those who renew by program do so a month before the end.
const SOON: Duration = Duration::from_hours(24 * 14);

pub(super) fn look(config: &Config, now: Timestamp) -> Vec<Check> {
    let mut checks = of_server(config, now);
    for entry in tracking::files(&config.tracking) {
        checks.extend(of_files(entry.files, "tracking.certificate", now));
    }
    checks
}

fn of_server(config: &Config, now: Timestamp) -> Vec<Check> {
    let Some(files) = config.tls.files() else {
        let found = "none is configured: passwords and mail come in over loopback alone";
        let advice = "set tls.certificate and tls.key before clients come from elsewhere";
        return vec![Check::warning(NAME, found, advice)];
    };
    of_files(files, "tls.certificate", now)
}

fn of_files(files: CertificateFiles, set_at: &str, now: Timestamp) -> Vec<Check> {
    let file = files.certificate.display().to_string();
    let until = match valid_until(&files.certificate) {
        Ok(until) => until,
        Err(error) => {
            let advice = format!("put a certificate in PEM there ({set_at})");
            return vec![Check::fault(NAME, format!("{file}: {error}"), advice)];
        }
    };
    let key = match ServerTls::load(files) {
        Ok(_) => Check::ok("its key", "belongs to the certificate"),
        Err(error) => {
            let advice = "put the key of this certificate there (the key beside it)";
            Check::fault("its key", error.to_string(), advice)
        }
    };
    vec![days_left(&file, until, now), key]
}

fn days_left(file: &str, until: Timestamp, now: Timestamp) -> Check {
    let left = until.since(now);
    let days = left.as_secs() / DAY.as_secs();
    let renew = "renew it; the new one is taken up without a restart";
    if left.is_zero() {
        return Check::fault(NAME, format!("{file} ended at {until}"), renew);
    }
    let found = format!("{file} holds for {days} days more");
    if left < SOON {
        return Check::warning(NAME, found, renew);
    }
    Check::ok(NAME, found)
}

#[cfg(test)]
mod tests {
    use super::super::check::Mark;
    use super::*;

    #[test]
    fn the_end_is_told_two_weeks_before() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        for (left, mark) in [
            (DAY * 90, Mark::Ok),
            (DAY * 13, Mark::Warning),
            (Duration::ZERO, Mark::Fault),
        ] {
            assert_eq!(days_left("x.pem", now.after(left), now).mark, mark);
        }
        assert_eq!(days_left("x.pem", now, now.after(DAY)).mark, Mark::Fault);
    }
}
