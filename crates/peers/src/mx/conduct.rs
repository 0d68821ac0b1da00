//! What an address does, by its local part.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many delayed pairs of sender and recipient are remembered.
const REMEMBERED: usize = 50_000;

/// What an address does. A detail after `+` does not change it: `bounce+7@` bounces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Takes the message.
    Take,
    /// `bounce@`: 550 5.1.1 at RCPT.
    Bounce,
    /// `softbounce@`: 552 5.2.2 at RCPT.
    SoftBounce,
    /// `delay@`: 451 4.7.1 at RCPT the first time, or times.
    Delay,
    /// `slow@`: answers the final dot after a while.
    Slow,
}

impl Conduct {
    /// The conduct of this address.
    pub fn of(address: &str) -> Self {
        let name = local_name(address);
        let named = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        match name.len() {
            6 if named("bounce") => Self::Bounce,
            10 if named("softbounce") => Self::SoftBounce,
            5 if named("delay") => Self::Delay,
            4 if named("slow") => Self::Slow,
            _ => Self::Take,
        }
    }
}

/// The local part of an address, without a detail after `+`.
pub(crate) fn local_name(address: &str) -> &str {
    let local_part = address.rsplit_once('@').map_or(address, |(local, _)| local);
    local_part.split('+').next().unwrap_or(local_part)
}

/// Which pairs of sender and recipient were told to come again, and how often.
///
/// A pair is forgotten when it is let through, so that the next message between the two is
/// delayed again; beyond a bound the oldest is forgotten.
#[derive(Debug)]
pub(super) struct Delayed {
    refusals: u32,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<String, u32>,
    order: VecDeque<String>,
}

impl Delayed {
    pub(super) fn new(refusals: u32) -> Self {
        Self {
            refusals,
            seen: Mutex::default(),
        }
    }

    /// Whether this try is to be refused.
    pub(super) fn refuses(&self, from: &str, to: &str) -> bool {
        if self.refusals == 0 {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = format!("{from}\0{to}");
        let Some(count) = seen.counts.get_mut(&pair) else {
            seen.remember(pair);
            return true;
        };
        if *count < self.refusals {
            *count += 1;
            return true;
        }
        seen.counts.remove(&pair);
        false
    }
}

impl Seen {
    fn remember(&mut self, pair: String) {
        while self.order.len() >= REMEMBERED {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.counts.remove(&oldest);
        }
        self.order.push_back(pair.clone());
        self.counts.insert(pair, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_part_decides() {
        for (address, conduct) in [
            ("bounce@example.org", Conduct::Bounce),
            ("Bounce+17@example.org", Conduct::Bounce),
            ("softbounce@example.org", Conduct::SoftBounce),
            ("delay+x@example.org", Conduct::Delay),
            ("slow@example.org", Conduct::Slow),
            ("bouncer@example.org", Conduct::Take),
            ("ada@bounce.example", Conduct::Take),
            ("", Conduct::Take),
        ] {
            assert_eq!(Conduct::of(address), conduct, "{address}");
        }
    }

    #[test]
    fn each_message_is_delayed_as_often_as_wanted() {
        let delayed = Delayed::new(2);
        let tries: Vec<bool> = (0..6).map(|_| delayed.refuses("a", "b")).collect();
        assert_eq!(tries, [true, true, false, true, true, false]);
        assert!(delayed.refuses("a", "c"));
        assert!(!Delayed::new(0).refuses("a", "b"));
    }

    #[test]
    fn memory_is_bounded() {
        let delayed = Delayed::new(1);
        for n in 0..REMEMBERED + 10 {
            assert!(delayed.refuses("a", &n.to_string()));
        }
        let seen = delayed.seen.lock().unwrap();
        assert_eq!(
            (seen.counts.len(), seen.order.len()),
            (REMEMBERED, REMEMBERED)
        );
    }
}
