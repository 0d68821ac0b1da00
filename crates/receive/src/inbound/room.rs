//! How much memory all messages that are being received may have together.
//!
//! What is counted are the octets that have come; a buffer that grows has up to twice as much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory for messages. One for all sessions of a door.
#[derive(Debug)]
pub(super) struct Memory {
    max: AtomicU64,
    used: AtomicU64,
}

/// What one session has of it; dropped, it is free.
#[derive(Debug)]
pub(super) struct Room {
    memory: Arc<Memory>,
    octets: u64,
    /// More than this is kept of no message.
    most: u64,
}

impl Memory {
    pub(super) const fn new(max: u64) -> Self {
        Self {
            max: AtomicU64::new(max),
            used: AtomicU64::new(0),
        }
    }

    /// So much from now on; what is received stays.
    pub(super) fn limit_to(&self, max: u64) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Whether there is room for so much now.
    pub(super) fn has(&self, octets: u64) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used.saturating_add(octets) <= self.max.load(Ordering::Relaxed)
    }
}

impl Room {
    /// None yet, and at most so much.
    pub(super) const fn new(memory: Arc<Memory>, most: u64) -> Self {
        Self {
            memory,
            octets: 0,
            most,
        }
    }

    /// Takes more of it; what is not there is not taken.
    #[must_use]
    pub(super) fn grow(&mut self, octets: usize) -> bool {
        // Of a message that is too large nothing is kept, however long it goes on.
        let left = self.most.saturating_sub(self.octets);
        let more = u64::try_from(octets).unwrap_or(u64::MAX).min(left);
        if !self.memory.has(more) {
            return false;
        }
        // Sessions that find room at the same time go over by a read each.
        self.memory.used.fetch_add(more, Ordering::Relaxed);
        self.octets += more;
        true
    }

    /// Gives all of it back.
    pub(super) fn free(&mut self) {
        let octets = std::mem::take(&mut self.octets);
        self.memory.used.fetch_sub(octets, Ordering::Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_has_another_can_not_get() {
        let memory = Arc::new(Memory::new(100));
        let mut first = Room::new(Arc::clone(&memory), 80);
        let mut second = Room::new(Arc::clone(&memory), 80);
        assert!(first.grow(60) && second.grow(40));
        assert!(!second.grow(1) && memory.has(0) && !memory.has(1));
        first.free();
        assert!(second.grow(30));
        // Too large to be kept: its octets cost nothing more.
        assert!(second.grow(1_000) && memory.has(20));
        drop((first, second));
        assert!(memory.has(100));
    }
}
