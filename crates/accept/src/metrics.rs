//! What the gate counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::gate::Door;
use crate::refusal::Refusal;

/// From 1 KiB to 64 MiB.
const SIZES: (f64, f64, u16) = (1024.0, 4.0, 9);

/// The counters of a gate and of the doors before it. Clones share them.
#[derive(Debug, Clone)]
pub struct GateMetrics {
    messages: Family<OfDoor, Counter>,
    recipients: Family<OfDoor, Counter>,
    refusals: Family<Refused, Counter>,
    sizes: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDoor {
    door: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    door: &'static str,
    reason: &'static str,
}

impl Default for GateMetrics {
    fn default() -> Self {
        let (first, factor, count) = SIZES;
        let metrics = Self {
            messages: Family::default(),
            recipients: Family::default(),
            refusals: Family::default(),
            sizes: Histogram::new(exponential_buckets(first, factor, count)),
        };
        // What has not happened yet is 0, and the first time shows in a rate.
        for door in Door::ALL {
            drop(metrics.messages.get_or_create(&door.into()));
            drop(metrics.recipients.get_or_create(&door.into()));
            for reason in Refusal::TROUBLE {
                let refused = Refused::at(door, reason);
                drop(metrics.refusals.get_or_create(&refused));
            }
        }
        metrics
    }
}

impl GateMetrics {
    /// Names the counters in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_messages_accepted",
            "Messages that were stored and answered with yes, by the door they came through",
            self.messages.clone(),
        );
        registry.register(
            "postbell_recipients_accepted",
            "Recipients of accepted messages",
            self.recipients.clone(),
        );
        registry.register(
            "postbell_refusals",
            "Connections, senders, recipients and messages that were refused, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "postbell_message_size_bytes",
            "Size of accepted messages",
            self.sizes.clone(),
        );
    }

    /// A message was accepted.
    pub(crate) fn accepted(&self, door: Door, recipients: usize, size: u64) {
        self.messages.get_or_create(&door.into()).inc();
        let count = u64::try_from(recipients).unwrap_or(u64::MAX);
        self.recipients.get_or_create(&door.into()).inc_by(count);
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        self.sizes.observe(size as f64);
    }

    /// Something was refused at a door, by the gate or by the door itself, for this reason: one of
    /// a few that are written in the source.
    pub fn refused(&self, door: Door, reason: &'static str) {
        let refused = Refused::at(door, reason);
        self.refusals.get_or_create(&refused).inc();
    }
}

impl From<Door> for OfDoor {
    fn from(door: Door) -> Self {
        Self { door: door.name() }
    }
}

impl Refused {
    const fn at(door: Door, reason: &'static str) -> Self {
        Self {
            door: door.name(),
            reason,
        }
    }
}
