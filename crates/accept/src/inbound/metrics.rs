//! What is counted of mail that comes in.

use postbell_model::{EventKind, InboundKind};
use postbell_store::{InboundFact, NewInbound, Reception, Taken};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::InboundRefusal;

/// From 1 KiB to 64 MiB.
const SIZES: (f64, f64, u16) = (1024.0, 4.0, 9);

/// The counters of the gate for mail that comes in, and of the door before it. Clones share them.
#[derive(Debug, Clone)]
pub struct InboundMetrics {
    messages: Family<OfKind, Counter>,
    facts: Family<OfEvent, Counter>,
    left_out: Counter,
    unmatched: Family<OfKind, Counter>,
    refusals: Family<Refused, Counter>,
    sizes: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEvent {
    event: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

impl Default for InboundMetrics {
    fn default() -> Self {
        let (first, factor, count) = SIZES;
        let metrics = Self {
            messages: Family::default(),
            facts: Family::default(),
            left_out: Counter::default(),
            unmatched: Family::default(),
            refusals: Family::default(),
            sizes: Histogram::new(exponential_buckets(first, factor, count)),
        };
        // What has not happened yet is 0, and the first time shows in a rate.
        for kind in InboundKind::ALL {
            drop(metrics.messages.get_or_create(&(*kind).into()));
        }
        for kind in [InboundKind::Report, InboundKind::Complaint] {
            drop(metrics.unmatched.get_or_create(&kind.into()));
        }
        for reason in InboundRefusal::TROUBLE {
            drop(metrics.refusals.get_or_create(&Refused { reason }));
        }
        metrics
    }
}

impl InboundMetrics {
    /// Names the counters in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_inbound_messages",
            "Messages that came in and were stored, once for each address that they came to, by kind",
            self.messages.clone(),
        );
        registry.register(
            "postbell_inbound_facts",
            "What messages that came in said, by the event that tells it",
            self.facts.clone(),
        );
        registry.register(
            "postbell_inbound_facts_left_out",
            "What they said of deliveries that are gone, that can't have it any more, or of which it was told before",
            self.left_out.clone(),
        );
        registry.register(
            "postbell_inbound_unmatched",
            "Reports and complaints that were kept although no delivery of ours explains them",
            self.unmatched.clone(),
        );
        registry.register(
            "postbell_inbound_refusals",
            "Connections, recipients and messages that did not come in, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "postbell_inbound_size_bytes",
            "Size of messages that came in",
            self.sizes.clone(),
        );
    }

    /// Something was refused, by the gate or by the door itself, for this reason: one of a few
    /// that are written in the source.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    /// A message was stored, and this became of what it said.
    pub(super) fn stored(&self, tally: &Tally, taken: Taken) {
        for kind in &tally.kinds {
            self.messages.get_or_create(&(*kind).into()).inc();
        }
        for kind in &tally.unmatched {
            self.unmatched.get_or_create(&(*kind).into()).inc();
        }
        for event in &tally.events {
            let event = event.name();
            self.facts.get_or_create(&OfEvent { event }).inc();
        }
        let left_out = u64::try_from(taken.left_out).unwrap_or(u64::MAX);
        self.left_out.inc_by(left_out);
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        self.sizes.observe(tally.size as f64);
    }
}

/// What a message that came in is counted as.
#[derive(Debug)]
pub(super) struct Tally {
    /// One for each address.
    pub(super) kinds: Vec<InboundKind>,
    /// Those that no delivery explains.
    pub(super) unmatched: Vec<InboundKind>,
    pub(super) events: Vec<EventKind>,
    pub(super) size: u64,
}

impl Tally {
    pub(super) fn of(reception: &Reception) -> Self {
        let mails = &reception.mails;
        let is_unmatched = |new: &&NewInbound| {
            let is_about_one =
                matches!(new.mail.kind, InboundKind::Report | InboundKind::Complaint);
            is_about_one && new.mail.delivery.is_none()
        };
        let unmatched = mails.iter().filter(is_unmatched);
        let facts = mails.iter().flat_map(|new| &new.facts);
        Self {
            kinds: mails.iter().map(|new| new.mail.kind).collect(),
            unmatched: unmatched.map(|new| new.mail.kind).collect(),
            events: facts.map(event_of).collect(),
            size: reception.body.len() as u64,
        }
    }
}

const fn event_of(fact: &InboundFact) -> EventKind {
    match fact {
        InboundFact::Delivery { fact, .. } => fact.kind(),
        InboundFact::Workspace { fact, .. } => fact.kind(),
    }
}

impl From<InboundKind> for OfKind {
    fn from(kind: InboundKind) -> Self {
        Self { kind: kind.name() }
    }
}
