//! Retry-After (RFC 9110 §10.2.3): seconds, or an HTTP date (RFC 9110 §5.6.7).

use std::time::Duration;

use ::http::HeaderValue;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use postbell_model::Timestamp;

// The one in use, and the two obsolete ones that a recipient must read.
const HTTP_DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// When a server wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long after its answer.
    Delay(Duration),
    /// Then.
    At(Timestamp),
}

impl RetryAfter {
    /// How long to wait from `now`; zero where the time has passed.
    pub fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            Self::At(at) => at.since(now),
        }
    }

    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Self::Delay(Duration::from_secs(seconds)));
        }
        HTTP_DATES.iter().find_map(|format| date(format, text))
    }
}

fn date(format: &str, text: &str) -> Option<RetryAfter> {
    let civil: DateTime = strtime::parse(format, text).ok()?.to_datetime().ok()?;
    let moment = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(RetryAfter::At(Timestamp::from_micros(
        moment.as_microsecond(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<RetryAfter> {
        RetryAfter::parse(&HeaderValue::from_static(text))
    }

    #[test]
    fn seconds_and_all_three_dates_are_read() {
        // RFC 9110 §5.6.7: three ways to write one moment.
        let moment = Timestamp::from_micros(784_111_777_000_000);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text), Some(RetryAfter::At(moment)), "{text}");
        }
        assert_eq!(
            parse(" 120 "),
            Some(RetryAfter::Delay(Duration::from_secs(120)))
        );
        for text in ["", "-1", "1.5", "soon", "Sun, 36 Nov 1994 08:49:37 GMT"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_a_wait_from_now() {
        let now = Timestamp::from_micros(784_111_777_000_000);
        let later = RetryAfter::At(now.after(Duration::from_secs(90)));
        assert_eq!(later.wait(now), Duration::from_secs(90));
        assert_eq!(
            RetryAfter::At(now).wait(now.after(Duration::from_secs(9))),
            Duration::ZERO
        );
    }
}
