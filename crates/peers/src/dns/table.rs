//! What the server answers, name by name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Unlisted;

/// How many names are counted one by one.
const COUNTED_NAMES: usize = 10_000;

/// What a name answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These records; no data (RFC 2308 §2.2) for a type of which there are none.
    Records(Records),
    /// The name does not exist: NXDOMAIN.
    NoSuchDomain,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// No answer at all: the client's time-out.
    Silence,
}

/// The records of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Preference and host; a host `.` is the null MX of RFC 7505.
    pub mx: Vec<(u16, String)>,
    /// A and AAAA.
    pub addresses: Vec<IpAddr>,
    /// The name that this one stands for; the other records are then not asked.
    pub cname: Option<String>,
    /// TXT, each in as many strings as it needs.
    pub txt: Vec<String>,
    /// PTR: names of the address that this name stands for.
    pub ptr: Vec<String>,
}

/// What a name answers, how fast, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The answer.
    pub answer: Answer,
    /// How long the answer takes.
    pub delay: Duration,
    /// The time to live of its records; that of the server where there is none.
    pub ttl: Option<Duration>,
}

impl Entry {
    /// An entry that answers at once.
    pub const fn new(answer: Answer) -> Self {
        Self {
            answer,
            delay: Duration::ZERO,
            ttl: None,
        }
    }

    /// These MX hosts.
    pub fn mx<'a>(hosts: impl IntoIterator<Item = (u16, &'a str)>) -> Self {
        let mx = hosts.into_iter().map(|(p, host)| (p, host.to_owned()));
        Self::new(Answer::Records(Records {
            mx: mx.collect(),
            ..Records::default()
        }))
    }

    /// The null MX of RFC 7505: this domain takes no mail.
    pub fn null_mx() -> Self {
        Self::mx([(0, ".")])
    }

    /// These addresses, and no MX.
    pub fn addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self::new(Answer::Records(Records {
            addresses: addresses.into_iter().collect(),
            ..Records::default()
        }))
    }

    /// Another name for `target`.
    pub fn cname(target: &str) -> Self {
        Self::new(Answer::Records(Records {
            cname: Some(target.to_owned()),
            ..Records::default()
        }))
    }

    /// These TXT records.
    pub fn txt<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Answer::Records(Records {
            txt: texts.into_iter().map(str::to_owned).collect(),
            ..Records::default()
        }))
    }

    /// The name exists and has no records.
    pub fn no_data() -> Self {
        Self::new(Answer::Records(Records::default()))
    }

    /// As before, but later.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// As before, to be cached for this long.
    #[must_use]
    pub const fn valid_for(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// The names and their entries; may be changed while the server runs.
#[derive(Debug)]
pub struct Table {
    unlisted: Unlisted,
    ttl: Duration,
    entries: Mutex<HashMap<String, Entry>>,
    queries: AtomicU64,
    by_name: Mutex<HashMap<String, u64>>,
}

impl Table {
    pub(super) fn new(unlisted: Unlisted, ttl: Duration) -> Self {
        Self {
            unlisted,
            ttl,
            entries: Mutex::default(),
            queries: AtomicU64::new(0),
            by_name: Mutex::default(),
        }
    }

    /// Sets what a name answers from now on.
    pub fn set(&self, name: &str, entry: Entry) {
        lock(&self.entries).insert(normal(name), entry);
    }

    /// The name is unlisted again.
    pub fn remove(&self, name: &str) {
        lock(&self.entries).remove(&normal(name));
    }

    /// How many questions were asked.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// How many questions were asked about this name, whatever the type. Names beyond the first
    /// 10,000 are not counted one by one.
    pub fn queries_for(&self, name: &str) -> u64 {
        lock(&self.by_name).get(&normal(name)).copied().unwrap_or(0)
    }

    pub(super) fn count(&self, name: &str) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let mut by_name = lock(&self.by_name);
        if let Some(count) = by_name.get_mut(name) {
            *count += 1;
        } else if by_name.len() < COUNTED_NAMES {
            by_name.insert(name.to_owned(), 1);
        }
    }

    /// What this name, in lower case and without a last dot, answers now.
    pub(super) fn look_up(&self, name: &str) -> Entry {
        let listed = lock(&self.entries).get(name).cloned();
        listed.unwrap_or_else(|| self.unlisted(name))
    }

    pub(super) fn ttl_of(&self, entry: &Entry) -> u32 {
        let ttl = entry.ttl.unwrap_or(self.ttl).as_secs();
        u32::try_from(ttl).unwrap_or(u32::MAX)
    }

    fn unlisted(&self, name: &str) -> Entry {
        match self.unlisted {
            Unlisted::NoSuchDomain => Entry::new(Answer::NoSuchDomain),
            Unlisted::MailGoesTo(address) => Entry::new(Answer::Records(Records {
                mx: vec![(10, format!("mx.{name}"))],
                addresses: vec![address],
                ..Records::default()
            })),
        }
    }
}

/// Lower case, without the last dot.
pub(super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let table = Table::new(Unlisted::NoSuchDomain, Duration::from_secs(60));
        table.set("Example.ORG.", Entry::no_data());
        assert_eq!(table.look_up("example.org"), Entry::no_data());
        table.remove("example.org");
        assert_eq!(table.look_up("example.org").answer, Answer::NoSuchDomain);
    }

    #[test]
    fn counting_is_bounded() {
        let table = Table::new(Unlisted::NoSuchDomain, Duration::from_secs(60));
        for n in 0..COUNTED_NAMES + 5 {
            table.count(&format!("{n}.example"));
        }
        table.count("0.example");
        assert_eq!(table.queries(), COUNTED_NAMES as u64 + 6);
        assert_eq!(table.queries_for("0.example"), 2);
        assert_eq!(table.queries_for(&format!("{COUNTED_NAMES}.example")), 0);
    }
}
