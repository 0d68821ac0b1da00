//! What is counted of webhooks: calls as they are made, how far each destination is behind when
//! somebody asks.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postbell_model::{Clock, DestinationId, Timestamp};
use postbell_store::Position;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::post::{FailureKind, Made};

/// Destinations that are told apart: those furthest behind. The others are `other`.
const DESTINATIONS_TOLD: usize = 40;
const OTHER: &str = "other";

/// Seconds of a call, whose deadline is 15 by default.
const CALLS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// The counters of a notifier. Clones share them.
#[derive(Debug, Clone)]
pub struct NotifyMetrics {
    calls: Family<Called, Counter>,
    durations: Histogram,
    dead: Counter,
    standings: Standings,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDestination {
    destination: String,
    name: String,
}

/// How each destination with a loop stands.
#[derive(Debug, Clone, Default)]
struct Standings(Arc<Mutex<HashMap<DestinationId, Standing>>>);

/// How a destination stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// Events in the log after what it has.
    pub(crate) behind: u64,
    /// The time of the first of them, as far as it was read.
    pub(crate) oldest: Option<Timestamp>,
    /// Whether it counts as down.
    pub(crate) down: bool,
    name: String,
}

/// A destination's entry; dropped, it is told of no more.
#[derive(Debug)]
pub(crate) struct Entry {
    id: DestinationId,
    standings: Standings,
}

impl Default for NotifyMetrics {
    fn default() -> Self {
        let metrics = Self {
            calls: Family::default(),
            durations: Histogram::new(CALLS),
            dead: Counter::default(),
            standings: Standings::default(),
        };
        for outcome in ["delivered", "refused", "unreachable", "gone"] {
            drop(metrics.calls.get_or_create(&Called { outcome }));
        }
        metrics
    }
}

impl NotifyMetrics {
    /// Names the counters in a registry.
    pub fn register(&self, registry: &mut Registry, clock: Arc<dyn Clock>) {
        registry.register(
            "postbell_webhook_calls",
            "Webhook calls, by outcome: delivered (2xx), refused (3xx, 4xx), unreachable (429, \
             5xx, no answer), gone (410)",
            self.calls.clone(),
        );
        registry.register(
            "postbell_webhook_call_duration_seconds",
            "Time of a webhook call, answer included",
            self.durations.clone(),
        );
        registry.register(
            "postbell_webhook_dead_letters",
            "Events that were given up for a destination after their last retry",
            self.dead.clone(),
        );
        let standings = self.standings.clone();
        registry.register_collector(Box::new(Lags { standings, clock }));
    }

    /// A call was made.
    pub(crate) fn called(&self, made: &Made) {
        let outcome = match made.failure.as_ref().map(|failure| failure.kind) {
            None => "delivered",
            Some(FailureKind::Refused) => "refused",
            Some(FailureKind::Down) => "unreachable",
            Some(FailureKind::Gone) => "gone",
        };
        self.calls.get_or_create(&Called { outcome }).inc();
        self.durations.observe(made.took.as_secs_f64());
    }

    /// An event was given up for its destination.
    pub(crate) fn given_up(&self) {
        self.dead.inc();
    }

    /// A destination's loop begins.
    pub(crate) fn enter(&self, id: DestinationId, name: &str) -> Entry {
        let standing = Standing {
            name: name.to_owned(),
            ..Standing::default()
        };
        self.standings.lock().insert(id, standing);
        Entry {
            id,
            standings: self.standings.clone(),
        }
    }
}

impl Standings {
    fn lock(&self) -> MutexGuard<'_, HashMap<DestinationId, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The destination has all up to `done`, and the log ends at `newest`.
    pub(crate) fn note(
        &self,
        (done, newest): (Position, Position),
        oldest: Option<Timestamp>,
        down: bool,
    ) {
        if let Some(standing) = self.standings.lock().get_mut(&self.id) {
            standing.behind = newest.0.saturating_sub(done.0);
            standing.oldest = oldest.filter(|_| standing.behind > 0);
            standing.down = down;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.standings.lock().remove(&self.id);
    }
}

/// Asks how destinations stand at each scrape.
#[derive(Debug)]
struct Lags {
    standings: Standings,
    clock: Arc<dyn Clock>,
}

/// How a destination, or several together, are told of.
struct Lag {
    label: OfDestination,
    events: u64,
    age: Duration,
    down: u64,
}

impl Lags {
    /// Those that are furthest behind, and the others together.
    fn told(&self) -> (Vec<Lag>, usize) {
        let now = self.clock.now();
        let standings = self.standings.lock();
        let mut all: Vec<_> = standings
            .iter()
            .map(|(id, s)| Lag::of(*id, s, now))
            .collect();
        drop(standings);
        let count = all.len();
        all.sort_by_key(|lag| Reverse((lag.down, lag.age, lag.events)));
        let rest = all.split_off(DESTINATIONS_TOLD.min(count));
        all.extend(Lag::together(&rest));
        (all, count)
    }
}

impl Lag {
    fn of(id: DestinationId, standing: &Standing, now: Timestamp) -> Self {
        let age = standing.oldest.map(|oldest| now.since(oldest));
        Self {
            label: OfDestination {
                destination: id.to_string(),
                name: standing.name.clone(),
            },
            events: standing.behind,
            age: age.unwrap_or_default(),
            down: u64::from(standing.down),
        }
    }

    fn together(rest: &[Self]) -> Option<Self> {
        Some(Self {
            label: OfDestination {
                destination: OTHER.to_owned(),
                name: OTHER.to_owned(),
            },
            events: rest.iter().map(|lag| lag.events).max()?,
            age: rest.iter().map(|lag| lag.age).max()?,
            down: rest.iter().map(|lag| lag.down).sum(),
        })
    }
}

impl Collector for Lags {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (told, count) = self.told();
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&Lag) -> f64| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for lag in &told {
                let one = ConstGauge::new(value(lag));
                one.encode(family.encode_family(&lag.label)?)?;
            }
            Ok(())
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of events are far below 2^52"
        )]
        gauge(
            "postbell_destination_lag_events",
            "Events in the log after what a destination has, those that it does not want \
             included; of the other destinations the most",
            &|lag| lag.events as f64,
        )?;
        gauge(
            "postbell_destination_lag_seconds",
            "Age of the oldest event that waits for a destination, retries aside; of the other \
             destinations the highest",
            &|lag| lag.age.as_secs_f64(),
        )?;
        #[expect(clippy::cast_precision_loss, reason = "a count of destinations")]
        gauge(
            "postbell_destination_down",
            "1 while a destination counts as down; of the other destinations how many do",
            &|lag| lag.down as f64,
        )?;
        let help = "Destinations that are called";
        let family =
            encoder.encode_descriptor("postbell_destinations", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)).encode(family)
    }
}

#[cfg(test)]
mod tests {
    use postbell_model::clock::Still;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn lags(metrics: &NotifyMetrics) -> Lags {
        Lags {
            standings: metrics.standings.clone(),
            clock: Arc::new(Still(NOW)),
        }
    }

    fn before(seconds: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() - seconds * 1_000_000)
    }

    #[test]
    fn a_destination_is_told_of_while_its_loop_runs() {
        let metrics = NotifyMetrics::default();
        let entry = metrics.enter(DestinationId::new(NOW), "hook");
        entry.note((Position(3), Position(10)), Some(before(90)), true);
        let (told, count) = lags(&metrics).told();
        let lag = &told[0];
        assert_eq!((count, lag.label.name.as_str()), (1, "hook"));
        assert_eq!((lag.events, lag.age.as_secs(), lag.down), (7, 90, 1));
        entry.note((Position(10), Position(10)), Some(before(90)), false);
        assert_eq!(lags(&metrics).told().0[0].age, Duration::ZERO);
        drop(entry);
        assert_eq!(lags(&metrics).told().1, 0);
    }

    #[test]
    fn of_many_destinations_those_furthest_behind_are_named() {
        let metrics = NotifyMetrics::default();
        let entries: Vec<_> = (0..60_u32)
            .map(|number| {
                let entry = metrics.enter(DestinationId::new(NOW), &number.to_string());
                let oldest = before(number.into());
                entry.note((Position(0), Position(number.into())), Some(oldest), false);
                entry
            })
            .collect();
        let (told, count) = lags(&metrics).told();
        assert_eq!((told.len(), count), (DESTINATIONS_TOLD + 1, entries.len()));
        assert_eq!(told[0].label.name, "59");
        let other = told.last().unwrap();
        assert_eq!(
            (other.label.name.as_str(), other.age.as_secs()),
            ("other", 19)
        );
    }
}
