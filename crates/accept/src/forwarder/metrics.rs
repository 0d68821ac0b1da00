//! What the forwarder counts.

use std::sync::atomic::AtomicI64;

use postbell_model::Timestamp;
use postbell_store::ForwardDue;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters of a forwarder. Clones share them.
#[derive(Debug, Clone)]
pub struct ForwardMetrics {
    forwards: Family<Outcome, Counter>,
    oldest: Gauge<i64, AtomicI64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Default for ForwardMetrics {
    fn default() -> Self {
        let metrics = Self {
            forwards: Family::default(),
            oldest: Gauge::default(),
        };
        // What has not happened yet is 0, and the first time shows in a rate.
        for outcome in ["queued", "loop"] {
            drop(metrics.forwards.get_or_create(&Outcome { outcome }));
        }
        metrics
    }
}

impl ForwardMetrics {
    /// Names the counters in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_forwards",
            "Messages that came in and go on, by what became of them: queued, or why they go nowhere",
            self.forwards.clone(),
        );
        registry.register(
            "postbell_forward_oldest_seconds",
            "For how long the oldest message has waited that goes on and is not yet queued",
            self.oldest.clone(),
        );
    }

    pub(super) fn submitted(&self, outcome: &'static str) {
        self.forwards.get_or_create(&Outcome { outcome }).inc();
    }

    /// What was on the list; the oldest stands first.
    pub(super) fn looked_at(&self, due: &[ForwardDue], now: Timestamp) {
        let waited = due
            .first()
            .map_or(0, |one| now.since(one.mail.at).as_secs());
        self.oldest.set(i64::try_from(waited).unwrap_or(i64::MAX));
    }
}
