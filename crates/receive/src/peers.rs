//! Who may come in, and how often at a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use postbell_model::WorkspaceId;

/// The workspace of the narrowest network that holds the address.
pub(crate) fn workspace_of(trusted: &[(IpNet, WorkspaceId)], ip: IpAddr) -> Option<WorkspaceId> {
    trusted
        .iter()
        .filter(|(network, _)| network.contains(&ip))
        .max_by_key(|(network, _)| network.prefix_len())
        .map(|(_, workspace)| *workspace)
}

/// Counts the open sessions of each address.
#[derive(Debug)]
pub(crate) struct Peers {
    max: AtomicUsize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One open session; dropped, it no longer counts.
#[derive(Debug)]
pub(crate) struct Place {
    ip: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Peers {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: AtomicUsize::new(max),
            open: Arc::default(),
        }
    }

    /// So many sessions of an address from now on; those that are open stay.
    pub(crate) fn limit_to(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// A place for a session of this address, unless it has all its places.
    pub(crate) fn enter(&self, ip: IpAddr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&ip).copied().unwrap_or(0);
        if count >= self.max.load(Ordering::Relaxed) {
            return None;
        }
        open.insert(ip, count + 1);
        let open = Arc::clone(&self.open);
        Some(Place { ip, open })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_narrowest_network_counts() {
        let trusted = [
            ("10.0.0.0/8".parse().unwrap(), WorkspaceId(1)),
            ("10.1.0.0/16".parse().unwrap(), WorkspaceId(2)),
            ("2001:db8::/32".parse().unwrap(), WorkspaceId(3)),
        ];
        assert_eq!(workspace_of(&trusted, ip("10.2.0.1")), Some(WorkspaceId(1)));
        assert_eq!(workspace_of(&trusted, ip("10.1.0.1")), Some(WorkspaceId(2)));
        assert_eq!(
            workspace_of(&trusted, ip("2001:db8::1")),
            Some(WorkspaceId(3))
        );
        assert_eq!(workspace_of(&trusted, ip("192.0.2.1")), None);
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
