//! What is counted of questions to the DNS.

use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::LookupError;

/// Seconds of a look-up, which may take several questions of 5 seconds.
const LOOKUPS: [f64; 12] = [
    0.000_1, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0,
];

/// The counters of a resolver. Clones share them.
#[derive(Debug, Clone)]
pub struct DnsMetrics {
    lookups: Family<LookedUp, Counter>,
    durations: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookedUp {
    record: &'static str,
    result: &'static str,
}

impl Default for DnsMetrics {
    fn default() -> Self {
        Self {
            lookups: Family::default(),
            durations: Histogram::new(LOOKUPS),
        }
    }
}

impl DnsMetrics {
    /// Names the counters in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_dns_lookups",
            "Questions to the DNS, answered from memory or not, by record type and result",
            self.lookups.clone(),
        );
        registry.register(
            "postbell_dns_lookup_duration_seconds",
            "Time of a question to the DNS",
            self.durations.clone(),
        );
    }

    pub(crate) fn looked_up<T>(
        &self,
        kind: RecordType,
        result: &Result<T, LookupError>,
        took: Duration,
    ) {
        let looked_up = LookedUp {
            record: kind.into(),
            result: match result {
                Ok(_) => "found",
                Err(LookupError::NoSuchDomain) => "no_such_domain",
                Err(LookupError::NoData) => "no_data",
                Err(LookupError::Temporary(_)) => "no_answer",
            },
        };
        self.lookups.get_or_create(&looked_up).inc();
        self.durations.observe(took.as_secs_f64());
    }
}
