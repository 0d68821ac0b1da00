//! What the committer and the store's handles share in memory.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use postbell_model::Domain;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Directory, Tenants};

use super::claims::{Claims, FreshLimits};
use super::engagement::HitCounts;
use super::suppression::{Recent, Rules};
use super::tenants::SqliteTenants;

/// Claims, and the signals that ring for other stages.
#[derive(Debug)]
pub(super) struct Shared {
    claims: Mutex<Claims>,
    pub limits: FreshLimits,
    tenants: SqliteTenants,
    failure: watch::Sender<Option<Arc<str>>>,
    queued: watch::Sender<u64>,
    reports: watch::Sender<u64>,
    forwards: watch::Sender<u64>,
    pub hits: HitCounts,
    offers: AtomicBool,
    lane_reported: AtomicBool,
    recent: Recent,
    soft_bounces: AtomicU32,
    simulator: OnceLock<Domain>,
}

impl Shared {
    pub(super) fn new(limits: FreshLimits, tenants: SqliteTenants, hits: HitCounts) -> Self {
        Self {
            claims: Mutex::default(),
            limits,
            tenants,
            failure: watch::Sender::new(None),
            queued: watch::Sender::new(0),
            reports: watch::Sender::new(0),
            forwards: watch::Sender::new(0),
            hits,
            offers: AtomicBool::new(false),
            lane_reported: AtomicBool::new(false),
            recent: Recent::default(),
            soft_bounces: AtomicU32::new(0),
            simulator: OnceLock::new(),
        }
    }

    /// The claims. No holder of the lock waits or panics half-way through a change.
    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What operators have set up, as far as it is known here.
    pub(super) fn directory(&self) -> Arc<Directory> {
        self.tenants.directory()
    }

    /// What was put on the suppression list lately.
    pub(super) const fn recent(&self) -> &Recent {
        &self.recent
    }

    /// How the suppression list is kept.
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            local_part: self.tenants.compares(),
            soft_bounces: self.soft_bounces.load(Ordering::Relaxed),
            simulator: self.simulator.get(),
        }
    }

    pub(super) fn set_simulator(&self, domain: Domain) {
        // One who sets it twice sets the same.
        let _ = self.simulator.set(domain);
    }

    pub(super) fn set_soft_bounces(&self, soft_bounces: u32) {
        self.soft_bounces.store(soft_bounces, Ordering::Relaxed);
    }

    /// Has lanes looked at anew when something is paused or resumed, until `stop`.
    pub(super) async fn watch_pauses(
        self: Arc<Self>,
        mut known: Arc<Directory>,
        stop: CancellationToken,
    ) {
        let mut changes = self.tenants.directory_changed();
        changes.mark_changed();
        while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
            let directory = self.directory();
            if !directory.sends_as(&known) {
                self.claims().look_anew();
                self.ring_queued();
            }
            known = directory;
        }
    }

    /// Somebody has taken the channel of fresh deliveries.
    pub(super) fn begin_offers(&self) {
        self.offers.store(true, Ordering::Relaxed);
    }

    /// Whether fresh deliveries are offered at all.
    pub(super) fn offers(&self) -> bool {
        self.offers.load(Ordering::Relaxed)
    }

    /// Whether no lane that can't be read was reported before: each is met at every look.
    pub(super) fn is_first_unreadable_lane(&self) -> bool {
        !self.lane_reported.swap(true, Ordering::Relaxed)
    }

    /// Why the store takes nothing more.
    pub(super) fn stopped(&self) -> Option<Arc<str>> {
        self.failure.borrow().clone()
    }

    pub(super) fn stop(&self, reason: Arc<str>) {
        tracing::error!(%reason, "the store stops; nothing more is accepted in this process");
        self.failure.send_replace(Some(reason));
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.subscribe()
    }

    /// Something may be due sooner than was thought.
    pub(super) fn ring_queued(&self) {
        self.queued.send_modify(|count| *count += 1);
    }

    /// A report may be due.
    pub(super) fn ring_reports(&self) {
        self.reports.send_modify(|count| *count += 1);
    }

    pub(super) fn reports(&self) -> watch::Receiver<u64> {
        self.reports.subscribe()
    }

    /// Something may be to be forwarded.
    pub(super) fn ring_forwards(&self) {
        self.forwards.send_modify(|count| *count += 1);
    }

    pub(super) fn forwards(&self) -> watch::Receiver<u64> {
        self.forwards.subscribe()
    }

    pub(super) fn queued(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }
}
