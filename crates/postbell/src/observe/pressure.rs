//! Disk and memory: when they run short, new mail is put off while there is still room for what
//! was accepted.
//!
//! Looked at every second. Mail is taken again once there is a twentieth more than the least, so
//! that a door at the limit does not open and close with each message.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postbell_accept::{Admission, Obstacle};
use postbell_api::Pulse;
use postbell_model::Clock;
use postbell_store::StoreMetrics;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::resident_memory;

const EVERY: Duration = Duration::from_secs(1);
/// A commit that takes longer is stuck, and so is the server.
const COMMIT_STUCK: Duration = Duration::from_secs(60);

/// The `[overload]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverloadOptions {
    /// Octets of the data folder's disk that new mail leaves free.
    pub min_free_disk: u64,
    /// Octets of memory beyond which no new mail is taken; `None`: there is no such limit.
    pub max_memory: Option<u64>,
}

/// Looks at disk and memory.
#[derive(Debug)]
pub(crate) struct Pressure {
    pub(crate) options: OverloadOptions,
    pub(crate) folder: PathBuf,
    pub(crate) admission: Arc<Admission>,
    pub(crate) store: StoreMetrics,
    pub(crate) pulse: Pulse,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gauges: Gauges,
}

/// What is measured of the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauges {
    free: Gauge,
    size: Gauge,
}

/// A disk.
#[derive(Debug, Clone, Copy)]
struct Space {
    free: u64,
    size: u64,
}

impl Gauges {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "postbell_disk_free_bytes",
            "Space on the disk of the data folder that is left for us",
            self.free.clone(),
        );
        registry.register(
            "postbell_disk_size_bytes",
            "Size of the disk of the data folder",
            self.size.clone(),
        );
    }
}

impl Pressure {
    /// Looks every second until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(self.clock.sleep(EVERY))
            .await
            .is_some()
        {
            self.look().await;
        }
    }

    /// Looks once, and says so where that changes whether mail is taken.
    pub(crate) async fn look(&self) {
        let folder = self.folder.clone();
        // A disk that hangs may hang this question: it must not hold up a thread of the runtime.
        let looked = tokio::task::spawn_blocking(move || (space(&folder), resident_memory()));
        let Ok((space, memory)) = looked.await else {
            return;
        };
        match space {
            Ok(space) => self.judge_disk(space),
            Err(error) => tracing::debug!(%error, "the space on the disk can't be read"),
        }
        if let (Some(memory), Some(most)) = (memory, self.options.max_memory) {
            self.judge_memory(memory, most);
        }
        if self.store.committing_for(self.clock.monotonic()) < COMMIT_STUCK {
            self.pulse.beat();
        }
    }

    fn judge_disk(&self, space: Space) {
        let octets = |octets| i64::try_from(octets).unwrap_or(i64::MAX);
        self.gauges.free.set(octets(space.free));
        self.gauges.size.set(octets(space.size));
        let least = self.options.min_free_disk;
        if space.free < least {
            self.close(Obstacle::DiskLow, space.free);
        } else if space.free >= least.saturating_add(least / 20) {
            self.open(Obstacle::DiskLow, space.free);
        }
    }

    fn judge_memory(&self, memory: u64, most: u64) {
        if memory > most {
            self.close(Obstacle::MemoryHigh, memory);
        } else if memory <= most - most / 20 {
            self.open(Obstacle::MemoryHigh, memory);
        }
    }

    fn close(&self, obstacle: Obstacle, octets: u64) {
        if !self.admission.has(obstacle) {
            self.admission.set(obstacle);
            warn!(
                reason = obstacle.name(),
                size_bytes = octets,
                "new mail is put off, what was accepted goes on"
            );
        }
    }

    fn open(&self, obstacle: Obstacle, octets: u64) {
        if self.admission.has(obstacle) {
            self.admission.clear(obstacle);
            info!(
                reason = obstacle.name(),
                size_bytes = octets,
                "new mail is taken again"
            );
        }
    }
}

fn space(folder: &std::path::Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        size: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use crate::lifecycle::SystemClock;

    use super::*;

    fn pressure(options: OverloadOptions) -> Pressure {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Pressure {
            options,
            folder: std::env::temp_dir(),
            admission: Arc::new(Admission::open()),
            store: StoreMetrics::default(),
            pulse: Pulse::new(Arc::clone(&clock)),
            clock,
            gauges: Gauges::default(),
        }
    }

    const fn space(free: u64) -> Space {
        Space { free, size: 10_000 }
    }

    #[tokio::test]
    async fn what_the_machine_has_is_read() {
        let pressure = pressure(OverloadOptions {
            min_free_disk: u64::MAX,
            max_memory: Some(1),
        });
        pressure.look().await;
        let obstacles: Vec<_> = pressure.admission.obstacles().collect();
        assert_eq!(obstacles, [Obstacle::DiskLow, Obstacle::MemoryHigh]);
        assert!(pressure.gauges.size.get() >= pressure.gauges.free.get());
        assert!(pressure.gauges.size.get() > 0);
    }

    #[test]
    fn the_door_opens_later_than_it_closes() {
        let pressure = pressure(OverloadOptions {
            min_free_disk: 1_000,
            max_memory: Some(1_000),
        });
        for (free, closed) in [(1_000, false), (999, true), (1_049, true), (1_050, false)] {
            pressure.judge_disk(space(free));
            assert_eq!(pressure.admission.has(Obstacle::DiskLow), closed, "{free}");
        }
        for (memory, closed) in [(1_000, false), (1_001, true), (951, true), (950, false)] {
            pressure.judge_memory(memory, 1_000);
            let is_closed = pressure.admission.has(Obstacle::MemoryHigh);
            assert_eq!(is_closed, closed, "{memory}");
        }
    }
}
