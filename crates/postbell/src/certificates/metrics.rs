//! What is counted of certificates that are asked for.

use std::collections::HashMap;

use postbell_model::{Domain, Timestamp};
use postbell_net::acme::AcmeOptions;
use postbell_store::HostCertificate;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::standing::Standing;

/// The counters. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CertificateMetrics {
    orders: Family<Ordered, Counter>,
    hosts: Family<Stands, Gauge>,
    soonest: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ordered {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stands {
    state: &'static str,
}

impl CertificateMetrics {
    /// Names what is counted in a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.orders
            .get_or_create(&Ordered { outcome: "issued" })
            .inc_by(0);
        self.count([("valid", 0), ("overdue", 0), ("missing", 0)]);
        registry.register(
            "postbell_acme_orders",
            "Certificates that were asked for, by outcome: issued, or why not",
            self.orders.clone(),
        );
        registry.register(
            "postbell_acme_hosts",
            "Hosts that certificates are asked for, by how they stand: valid, overdue, missing",
            self.hosts.clone(),
        );
        registry.register(
            "postbell_acme_soonest_expiry_timestamp_seconds",
            "When the first of the certificates that were asked for ends, in seconds since 1970; 0: there is none",
            self.soonest.clone(),
        );
    }

    pub(super) fn ordered(&self, outcome: &'static str) {
        self.orders.get_or_create(&Ordered { outcome }).inc();
    }

    /// How the hosts stand that certificates are asked for.
    pub(super) fn stand(
        &self,
        hosts: &[Domain],
        known: &HashMap<Domain, HostCertificate>,
        (options, now): (&AcmeOptions, Timestamp),
    ) {
        let mut counts = [("valid", 0), ("overdue", 0), ("missing", 0)];
        let mut soonest: Option<Timestamp> = None;
        for host in hosts {
            let known = known.get(host);
            let standing = Standing::of(known, options, now);
            for (state, count) in &mut counts {
                *count += i64::from(*state == standing.name());
            }
            let ends = known.and_then(|known| known.certificate.as_ref());
            soonest = soonest
                .into_iter()
                .chain(ends.map(|kept| kept.expires_at))
                .min();
        }
        self.count(counts);
        self.soonest.set(soonest.map_or(0, Timestamp::as_seconds));
    }

    fn count(&self, counts: [(&'static str, i64); 3]) {
        for (state, count) in counts {
            self.hosts.get_or_create(&Stands { state }).set(count);
        }
    }
}
