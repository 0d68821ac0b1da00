//! How fast a message comes in, so that an octet now and then is no way to stay.

use std::time::Duration;

use postbell_model::Monotonic;

use super::ServerOptions;

/// The pace of one message, as an average from its beginning on. A client that was fast has time
/// in hand; what a whole message may take is limited apart from this.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// When the grace is over.
    from: Monotonic,
    /// Octets a second; `None`: any pace will do.
    rate: Option<u64>,
    octets: u64,
}

impl Pace {
    pub(super) fn new(now: Monotonic, options: &ServerOptions) -> Self {
        Self {
            from: now.after(options.timeouts.data_grace),
            rate: (options.min_data_rate > 0).then_some(options.min_data_rate),
            octets: 0,
        }
    }

    pub(super) fn count(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    /// When what has come so far is too little.
    pub(super) fn slow_at(&self) -> Monotonic {
        match self.rate.map(|rate| self.octets / rate) {
            // The second that is under way belongs to the client.
            Some(seconds) => self
                .from
                .after(Duration::from_secs(seconds.saturating_add(1))),
            None => Monotonic(Duration::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ServerTimeouts;
    use super::*;
    use crate::server::BareLineEnds;

    fn pace(min_data_rate: u64) -> Pace {
        let options = ServerOptions {
            hostname: String::new(),
            max_message_size: 1,
            max_recipients: 1,
            max_errors: 1,
            max_commands: 1,
            min_data_rate,
            bare_line_ends: BareLineEnds::Refuse,
            timeouts: ServerTimeouts {
                data_grace: Duration::from_secs(60),
                ..ServerTimeouts::default()
            },
        };
        Pace::new(Monotonic(Duration::from_secs(1000)), &options)
    }

    #[test]
    fn each_octet_buys_its_time() {
        let mut pace = pace(100);
        assert_eq!(pace.slow_at().0.as_secs(), 1061);
        pace.count(99);
        assert_eq!(pace.slow_at().0.as_secs(), 1061);
        pace.count(1);
        assert_eq!(pace.slow_at().0.as_secs(), 1062);
        pace.count(10_000);
        assert_eq!(pace.slow_at().0.as_secs(), 1162);
    }

    #[test]
    fn without_a_rate_nothing_is_slow() {
        assert_eq!(pace(0).slow_at(), Monotonic(Duration::MAX));
        let mut fast = pace(1);
        fast.count(usize::MAX);
        fast.count(usize::MAX);
        assert!(fast.slow_at() <= Monotonic(Duration::MAX));
    }
}
