//! How a workspace's mail fares, and when that is too bad to go on.
//!
//! Providers judge a sender by the share of its mail that people complain about and by the share
//! that goes to addresses which don't exist. A sender that goes on with such mail spoils the name
//! of its server for all others.

use std::fmt;
use std::str::FromStr;

/// A share in parts per million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

const WHOLE: u32 = 1_000_000;
const OF_ONE_PERCENT: u32 = WHOLE / 100;
/// Digits behind the point of a percentage that there are parts for.
const DIGITS: usize = 4;

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(WHOLE);

    /// So many of so many; of nothing, nothing.
    pub fn of(count: u64, all: u64) -> Self {
        let parts = u128::from(count) * u128::from(WHOLE);
        let share = parts.checked_div(u128::from(all)).unwrap_or(0);
        Self(u32::try_from(share).unwrap_or(u32::MAX))
    }

    /// In parts per million.
    pub const fn per_million(self) -> u32 {
        self.0
    }

    /// As a part of one.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether so many of so many are more than this.
    const fn is_passed(self, count: u64, all: u64) -> bool {
        count as u128 * WHOLE as u128 > self.0 as u128 * all as u128
    }
}

/// A text of no [`Share`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a share of 0% to 100% as 0.3% or 10%")]
pub struct NotAShare;

impl FromStr for Share {
    type Err = NotAShare;

    /// `0.3%`, `10 %`.
    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let number = text.trim().strip_suffix('%').ok_or(NotAShare)?.trim_end();
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if rest.is_empty() || rest.len() > DIGITS || !is_number(rest) || !is_number(whole) {
            return Err(NotAShare);
        }
        let whole: u32 = whole.parse().map_err(|_| NotAShare)?;
        let rest: u32 = format!("{rest:0<DIGITS$}").parse().map_err(|_| NotAShare)?;
        let share = whole.checked_mul(OF_ONE_PERCENT).ok_or(NotAShare)? + rest;
        if share > WHOLE {
            return Err(NotAShare);
        }
        Ok(Self(share))
    }
}

/// `0.3%`: no more digits than it needs.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / OF_ONE_PERCENT, self.0 % OF_ONE_PERCENT);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let rest = format!("{rest:0DIGITS$}");
        write!(f, "{whole}.{}%", rest.trim_end_matches('0'))
    }
}

/// What became of a workspace's mail within a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Deliveries that ended: taken by a far server, refused for good, or given up.
    pub outcomes: u64,
    /// Those of them that were refused since the address is dead, also where a report said so later.
    pub hard_bounces: u64,
    /// Complaints that came in.
    pub complaints: u64,
}

/// What is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReputationLimits {
    /// Of fewer outcomes nothing is concluded.
    pub min_volume: u64,
    /// Complaints, of all outcomes.
    pub max_complaints: Share,
    /// Hard bounces, of all outcomes.
    pub max_hard_bounces: Share,
}

/// A limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// `complaints`, `hard bounces`.
    pub what: &'static str,
    /// How many there were.
    pub count: u64,
    /// Of how many outcomes.
    pub outcomes: u64,
    /// What is allowed.
    pub limit: Share,
}

impl Figures {
    /// The limit that they pass, complaints first.
    pub fn judge(&self, limits: &ReputationLimits) -> Option<Passed> {
        if self.outcomes < limits.min_volume.max(1) {
            return None;
        }
        let looked_at = [
            ("complaints", self.complaints, limits.max_complaints),
            ("hard bounces", self.hard_bounces, limits.max_hard_bounces),
        ];
        let mut passed = looked_at
            .into_iter()
            .filter(|(_, count, limit)| limit.is_passed(*count, self.outcomes));
        passed.next().map(|(what, count, limit)| Passed {
            what,
            count,
            outcomes: self.outcomes,
            limit,
        })
    }
}

/// For people, as a reason: `complaints: 12 of 2000 deliveries (0.6%); the limit is 0.3%`.
impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            count,
            outcomes,
            limit,
        } = self;
        let share = Share::of(*count, *outcomes);
        write!(
            f,
            "{what}: {count} of {outcomes} deliveries ({share}); the limit is {limit}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_told_alike() {
        for (text, parts) in [
            ("0%", 0),
            ("0.3%", 3_000),
            ("10%", 100_000),
            ("100%", 1_000_000),
            ("0.0001%", 1),
            ("12.5%", 125_000),
        ] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.per_million(), parts, "{text}");
            assert_eq!(share.to_string(), text);
        }
        assert_eq!("10 %".parse(), Ok(Share(100_000)));
        for wrong in [
            "",
            "%",
            "0.3",
            "101%",
            "-1%",
            "1.%",
            ".%",
            "0.00001%",
            "a%",
            "99999999999%",
            "+1%",
        ] {
            assert_eq!(wrong.parse::<Share>(), Err(NotAShare), "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_passed_by_more_than_it() {
        let limits = ReputationLimits {
            min_volume: 1_000,
            max_complaints: Share(3_000),
            max_hard_bounces: Share(100_000),
        };
        let figures = |outcomes, hard_bounces, complaints| Figures {
            outcomes,
            hard_bounces,
            complaints,
        };
        for fine in [
            figures(0, 0, 0),
            figures(999, 999, 999),
            figures(1_000, 100, 3),
        ] {
            assert_eq!(fine.judge(&limits), None, "{fine:?}");
        }
        let told = |figures: Figures| figures.judge(&limits).unwrap().to_string();
        assert_eq!(
            told(figures(1_000, 101, 0)),
            "hard bounces: 101 of 1000 deliveries (10.1%); the limit is 10%"
        );
        assert_eq!(
            told(figures(2_000, 2_000, 7)),
            "complaints: 7 of 2000 deliveries (0.35%); the limit is 0.3%"
        );
        let anything = ReputationLimits {
            min_volume: 0,
            ..limits
        };
        assert_eq!(figures(0, 0, 5).judge(&anything), None);
    }
}
