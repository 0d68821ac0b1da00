//! How often each may be in at a time, at the doors.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the open sessions of each address, or of each network.
#[derive(Debug)]
pub struct Peers<K> {
    max: AtomicUsize,
    open: Arc<Mutex<HashMap<K, usize>>>,
}

/// One open session; dropped, it no longer counts.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    of: K,
    open: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Copy + Eq + Hash> Peers<K> {
    /// So many open sessions of each.
    pub fn new(max: usize) -> Self {
        Self {
            max: AtomicUsize::new(max),
            open: Arc::default(),
        }
    }

    /// So many sessions of an address from now on; those that are open stay.
    pub fn limit_to(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// A place for one more session, unless there are as many as may be.
    pub fn enter(&self, of: K) -> Option<Place<K>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&of).copied().unwrap_or(0);
        if count >= self.max.load(Ordering::Relaxed) {
            return None;
        }
        open.insert(of, count + 1);
        let open = Arc::clone(&self.open);
        Some(Place { of, open })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.of) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_given_back() {
        let peers = Peers::new(2);
        let first = peers.enter(ip("192.0.2.1"));
        let second = peers.enter(ip("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(peers.enter(ip("192.0.2.1")).is_none());
        assert!(peers.enter(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(peers.enter(ip("192.0.2.1")).is_some());
        drop(second);
        assert!(peers.open.lock().unwrap().is_empty());
    }
}
