//! How often who has failed, so that guessing passwords is slow and ends.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use postbell_model::Monotonic;

use super::LoginOptions;

// The bits of an IPv6 address that are one customer's: the rest is free to choose.
const SITE_BITS: u32 = 64;

pub(super) struct Failures {
    options: LoginOptions,
    counted: HashMap<IpAddr, Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    /// The time of the first, or from which on the address is blocked.
    since: Monotonic,
}

impl Failures {
    pub(super) fn new(options: LoginOptions) -> Self {
        Self {
            options,
            counted: HashMap::new(),
        }
    }

    pub(super) fn is_blocked(&self, ip: IpAddr, now: Monotonic) -> bool {
        let count = self.counted.get(&site(ip));
        count.is_some_and(|c| c.failures >= self.options.max_failures && self.is_alive(c, now))
    }

    /// Counts a failure: how late it is to be answered.
    pub(super) fn record(&mut self, ip: IpAddr, now: Monotonic) -> Duration {
        let site = site(ip);
        let known = self.counted.get(&site).copied();
        let mut count = match known.filter(|count| self.is_alive(count, now)) {
            Some(count) => count,
            None => Count {
                failures: 0,
                since: now,
            },
        };
        count.failures = count.failures.saturating_add(1);
        if count.failures == self.options.max_failures {
            count.since = now;
        }
        if known.is_none() {
            self.make_room(now);
        }
        self.counted.insert(site, count);
        let doubled = 2_u32.saturating_pow(count.failures - 1);
        let delay = self.options.failure_delay.saturating_mul(doubled);
        delay.min(self.options.longest_failure_delay)
    }

    fn is_alive(&self, count: &Count, now: Monotonic) -> bool {
        let lasts = if count.failures >= self.options.max_failures {
            self.options.block
        } else {
            self.options.failure_window
        };
        now < count.since.after(lasts)
    }

    /// Forgets what is over, and where that is not enough who has been known for longest. A look
    /// at all of them, after a check that cost far more.
    fn make_room(&mut self, now: Monotonic) {
        if self.counted.len() < self.options.max_addresses {
            return;
        }
        let mut counted = std::mem::take(&mut self.counted);
        counted.retain(|_, count| self.is_alive(count, now));
        if counted.len() >= self.options.max_addresses {
            let oldest = counted.iter().min_by_key(|(_, count)| count.since);
            if let Some(oldest) = oldest.map(|(site, _)| *site) {
                counted.remove(&oldest);
            }
        }
        self.counted = counted;
    }
}

/// What is counted as one: an IPv4 address, or an IPv6 network as customers are given.
fn site(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let network = v6.to_bits() >> (128 - SITE_BITS) << (128 - SITE_BITS);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LoginOptions {
        let seconds = Duration::from_secs;
        LoginOptions {
            max_checks: 1,
            remember: seconds(1),
            max_remembered: 1,
            failure_delay: seconds(1),
            longest_failure_delay: seconds(5),
            max_failures: 4,
            failure_window: seconds(60),
            block: seconds(100),
            max_addresses: 3,
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn failures_are_answered_later_and_later_until_the_address_is_blocked() {
        let mut failures = Failures::new(options());
        let guesser = ip("192.0.2.1");
        for delay in [1, 2, 4] {
            assert_eq!(failures.record(guesser, at(0)).as_secs(), delay);
            assert!(!failures.is_blocked(guesser, at(0)));
        }
        assert_eq!(failures.record(guesser, at(50)).as_secs(), 5);
        assert!(failures.is_blocked(guesser, at(149)));
        assert!(!failures.is_blocked(ip("192.0.2.2"), at(50)));
        assert!(!failures.is_blocked(guesser, at(150)));
        assert_eq!(failures.record(guesser, at(150)).as_secs(), 1);
    }

    #[test]
    fn old_failures_do_not_count() {
        let mut failures = Failures::new(options());
        for minute in 0..20 {
            failures.record(ip("192.0.2.1"), at(60 * minute));
        }
        assert!(!failures.is_blocked(ip("192.0.2.1"), at(60 * 19)));
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one() {
        let mut failures = Failures::new(options());
        for host in 1..=4 {
            failures.record(ip(&format!("2001:db8::{host}")), at(0));
        }
        assert!(failures.is_blocked(ip("2001:db8::ffff:5"), at(0)));
        assert!(!failures.is_blocked(ip("2001:db8:0:1::1"), at(0)));
    }

    #[test]
    fn so_many_addresses_are_counted() {
        let mut failures = Failures::new(options());
        for host in 1..=200 {
            failures.record(ip(&format!("192.0.2.{host}")), at(host));
            assert!(failures.counted.len() <= 3);
        }
        assert!(failures.counted.contains_key(&ip("192.0.2.200")));
    }
}
