//! Whether new mail is taken at all: the one thing that every door asks, and `/readyz` tells.
//!
//! What was accepted goes on whatever stands here: only what is new is put off, with a reply that
//! tells the client to try again. Who finds out about disk, memory and the end of the program is
//! the program; a store that has stopped is known here at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::watch;

/// What stands against taking new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// A write or a sync failed; nothing more is stored by this process.
    StoreStopped,
    /// The program is ending.
    Draining,
    /// The doors are not all open yet.
    Starting,
    /// There is less space on the disk than is to be kept free.
    DiskLow,
    /// The program has more memory than it may.
    MemoryHigh,
}

impl Obstacle {
    /// All of them, those that say most first.
    pub const ALL: [Self; 5] = [
        Self::StoreStopped,
        Self::Draining,
        Self::Starting,
        Self::DiskLow,
        Self::MemoryHigh,
    ];

    /// The name in `/readyz`, metrics and logs: `disk_low`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StoreStopped => "store_stopped",
            Self::Draining => "draining",
            Self::Starting => "starting",
            Self::DiskLow => "disk_low",
            Self::MemoryHigh => "memory_high",
        }
    }

    /// What a client is told.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::StoreStopped => "Mail can't be stored now; try again later",
            Self::Draining => "The server is going down; try again in a minute",
            Self::Starting => "The server is starting; try again in a minute",
            Self::DiskLow => "There is too little space to store mail; try again later",
            Self::MemoryHigh => "Too much is going on; try again in a minute",
        }
    }

    /// Reply code, and subject and detail of the enhanced code (RFC 3463 §3).
    pub(crate) const fn codes(self) -> (u16, u16, u16) {
        match self {
            // X.3.0: other mail system status; X.3.2: not accepting messages.
            Self::StoreStopped => (451, 3, 0),
            Self::Draining | Self::Starting | Self::MemoryHigh => (451, 3, 2),
            // X.3.1: mail system full.
            Self::DiskLow => (452, 3, 1),
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Whether new mail is taken. Shared by all doors; a look costs two loads.
#[derive(Debug)]
pub struct Admission {
    store_failure: watch::Receiver<Option<Arc<str>>>,
    others: AtomicU8,
}

impl Admission {
    /// Open while the store has not failed and nothing is [set](Self::set).
    pub const fn new(store_failure: watch::Receiver<Option<Arc<str>>>) -> Self {
        Self {
            store_failure,
            others: AtomicU8::new(0),
        }
    }

    /// Open whatever becomes of a store, until something is [set](Self::set).
    pub fn open() -> Self {
        Self::new(watch::Sender::new(None).subscribe())
    }

    /// This stands against new mail from now on.
    pub fn set(&self, obstacle: Obstacle) {
        self.others.fetch_or(obstacle.bit(), Ordering::Relaxed);
    }

    /// This no longer stands against new mail.
    pub fn clear(&self, obstacle: Obstacle) {
        self.others.fetch_and(!obstacle.bit(), Ordering::Relaxed);
    }

    /// Whether this stands against new mail.
    pub fn has(&self, obstacle: Obstacle) -> bool {
        let set = self.others.load(Ordering::Relaxed) & obstacle.bit() != 0;
        set || (obstacle == Obstacle::StoreStopped && self.store_failure.borrow().is_some())
    }

    /// All that stands against new mail, what says most first; none: it is taken.
    pub fn obstacles(&self) -> impl Iterator<Item = Obstacle> + '_ {
        Obstacle::ALL
            .into_iter()
            .filter(|obstacle| self.has(*obstacle))
    }

    /// Whether new mail is taken.
    ///
    /// # Errors
    /// It is not, for this reason above all.
    pub fn check(&self) -> Result<(), Obstacle> {
        self.obstacles().next().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_most_comes_first() {
        let failure = watch::Sender::new(None);
        let admission = Admission::new(failure.subscribe());
        assert_eq!(admission.check(), Ok(()));
        admission.set(Obstacle::MemoryHigh);
        admission.set(Obstacle::DiskLow);
        assert_eq!(admission.check(), Err(Obstacle::DiskLow));
        failure.send_replace(Some("a sync failed".into()));
        let names: Vec<_> = admission.obstacles().map(Obstacle::name).collect();
        assert_eq!(names, ["store_stopped", "disk_low", "memory_high"]);
        admission.clear(Obstacle::DiskLow);
        admission.clear(Obstacle::StoreStopped);
        assert_eq!(admission.check(), Err(Obstacle::StoreStopped));
    }
}
