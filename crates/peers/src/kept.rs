//! The last things that a server received: bounded, and waitable.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How much a server keeps to be looked at; the oldest goes first.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// How many items; none at 0.
    pub count: usize,
    /// How many octets of bodies altogether; the latest item stays, however large.
    pub bytes: usize,
}

impl Keep {
    /// Keeps nothing: for load.
    pub const NOTHING: Self = Self { count: 0, bytes: 0 };
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            count: 1_000,
            bytes: 64 << 20,
        }
    }
}

/// What was waited for did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("did not come within {limit:?}; {total} came in all")]
pub struct NotReached {
    /// How long was waited.
    pub limit: Duration,
    /// How many had come by then.
    pub total: u64,
}

/// A bounded store of the latest items, with a count of all.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    limits: Keep,
    latest: Mutex<Latest<T>>,
    total: AtomicU64,
    grown: Notify,
}

#[derive(Debug)]
struct Latest<T> {
    items: VecDeque<(usize, Arc<T>)>,
    bytes: usize,
}

impl<T> Kept<T> {
    pub(crate) fn new(limits: Keep) -> Self {
        Self {
            limits,
            latest: Mutex::new(Latest {
                items: VecDeque::new(),
                bytes: 0,
            }),
            total: AtomicU64::new(0),
            grown: Notify::new(),
        }
    }

    pub(crate) fn push(&self, item: &Arc<T>, size: usize) {
        if self.limits.count > 0 {
            self.lock().push(Arc::clone(item), size, self.limits);
        }
        self.count();
    }

    /// Counts an item that is not kept.
    pub(crate) fn count(&self) {
        self.total.fetch_add(1, Ordering::Release);
        self.grown.notify_waiters();
    }

    pub(crate) fn keeps_any(&self) -> bool {
        self.limits.count > 0
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Acquire)
    }

    pub(crate) fn items(&self) -> Vec<Arc<T>> {
        let latest = self.lock();
        latest
            .items
            .iter()
            .map(|(_, item)| Arc::clone(item))
            .collect()
    }

    pub(crate) async fn wait_for_total(
        &self,
        wanted: u64,
        limit: Duration,
    ) -> Result<(), NotReached> {
        self.wait(limit, || (self.total() >= wanted).then_some(()))
            .await
    }

    pub(crate) async fn wait_for_item(
        &self,
        limit: Duration,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Arc<T>, NotReached> {
        self.wait(limit, || {
            let latest = self.lock();
            let mut items = latest.items.iter();
            items
                .find(|(_, item)| wanted(item))
                .map(|(_, item)| Arc::clone(item))
        })
        .await
    }

    async fn wait<R>(
        &self,
        limit: Duration,
        look: impl Fn() -> Option<R>,
    ) -> Result<R, NotReached> {
        let looking = async {
            loop {
                let grown = self.grown.notified();
                tokio::pin!(grown);
                // Registered before looking, so that nothing that comes meanwhile is missed.
                grown.as_mut().enable();
                if let Some(found) = look() {
                    return found;
                }
                grown.await;
            }
        };
        tokio::time::timeout(limit, looking)
            .await
            .map_err(|_| NotReached {
                limit,
                total: self.total(),
            })
    }

    fn lock(&self) -> MutexGuard<'_, Latest<T>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Latest<T> {
    fn push(&mut self, item: Arc<T>, size: usize, limits: Keep) {
        self.items.push_back((size, item));
        self.bytes += size;
        while self.items.len() > limits.count || (self.items.len() > 1 && self.bytes > limits.bytes)
        {
            let Some((size, _)) = self.items.pop_front() else {
                return;
            };
            self.bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(count: usize, bytes: usize) -> Kept<u32> {
        Kept::new(Keep { count, bytes })
    }

    fn numbers(kept: &Kept<u32>) -> Vec<u32> {
        kept.items().iter().map(|item| **item).collect()
    }

    #[test]
    fn the_oldest_goes_first() {
        let kept = kept(2, 100);
        for n in 0..4 {
            kept.push(&Arc::new(n), 10);
        }
        assert_eq!(numbers(&kept), [2, 3]);
        assert_eq!(kept.total(), 4);
    }

    #[test]
    fn octets_are_bounded_but_the_latest_stays() {
        let kept = kept(10, 100);
        kept.push(&Arc::new(1), 60);
        kept.push(&Arc::new(2), 60);
        assert_eq!(numbers(&kept), [2]);
        kept.push(&Arc::new(3), 1_000);
        assert_eq!(numbers(&kept), [3]);
    }

    #[test]
    fn nothing_is_kept_but_counted() {
        let kept = kept(0, 0);
        kept.push(&Arc::new(1), 60);
        assert_eq!((kept.items().len(), kept.total()), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_count_or_the_deadline() {
        let kept = kept(10, 100);
        let limit = Duration::from_secs(5);
        let late = kept.wait_for_total(1, limit).await;
        assert_eq!(late, Err(NotReached { limit, total: 0 }));
        let (found, ()) = tokio::join!(kept.wait_for_item(limit, |n| *n == 7), async {
            kept.push(&Arc::new(6), 1);
            kept.push(&Arc::new(7), 1);
        });
        assert_eq!(found.map(|n| *n), Ok(7));
    }
}
