//! How many requests to one host are under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::Uri;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

// Hosts that nobody calls any more are forgotten when so many are known.
const SWEEP_AT: usize = 1_024;

/// The places of each host and port.
#[derive(Debug)]
pub(super) struct Places {
    per_host: usize,
    hosts: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
}

impl Places {
    pub(super) fn new(per_host: usize) -> Self {
        Self {
            per_host: per_host.max(1),
            hosts: Mutex::default(),
        }
    }

    /// Waits for a place at the URL's host; it is free again when dropped.
    pub(super) async fn take(&self, url: &Uri) -> Option<OwnedSemaphorePermit> {
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let host = self.of(authority);
        // The semaphores are never closed.
        host.acquire_owned().await.ok()
    }

    fn of(&self, authority: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(authority) {
            return Arc::clone(host);
        }
        if hosts.len() >= SWEEP_AT {
            // A permit holds its semaphore, so that one in use counts twice at least.
            hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        let host = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(authority.into(), Arc::clone(&host));
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_has_its_own_places() {
        let places = Places::new(1);
        let first = places.take(&Uri::from_static("http://a.example/1")).await;
        let other = places.take(&Uri::from_static("http://b.example/1")).await;
        assert!(first.is_some() && other.is_some());
        assert_eq!(places.of("a.example").available_permits(), 0);
        drop(first);
        assert_eq!(places.of("a.example").available_permits(), 1);
    }

    #[tokio::test]
    async fn unused_hosts_are_forgotten_and_used_ones_kept() {
        let places = Places::new(1);
        let held = places.take(&Uri::from_static("http://held.example/")).await;
        for number in 0..2 * SWEEP_AT {
            places.of(&format!("h{number}.example"));
        }
        assert!(places.hosts.lock().unwrap().len() <= SWEEP_AT);
        assert_eq!(places.of("held.example").available_permits(), 0);
        drop(held);
    }
}
