//! What was put on the list lately, for deliveries that wait in memory.
//!
//! Mail is looked up when it is accepted and when it is claimed, and may wait for its connection long
//! after that. Whoever has it asks here, without a look at the database, whether its address was put
//! on the list meanwhile. The answer may be a false yes, and never a false no: what is given back for it is
//! looked up by the next claim.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::list::News;
use super::rows::Key;

// Addresses in each of two generations; beyond them what was claimed before is to be looked up.
const GENERATION: usize = 100_000;

/// The newest entries, by the hashes of their addresses.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Recent {
    generations: RwLock<Generations>,
    hasher: RandomState,
    /// Every entry up to this number is known here.
    known_to: AtomicI64,
    /// No entry that is known here has a higher number.
    highest: AtomicI64,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<u64, i64>,
    old: HashMap<u64, i64>,
    /// The highest number in each.
    young_to: i64,
    old_to: i64,
    /// Entries up to this number may be in neither.
    forgotten_to: i64,
}

impl Recent {
    /// Begins behind the newest entry.
    pub(in crate::sqlite) fn begin_behind(&self, newest: i64) {
        self.learn(&[], newest);
    }

    /// What a look at the database that begins now has seen at least.
    pub(in crate::sqlite) fn known_to(&self) -> i64 {
        self.known_to.load(Ordering::Acquire)
    }

    /// The highest number that was met here.
    pub(super) fn highest(&self) -> i64 {
        self.highest.load(Ordering::Acquire)
    }

    /// Whether something was put on the list that the next look may seem not to have seen.
    pub(super) fn is_behind(&self) -> bool {
        self.is_newer(self.known_to())
    }

    /// Whether anything was put on the list since.
    pub(in crate::sqlite) fn is_newer(&self, seen: i64) -> bool {
        self.highest() > seen
    }

    /// Whether an address may have been put on the list since.
    pub(in crate::sqlite) fn may_have(&self, key: &Key, seen: i64) -> bool {
        let hash = self.hasher.hash_one(key);
        let generations = self.generations.read();
        let generations = generations.unwrap_or_else(PoisonError::into_inner);
        if seen < generations.forgotten_to {
            return true;
        }
        let found = [&generations.young, &generations.old].map(|of| of.get(&hash));
        found.into_iter().flatten().any(|number| *number > seen)
    }

    /// This process has put something on the list. What others have put there meanwhile may have
    /// lower numbers.
    pub(in crate::sqlite) fn put(&self, news: &News) {
        if !news.keys.is_empty() {
            let keys = news.keys.iter().map(|key| (key, news.highest));
            self.remember(keys);
        }
    }

    /// These are the entries up to `to`, behind those that were known.
    pub(super) fn learn(&self, entries: &[(i64, Key)], to: i64) {
        self.remember(entries.iter().map(|(number, key)| (key, *number)));
        self.known_to.fetch_max(to, Ordering::AcqRel);
    }

    fn remember<'k>(&self, entries: impl Iterator<Item = (&'k Key, i64)>) {
        let generations = self.generations.write();
        let mut generations = generations.unwrap_or_else(PoisonError::into_inner);
        for (key, number) in entries {
            generations.insert(self.hasher.hash_one(key), number);
            self.highest.fetch_max(number, Ordering::AcqRel);
        }
    }
}

impl Generations {
    fn insert(&mut self, hash: u64, number: i64) {
        if self.young.len() >= GENERATION {
            self.forgotten_to = self.forgotten_to.max(self.old_to);
            self.old = std::mem::take(&mut self.young);
            (self.old_to, self.young_to) = (self.young_to, 0);
        }
        self.young_to = self.young_to.max(number);
        let highest = self.young.entry(hash).or_insert(number);
        *highest = number.max(*highest);
    }
}

#[cfg(test)]
mod tests {
    use postbell_model::WorkspaceId;

    use super::*;

    fn key(text: impl std::fmt::Display) -> Key {
        Key {
            workspace: WorkspaceId(1),
            text: format!("{text}"),
        }
    }

    #[test]
    fn what_was_seen_is_not_told_again() {
        let recent = Recent::default();
        recent.begin_behind(7);
        assert!(!recent.is_newer(7));
        recent.put(&News {
            keys: vec![key("a")],
            highest: 9,
        });
        assert_eq!(recent.known_to(), 7, "another may have written the eighth");
        assert!(recent.is_newer(7) && recent.may_have(&key("a"), 7));
        assert!(!recent.may_have(&key("b"), 7));
        recent.learn(&[(8, key("b")), (9, key("a"))], 9);
        assert!(recent.may_have(&key("b"), 7));
        assert_eq!(recent.known_to(), 9);
        assert!(!recent.may_have(&key("a"), 9), "its look has seen it");
    }

    #[test]
    fn what_was_forgotten_may_be_anything() {
        let recent = Recent::default();
        let many = 2 * i64::try_from(GENERATION).unwrap() + 1;
        let entries: Vec<_> = (1..=many).map(|number| (number, key(number))).collect();
        recent.learn(&entries, many);
        assert!(recent.may_have(&key("anybody"), 0));
        let half = many / 2;
        assert!(!recent.may_have(&key("anybody"), half));
        assert!(recent.may_have(&key(half + 1), half));
    }
}
