//! Which hosts certificates are for: those that links in mail lead to, and those that they led to while there may
//! still be somebody who clicks on one.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use postbell_api::tracking::TrackingOptions;
use postbell_model::{Domain, Timestamp};
use postbell_store::{Certificates, Directory, HostCertificate, StoreError};

use crate::config::Config;

/// Which hosts links are at, and for how long they stay good.
#[derive(Debug)]
pub(crate) struct LinkHosts {
    /// The host of all links, where there is one for all domains.
    pub(super) base: Option<Domain>,
    /// How long anything is known of a delivery; `None`: for ever.
    pub(super) kept: Option<Duration>,
}

impl LinkHosts {
    pub(crate) fn of(config: &Config) -> Self {
        let retention = &config.retention;
        Self {
            base: base_host(&config.tracking),
            kept: retention
                .messages
                .zip(retention.slim)
                .map(|(a, b)| a.max(b)),
        }
    }

    /// The hosts of links, by name: those of all domains, or the one that serves them all, and of theirs such as
    /// have had a certificate; and those that were such hosts, as long as they have one that holds. The last go
    /// once their links are of no use.
    pub(crate) fn list(
        &self,
        directory: &Directory,
        known: &[HostCertificate],
        now: Timestamp,
    ) -> Vec<Domain> {
        let had = known.iter().filter(|known| known.certificate.is_some());
        let had: HashSet<_> = had.map(|known| &known.host).collect();
        let hosts = directory.tracking_hosts();
        let hosts = hosts.filter(|host| self.base.is_none() || had.contains(host));
        let retired = known.iter().filter(|known| {
            let is_shown = known.certificate.as_ref();
            let is_shown = is_shown.is_some_and(|kept| kept.expires_at > now);
            is_shown && !self.is_over(known, now) && self.is_retired(directory, &known.host)
        });
        let hosts = hosts.chain(retired.map(|known| &known.host));
        let hosts = hosts.chain(&self.base).cloned();
        hosts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether no new link is at a host.
    pub(crate) fn is_retired(&self, directory: &Directory, host: &Domain) -> bool {
        self.base.as_ref() != Some(host) && directory.domain_tracked_at(host).is_none()
    }

    fn is_over(&self, known: &HostCertificate, now: Timestamp) -> bool {
        let ends = known.retired_at.zip(self.kept);
        ends.is_some_and(|(at, kept)| at.after(kept) <= now)
    }

    /// Writes down which hosts no new link is at from now on, and which are such hosts again.
    pub(super) async fn note_retired(
        &self,
        store: &(impl Certificates + ?Sized),
        (directory, known): (&Directory, &[HostCertificate]),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = |is_retired: bool| {
            let changed = known.iter().filter(move |known| {
                known.certificate.is_some()
                    && known.retired_at.is_some() != is_retired
                    && self.is_retired(directory, &known.host) == is_retired
            });
            changed.map(|known| known.host.clone()).collect::<Vec<_>>()
        };
        for (hosts, at) in [(changed(true), Some(now)), (changed(false), None)] {
            if !hosts.is_empty() {
                store.retire_certificates(&hosts, at).await?;
            }
        }
        Ok(())
    }
}

/// The host of `tracking.base_url`, where it is one that needs a certificate.
fn base_host(options: &TrackingOptions) -> Option<Domain> {
    let rest = options.base_url.as_deref()?.strip_prefix("https://")?;
    let host = rest.split_once(':').map_or(rest, |(host, _)| host);
    // An address has no certificate of this kind.
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    Domain::parse(host).ok()
}
