//! Which hosts certificates are for: those that links in mail lead to.

use std::collections::{BTreeSet, HashSet};

use postbell_api::tracking::TrackingOptions;
use postbell_model::Domain;
use postbell_store::{Directory, HostCertificate};

/// The hosts of links, by name: those of all domains; or the one that serves them all, and of theirs such as
/// have had a certificate, since links of earlier mail lead there.
pub(crate) fn tracking_hosts(
    directory: &Directory,
    base_host: Option<&Domain>,
    known: &[HostCertificate],
) -> Vec<Domain> {
    let had = known.iter().filter(|known| known.certificate.is_some());
    let had: HashSet<_> = had.map(|known| &known.host).collect();
    let hosts = directory.tracking_hosts();
    let hosts = hosts.filter(|host| base_host.is_none() || had.contains(host));
    let hosts = hosts.chain(base_host).cloned();
    hosts.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The host of `tracking.base_url`, where it is one that needs a certificate.
pub(crate) fn base_host(options: &TrackingOptions) -> Option<Domain> {
    let rest = options.base_url.as_deref()?.strip_prefix("https://")?;
    let host = rest.split_once(':').map_or(rest, |(host, _)| host);
    // An address has no certificate of this kind.
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    Domain::parse(host).ok()
}
