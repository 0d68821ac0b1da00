//! What delivery counts: attempts and tries as they end, sites when somebody asks.

use postbell_model::reply::Severity;
use postbell_model::{BounceClass, Fact, HostTry, Phase};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::Live;
use crate::board::BusySite;
use crate::settle::Settled;
use crate::track::TrackMetrics;

/// Sites that are told apart: the busiest. The others are `other`, so that a scrape stays small
/// however many domains there is mail for.
const SITES_TOLD: usize = 40;
/// The class of an attempt that delivered.
const NO_CLASS: &str = "none";

/// Seconds from the acceptance to the delivery: greylisting takes minutes, outages days.
const LATENCIES: [f64; 16] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
    86_400.0, 432_000.0,
];
/// Seconds of an attempt, whose last deadline is half an hour.
const ATTEMPTS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 1_800.0,
];

/// The counters of a deliverer. Clones share them.
#[derive(Debug, Clone)]
pub struct DeliverMetrics {
    attempts: Family<Attempted, Counter>,
    tries: Family<Tried, Counter>,
    durations: Histogram,
    latencies: Histogram,
    duplicates: Counter,
    pub(crate) tracking: TrackMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempted {
    outcome: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tried {
    phase: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSite {
    site: String,
}

impl Default for DeliverMetrics {
    fn default() -> Self {
        let metrics = Self {
            attempts: Family::default(),
            tries: Family::default(),
            durations: Histogram::new(ATTEMPTS),
            latencies: Histogram::new(LATENCIES),
            duplicates: Counter::default(),
            tracking: TrackMetrics::default(),
        };
        let delivered = Attempted {
            outcome: "delivered",
            class: NO_CLASS,
        };
        drop(metrics.attempts.get_or_create(&delivered));
        for class in BounceClass::ALL {
            for outcome in ["deferred", "bounced"] {
                let class = class.name();
                drop(
                    metrics
                        .attempts
                        .get_or_create(&Attempted { outcome, class }),
                );
            }
        }
        metrics
    }
}

impl DeliverMetrics {
    /// Names the counters in a registry, with what the sites of `live` look like at each scrape.
    pub fn register(&self, registry: &mut Registry, live: Live) {
        registry.register(
            "postbell_attempts",
            "Attempts to deliver, by outcome (delivered, deferred, bounced, expired) and class of \
             the refusal",
            self.attempts.clone(),
        );
        registry.register(
            "postbell_host_tries",
            "Mail hosts tried, by how far the try came and what it came to: ok, deferred, refused \
             by the host, or failed without its word",
            self.tries.clone(),
        );
        registry.register(
            "postbell_attempt_duration_seconds",
            "Time of an attempt over all its hosts",
            self.durations.clone(),
        );
        registry.register(
            "postbell_delivery_latency_seconds",
            "Time from the acceptance of a message to the yes of the recipient's host",
            self.latencies.clone(),
        );
        registry.register(
            "postbell_duplicates_at_risk",
            "Tries that broke off after the content was begun and before its reply: the host may \
             have taken a message that is sent again",
            self.duplicates.clone(),
        );
        self.tracking.register(registry);
        registry.register_collector(Box::new(Sites(live)));
    }

    /// The outcome of an attempt is on disk.
    pub(crate) fn settled(&self, settled: &Settled) {
        let fact = &settled.settlement.fact;
        let Some(attempt) = fact.attempt() else {
            return;
        };
        let (outcome, class) = outcome_of(fact);
        self.attempts
            .get_or_create(&Attempted { outcome, class })
            .inc();
        for tried in &attempt.tries {
            self.tries.get_or_create(&Tried::of(tried)).inc();
            if tried.phase == Phase::Message && !tried.from_peer {
                self.duplicates.inc();
            }
        }
        let took = attempt.ended_at.since(attempt.started_at);
        self.durations.observe(took.as_secs_f64());
        if matches!(fact, Fact::Delivery { .. }) {
            let latency = attempt.ended_at.since(settled.message.accepted_at);
            self.latencies.observe(latency.as_secs_f64());
        }
    }
}

const fn outcome_of(fact: &Fact) -> (&'static str, &'static str) {
    match fact {
        Fact::Bounce {
            class: BounceClass::Expired,
            ..
        } => ("expired", BounceClass::Expired.name()),
        Fact::Bounce { class, .. } => ("bounced", class.name()),
        Fact::DeliveryDelay { class, .. } => ("deferred", class.name()),
        Fact::Delivery { .. }
        | Fact::Scheduled { .. }
        | Fact::Send
        | Fact::Held
        | Fact::Released { .. }
        | Fact::Reject { .. }
        | Fact::LateBounce { .. }
        | Fact::LateDelay { .. }
        | Fact::Confirmed { .. }
        | Fact::Complaint(_)
        | Fact::NotSpam(_)
        | Fact::Reply(_)
        | Fact::Unsubscribe { .. }
        | Fact::Suppressed(_)
        | Fact::Open(_)
        | Fact::Click(_)
        | Fact::Cancelled => ("delivered", NO_CLASS),
    }
}

impl Tried {
    fn of(tried: &HostTry) -> Self {
        Self {
            phase: tried.phase.name(),
            result: match tried.reply.severity() {
                _ if !tried.from_peer => "failed",
                Severity::Permanent => "refused",
                Severity::Success if tried.phase == Phase::Message => "ok",
                _ => "deferred",
            },
        }
    }
}

/// Asks the board at each scrape.
#[derive(Debug)]
struct Sites(Live);

impl Collector for Sites {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let busy = self.0.busy_sites(SITES_TOLD);
        let told: Vec<_> = busy.sites.iter().chain(&busy.other).collect();
        let gauge = |name: &str, help: &str, value: &dyn Fn(&BusySite) -> usize| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for site in &told {
                let label = OfSite {
                    site: site.name.clone(),
                };
                let value = i64::try_from(value(site)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&label)?)?;
            }
            Ok(())
        };
        encode_sites(gauge)?;
        let total = |name: &str, help: &str, value: usize| {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(family)
        };
        encode_totals(&busy, total)
    }
}

type Told = Result<(), std::fmt::Error>;

fn encode_sites(mut gauge: impl FnMut(&str, &str, &dyn Fn(&BusySite) -> usize) -> Told) -> Told {
    gauge(
        "postbell_site_connections",
        "Connections to a site that are open or being opened; the busiest sites by name",
        &|site| site.connections,
    )?;
    gauge(
        "postbell_site_connections_limit",
        "Connections that a site is trusted with now",
        &|site| site.window,
    )?;
    gauge(
        "postbell_site_waiting_deliveries",
        "Deliveries in memory that wait for a connection to a site",
        &|site| site.waiting,
    )?;
    gauge(
        "postbell_site_paused",
        "1 while a site is left alone, since none of its hosts could be reached; of the other \
         sites how many there are",
        &|site| site.paused,
    )
}

fn encode_totals(
    busy: &crate::board::BusySites,
    mut total: impl FnMut(&str, &str, usize) -> Told,
) -> Told {
    total(
        "postbell_sites",
        "Sites that are known, busy or not",
        busy.count,
    )?;
    total(
        "postbell_delivery_waiting",
        "Deliveries in memory that nobody works on",
        busy.waiting,
    )
}
