//! What is counted of tracking. What is asked for most often is counted without a look-up; visits that
//! are on disk are counted by the store.

use postbell_model::Fact;
use postbell_model::inbound::UnsubscribeMethod;
use postbell_store::Unsubscribed;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Pixel,
    Link,
    Page,
    Other,
}

impl Asked {
    const ALL: [Self; 4] = [Self::Pixel, Self::Link, Self::Page, Self::Other];

    const fn name(self) -> &'static str {
        match self {
            Self::Pixel => "open",
            Self::Link => "click",
            Self::Page => "unsubscribe",
            Self::Other => "other",
        }
    }
}

/// The counters of the door, the recorder and the teller. Clones share them.
#[derive(Debug, Clone)]
pub struct TrackingMetrics {
    requests: Family<Request, Counter>,
    /// Those of [`Request`]s that are answered as they should be, at the place of [`Asked`].
    served: [Counter; 4],
    connections: Gauge,
    closed: Family<Closed, Counter>,
    lost: Counter,
    told: Family<Tally, Counter>,
    unsubscribes: Family<Unsubscribe, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    path: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    reason: &'static str,
}

/// What an event is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Tally {
    kind: &'static str,
    by: &'static str,
}

impl Tally {
    /// `None`: it is none of ours.
    pub(super) fn of(fact: &Fact) -> Option<Self> {
        let engagement = match fact {
            Fact::Open(engagement) => engagement,
            Fact::Click(click) => &click.engagement,
            _ => return None,
        };
        let is_machine = engagement.is_machine();
        Some(Self {
            kind: fact.kind().name(),
            by: if is_machine { "machine" } else { "human" },
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Unsubscribe {
    method: &'static str,
    outcome: &'static str,
}

/// A connection that is open; dropped, it no longer counts.
#[derive(Debug)]
pub(super) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The status of what is answered as it should be.
const fn usual(asked: Asked) -> u16 {
    match asked {
        Asked::Pixel | Asked::Page | Asked::Other => 200,
        Asked::Link => 302,
    }
}

impl Default for TrackingMetrics {
    fn default() -> Self {
        let requests = Family::<Request, Counter>::default();
        let served = Asked::ALL.map(|asked| {
            let request = Request {
                path: asked.name(),
                status: usual(asked),
            };
            requests.get_or_create(&request).clone()
        });
        let metrics = Self {
            requests,
            served,
            connections: Gauge::default(),
            closed: Family::default(),
            lost: Counter::default(),
            told: Family::default(),
            unsubscribes: Family::default(),
        };
        for reason in ["too_many_of_address", "handshake"] {
            drop(metrics.closed.get_or_create(&Closed { reason }));
        }
        for kind in ["Open", "Click"] {
            for by in ["human", "machine"] {
                drop(metrics.told.get_or_create(&Tally { kind, by }));
            }
        }
        for method in UnsubscribeMethod::ALL {
            let method = method.name();
            for outcome in ["now", "already", "unknown", "failed"] {
                let label = Unsubscribe { method, outcome };
                drop(metrics.unsubscribes.get_or_create(&label));
            }
        }
        metrics
    }
}

impl TrackingMetrics {
    /// Names the counters in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_tracking_requests",
            "Requests to the tracking host, by path and status of the answer",
            self.requests.clone(),
        );
        registry.register(
            "postbell_tracking_connections_open",
            "Connections to the tracking host",
            self.connections.clone(),
        );
        registry.register(
            "postbell_tracking_connections_closed",
            "Connections to the tracking host that were closed before a request, by reason",
            self.closed.clone(),
        );
        registry.register(
            "postbell_tracking_hits_lost",
            "Opens and clicks that were answered and could not be recorded",
            self.lost.clone(),
        );
        registry.register(
            "postbell_tracking_told",
            "Opens and clicks that became events, by kind and by whom they were",
            self.told.clone(),
        );
        registry.register(
            "postbell_unsubscribes",
            "Requests to unsubscribe over HTTP, by method and outcome",
            self.unsubscribes.clone(),
        );
    }

    pub(super) fn answered(&self, asked: Asked, status: u16) {
        if status == usual(asked) {
            let place = Asked::ALL.iter().position(|one| *one == asked);
            if let Some(counter) = place.and_then(|place| self.served.get(place)) {
                counter.inc();
            }
            return;
        }
        let path = asked.name();
        self.requests.get_or_create(&Request { path, status }).inc();
    }

    pub(super) fn opened(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    pub(super) fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&Closed { reason }).inc();
    }

    pub(super) fn lost(&self, count: usize) {
        self.lost.inc_by(count as u64);
    }

    pub(super) fn told(&self, tally: Tally) {
        self.told.get_or_create(&tally).inc();
    }

    /// `None`: it was not to be had.
    pub(super) fn unsubscribed(&self, method: UnsubscribeMethod, outcome: Option<Unsubscribed>) {
        let label = Unsubscribe {
            method: method.name(),
            outcome: match outcome {
                Some(Unsubscribed::Now) => "now",
                Some(Unsubscribed::Already) => "already",
                Some(Unsubscribed::Unknown) => "unknown",
                None => "failed",
            },
        };
        self.unsubscribes.get_or_create(&label).inc();
    }
}
