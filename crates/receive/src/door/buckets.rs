//! So much a minute: buckets that hold a minute's worth and fill evenly.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use postbell_model::Monotonic;

const MINUTE: Duration = Duration::from_secs(60);
// So many are held before the full ones are looked for.
const FIRST_SWEEP: usize = 1000;

/// The buckets, each as the time at which it will be full: what is taken moves it by its share of
/// a minute, and what would lie more than a minute ahead is not there.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    full_at: HashMap<K, Monotonic>,
    max: usize,
    /// With how many the full ones are forgotten next.
    sweep_at: usize,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// At most so many, full ones aside, which are what new ones are. With more, those are
    /// forgotten that little was taken out of, and then all.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            full_at: HashMap::new(),
            max,
            sweep_at: FIRST_SWEEP.min(max),
        }
    }

    /// When a bucket will be full once one of `rate` a minute is taken out.
    ///
    /// # Errors
    /// It is empty: how long until there is one.
    pub(crate) fn after_one(
        &self,
        of: K,
        rate: u32,
        now: Monotonic,
    ) -> Result<Monotonic, Duration> {
        let full_at = self.full_at.get(&of).copied().unwrap_or(now);
        let full_at = full_at.max(now).after(MINUTE / rate.max(1));
        let wait = full_at.since(now.after(MINUTE));
        if wait.is_zero() {
            Ok(full_at)
        } else {
            Err(wait)
        }
    }

    /// Takes what [`Buckets::after_one`] said.
    pub(crate) fn take(&mut self, taken: impl IntoIterator<Item = (K, Monotonic)>, now: Monotonic) {
        if self.full_at.len() >= self.sweep_at {
            self.sweep(now);
        }
        self.full_at.extend(taken);
    }

    fn sweep(&mut self, now: Monotonic) {
        let half = now.after(MINUTE / 2);
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= self.max {
            self.full_at.retain(|_, full_at| *full_at > half);
        }
        if self.full_at.len() >= self.max {
            self.full_at.clear();
        }
        let next = self.full_at.len().saturating_mul(2).max(FIRST_SWEEP);
        self.sweep_at = next.min(self.max);
    }

    /// When it will be full; `None`: it is.
    #[cfg(test)]
    pub(crate) fn full_at(&self, of: K) -> Option<Monotonic> {
        self.full_at.get(&of).copied()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.full_at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_many_more_than_are_kept() {
        let mut buckets = Buckets::new(10);
        for (number, wanted) in [(0..50, 20), (50..100, 40)] {
            for of in number {
                let now = Monotonic(Duration::from_secs(of));
                for _ in 0..wanted {
                    let full_at = buckets.after_one(of, 60, now).unwrap();
                    buckets.take([(of, full_at)], now);
                }
                assert!(buckets.len() <= 10);
            }
        }
    }
}
