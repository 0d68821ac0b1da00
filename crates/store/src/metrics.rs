//! What the store measures: commits as they happen, depths every few seconds.
//!
//! Nothing is counted by scanning when somebody asks. A sampler on a reading connection looks at
//! the queue, and rests for fifty times as long as that took, so that a queue of millions costs
//! two hundredths of a processor at most, and its figures are older.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postbell_model::Monotonic;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::Purged;

/// From 100 µs to 6.5 s.
const DISK_TIMES: (f64, f64, u16) = (0.000_1, 2.0, 17);
/// From 1 to 1,024.
const BATCHES: (f64, f64, u16) = (1.0, 2.0, 11);

/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

/// The measurements of a store. Clones share them.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    commits: Histogram,
    syncs: Family<OfFiles, Histogram, fn() -> Histogram>,
    batches: Histogram,
    works: Family<OfKind, Counter>,
    inbound: Counter,
    inbound_octets: Counter,
    hits: Counter,
    hits_waiting: Gauge,
    full: Gauge,
    purged: Family<OfKind, Counter>,
    pub(crate) depths: Family<OfState, Gauge>,
    pub(crate) ages: Family<OfState, Seconds>,
    pub(crate) overdue: Seconds,
    pub(crate) position: Gauge,
    pub(crate) retries: Family<OfState, Gauge>,
    pub(crate) bodies: Gauge,
    pub(crate) database: Gauge,
    pub(crate) sampling: Seconds,
    /// When the commit under way began, in microseconds and one more; 0: there is none.
    begun: Arc<AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfState {
    pub(crate) state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFiles {
    files: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// Which files were synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    Bodies,
    Database,
}

impl Synced {
    const fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Database => "database",
        }
    }
}

impl Default for StoreMetrics {
    fn default() -> Self {
        let (first, factor, count) = BATCHES;
        let metrics = Self {
            commits: disk_times(),
            syncs: Family::new_with_constructor(disk_times),
            batches: Histogram::new(exponential_buckets(first, factor, count)),
            works: Family::default(),
            inbound: Counter::default(),
            inbound_octets: Counter::default(),
            hits: Counter::default(),
            hits_waiting: Gauge::default(),
            full: Gauge::default(),
            purged: Family::default(),
            depths: Family::default(),
            ages: Family::default(),
            overdue: Seconds::default(),
            position: Gauge::default(),
            retries: Family::default(),
            bodies: Gauge::default(),
            database: Gauge::default(),
            sampling: Seconds::default(),
            begun: Arc::default(),
        };
        for synced in [Synced::Bodies, Synced::Database] {
            let files = synced.name();
            drop(metrics.syncs.get_or_create(&OfFiles { files }));
        }
        metrics
    }
}

fn disk_times() -> Histogram {
    let (first, factor, count) = DISK_TIMES;
    Histogram::new(exponential_buckets(first, factor, count))
}

impl StoreMetrics {
    /// Names the measurements in a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.register_commits(registry);
        self.register_depths(registry);
    }

    fn register_commits(&self, registry: &mut Registry) {
        registry.register(
            "postbell_store_commit_duration_seconds",
            "Time of a group commit, from its first statement to the end of its sync",
            self.commits.clone(),
        );
        registry.register(
            "postbell_store_sync_duration_seconds",
            "Time until files were written and synced: the bodies beside the statements, the \
             database at the end",
            self.syncs.clone(),
        );
        registry.register(
            "postbell_store_batch_size",
            "Pieces of work in a group commit",
            self.batches.clone(),
        );
        registry.register(
            "postbell_store_works",
            "Pieces of work that were committed or refused: accept, receive, hits, settle, \
             change",
            self.works.clone(),
        );
        registry.register(
            "postbell_store_inbound_messages",
            "Messages that came in and were committed, each once for however many addresses",
            self.inbound.clone(),
        );
        registry.register(
            "postbell_store_inbound_bytes",
            "Octets of messages that came in and were committed",
            self.inbound_octets.clone(),
        );
        registry.register(
            "postbell_tracking_hits_recorded",
            "Opens and clicks on disk",
            self.hits.clone(),
        );
        registry.register(
            "postbell_store_disk_full",
            "1 while the disk has no room for new mail",
            self.full.clone(),
        );
        registry.register(
            "postbell_store_purged",
            "Removed, being over for longer than it is kept: message, delivery, event, call, key, \
             slim, file, inbound, link, suppression",
            self.purged.clone(),
        );
    }

    fn register_depths(&self, registry: &mut Registry) {
        registry.register(
            "postbell_queue_deliveries",
            "Deliveries that wait, by state; as of the last sample",
            self.depths.clone(),
        );
        registry.register(
            "postbell_queue_oldest_age_seconds",
            "Age of the oldest delivery that waits, by state; as of the last sample",
            self.ages.clone(),
        );
        registry.register(
            "postbell_queue_overdue_seconds",
            "For how long the lane that is due first has been due; 0 where none is",
            self.overdue.clone(),
        );
        registry.register(
            "postbell_tracking_hits_waiting",
            "Opens and clicks on disk that are still to be told",
            self.hits_waiting.clone(),
        );
        registry.register(
            "postbell_events_newest_position",
            "Position of the newest event in the log",
            self.position.clone(),
        );
        registry.register(
            "postbell_webhook_retries",
            "Webhook calls in the retry table, by state; as of the last sample",
            self.retries.clone(),
        );
        registry.register(
            "postbell_store_bodies_bytes",
            "Size of the files of bodies",
            self.bodies.clone(),
        );
        registry.register(
            "postbell_store_database_bytes",
            "Size of the database with its log",
            self.database.clone(),
        );
        registry.register(
            "postbell_store_sample_duration_seconds",
            "Time that the last sample of the queue took",
            self.sampling.clone(),
        );
    }

    /// For how long the commit under way has lasted; nothing where there is none.
    pub fn committing_for(&self, now: Monotonic) -> Duration {
        match self.begun.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            begun => now.since(Monotonic(Duration::from_micros(begun - 1))),
        }
    }

    /// A commit of so many pieces of work begins.
    pub(crate) fn begin_commit(&self, now: Monotonic, works: usize) {
        let micros = u64::try_from(now.0.as_micros()).unwrap_or(u64::MAX - 1);
        self.begun.store(micros + 1, Ordering::Relaxed);
        let works = u32::try_from(works).unwrap_or(u32::MAX);
        self.batches.observe(f64::from(works));
    }

    /// The commit has ended, well or not.
    pub(crate) fn end_commit(&self, begun: Monotonic, now: Monotonic) {
        self.begun.store(0, Ordering::Relaxed);
        self.commits.observe(now.since(begun).as_secs_f64());
    }

    pub(crate) fn synced(&self, files: Synced, took: Duration) {
        let files = files.name();
        let times = self.syncs.get_or_create(&OfFiles { files });
        times.observe(took.as_secs_f64());
    }

    pub(crate) fn work_done(&self, kind: &'static str) {
        self.works.get_or_create(&OfKind { kind }).inc();
    }

    /// A message came in and was committed.
    pub(crate) fn received(&self, octets: usize) {
        self.inbound.inc();
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        self.inbound_octets.inc_by(octets);
    }

    /// Hits were kept; so many wait now.
    pub(crate) fn hits(&self, kept: u64, waiting: u64) {
        self.hits.inc_by(kept);
        self.hits_waiting
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    pub(crate) fn purged(&self, purged: &Purged) {
        for (kind, count) in [
            ("message", purged.messages),
            ("delivery", purged.deliveries),
            ("event", purged.events),
            ("call", purged.calls),
            ("key", purged.keys),
            ("slim", purged.slim),
            ("file", purged.files),
            ("inbound", purged.inbound),
            ("link", purged.links),
            ("suppression", purged.suppressions),
        ] {
            self.purged.get_or_create(&OfKind { kind }).inc_by(count);
        }
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.full.set(i64::from(full));
    }
}
