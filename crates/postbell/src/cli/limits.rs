//! `--rate` and `--quota`.

use std::num::NonZeroU32;

use clap::Args;
use postbell_model::SendingLimits;

/// The limits of something new.
#[derive(Debug, Clone, Copy, Args)]
pub struct NewLimits {
    /// Messages a minute; more of them are put off with 450 [default: no limit]
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
    /// Recipients a day in UTC; more of them are put off with 452 [default: no limit]
    #[arg(long, value_name = "N")]
    pub quota: Option<NonZeroU32>,
}

/// Other limits than before.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = true)]
pub struct ChangedLimits {
    /// Messages a minute; "none": no limit
    #[arg(long, value_name = "N", value_parser = limit)]
    pub rate: Option<Limit>,
    /// Recipients a day in UTC; "none": no limit
    #[arg(long, value_name = "N", value_parser = limit)]
    pub quota: Option<Limit>,
}

/// A limit or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// This much.
    Some(NonZeroU32),
    /// As much as there is.
    None,
}

impl NewLimits {
    pub(crate) fn wanted(self) -> SendingLimits {
        SendingLimits {
            rate: self.rate.map(NonZeroU32::get),
            quota: self.quota.map(NonZeroU32::get),
        }
    }
}

impl ChangedLimits {
    /// What holds then, where this held before.
    pub(crate) fn over(self, before: SendingLimits) -> SendingLimits {
        let changed = |limit: Option<Limit>, before| match limit {
            None => before,
            Some(Limit::None) => None,
            Some(Limit::Some(limit)) => Some(limit.get()),
        };
        SendingLimits {
            rate: changed(self.rate, before.rate),
            quota: changed(self.quota, before.quota),
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit::None);
    }
    let number = text.parse().map(Limit::Some);
    number.map_err(|_| "write a number from 1 on, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays() {
        let before = SendingLimits {
            rate: Some(1),
            quota: Some(2),
        };
        let changed = ChangedLimits {
            rate: Some(limit("none").unwrap()),
            quota: None,
        };
        let after = changed.over(before);
        assert_eq!((after.rate, after.quota), (None, Some(2)));
        let changed = ChangedLimits {
            rate: None,
            quota: Some(limit("500").unwrap()),
        };
        let after = changed.over(before);
        assert_eq!((after.rate, after.quota), (Some(1), Some(500)));
        for bad in ["0", "-1", "many", "", "4294967296"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
