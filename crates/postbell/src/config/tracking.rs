//! What must hold of the `[tracking]` section, and what its files are.

use postbell_api::tracking::TrackingOptions;
use postbell_model::Domain;
use postbell_net::acme::ChallengeKind;
use postbell_net::http::check_url;
use postbell_net::{CertificateFiles, HostFiles};

use super::sections::Config;
use super::validate::Rules;

/// A head that is longer is no address of ours.
const HEAD_MAX: usize = 1 << 20;
/// What the longest link needs.
const HEAD_MIN: usize = 8 << 10;

/// The certificates of tracking hosts.
pub(crate) fn files(options: &TrackingOptions) -> Vec<HostFiles> {
    let entries = options.certificate.iter().map(|entry| HostFiles {
        hosts: entry.hosts.iter().map(|host| written_alike(host)).collect(),
        files: CertificateFiles {
            certificate: entry.certificate.clone(),
            key: entry.key.clone(),
        },
    });
    entries.collect()
}

/// In A-labels and lower case, as clients ask for it.
fn written_alike(host: &str) -> String {
    let (star, name) = host
        .strip_prefix("*.")
        .map_or(("", host), |name| ("*.", name));
    let name = Domain::parse(name).map_or_else(|_| name.to_owned(), |name| name.to_string());
    format!("{star}{name}")
}

impl Rules {
    pub(super) fn tracking(&mut self, config: &Config) {
        let tracking = &config.tracking;
        self.proxies("tracking", &tracking.proxy_from);
        for (index, entry) in tracking.certificate.iter().enumerate() {
            let key = format!("tracking.certificate[{index}].hosts");
            if entry.hosts.is_empty() {
                self.broken(&key, "must name a host at least");
            }
            for host in &entry.hosts {
                let name = host.strip_prefix("*.").unwrap_or(host);
                if let Err(error) = Domain::parse(name) {
                    self.broken(&key, format!("\"{host}\": {error}"));
                }
            }
        }
        let has_certificate = !tracking.certificate.is_empty() || config.tls.files().is_some();
        let gets_one = tracking.acme.directory.is_some();
        if !tracking.listen_tls.is_empty() && !has_certificate && !gets_one {
            let message = "needs a certificate; set [[tracking.certificate]], tracking.acme.directory, or \
                tls.certificate and tls.key";
            self.broken("tracking.listen_tls", message);
        }
        if tracking
            .base_url
            .as_deref()
            .is_some_and(|base| !is_base(base))
        {
            let message =
                "must be a scheme and a host, such as \"https://t.example.com\", without a path";
            self.broken("tracking.base_url", message);
        }
        if !(HEAD_MIN..=HEAD_MAX).contains(&tracking.limits.max_head) {
            self.broken(
                "tracking.limits.max_head",
                "must be 8 KiB or more, and 1 MiB or less",
            );
        }
        self.acme(tracking);
    }

    fn acme(&mut self, tracking: &TrackingOptions) {
        let acme = &tracking.acme;
        self.in_order(
            ("tracking.acme.first_retry", acme.first_retry),
            ("tracking.acme.longest_retry", acme.longest_retry),
        );
        for (index, contact) in acme.contact.iter().enumerate() {
            if !contact.starts_with("mailto:") {
                let key = format!("tracking.acme.contact[{index}]");
                self.broken(&key, "must begin with \"mailto:\"");
            }
        }
        let Some(directory) = &acme.directory else {
            return;
        };
        let key = "tracking.acme.directory";
        let url = directory.parse().map_err(|_| "it is no address");
        if let Err(reason) = url.and_then(|url| check_url(&url)) {
            self.broken(key, format!("can't be asked: {reason}"));
        } else if !directory.starts_with("https://") {
            self.broken(key, "must begin with \"https://\"");
        }
        if !acme.accept_terms {
            let message =
                "must be true before a certificate is asked for: read the authority's terms";
            self.broken("tracking.acme.accept_terms", message);
        }
        if tracking.listen_tls.is_empty() {
            self.broken(
                key,
                "gives certificates that nobody sees; set tracking.listen_tls",
            );
        }
        let mut usable = acme.challenges.iter().filter(|kind| match kind {
            ChallengeKind::Http01 => !tracking.listen.is_empty(),
            ChallengeKind::TlsAlpn01 => !tracking.listen_tls.is_empty(),
        });
        if usable.next().is_none() && !tracking.listen_tls.is_empty() {
            let message = "must have one with a listener: \"http-01\" needs tracking.listen, \
                \"tls-alpn-01\" needs tracking.listen_tls";
            self.broken("tracking.acme.challenges", message);
        }
    }
}

/// `http://127.0.0.1:8080`
fn is_base(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_scheme_and_a_host() {
        for good in [
            "http://127.0.0.1:8080",
            "https://t.example.com",
            "http://[::1]:80",
        ] {
            assert!(is_base(good), "{good}");
        }
        for bad in [
            "",
            "t.example.com",
            "https://",
            "https://t.example.com/",
            "https://a b",
            "ftp://a",
        ] {
            assert!(!is_base(bad), "{bad}");
        }
    }

    #[test]
    fn hosts_are_written_as_clients_ask_for_them() {
        assert_eq!(written_alike("*.Bücher.example"), "*.xn--bcher-kva.example");
        assert_eq!(written_alike("Track.Acme.example"), "track.acme.example");
    }
}
