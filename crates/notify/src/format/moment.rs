//! Times in documents: RFC 3339 in UTC, with three or six decimals.
//!
//! Written by hand, since each document has several and nothing else in it costs as much.

use postbell_model::Timestamp;
use serde::{Serialize, Serializer};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;
// 9999-12-31T23:59:59: RFC 3339 §5.6 has four digits for a year.
const LAST_SECOND: i64 = 253_402_300_799;

/// `2026-05-03T12:34:57.456123Z`.
pub(super) struct Micros(pub(super) Timestamp);

/// `2026-05-03T12:34:57.456Z`.
pub(super) struct Millis(pub(super) Timestamp);

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(self.0, 6))
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(self.0, 3))
    }
}

fn text(at: Timestamp, decimals: usize) -> String {
    // What lies outside of four-digit years is no time that anything happened at.
    let micros = at.as_micros().clamp(0, LAST_SECOND * SECOND);
    let (seconds, micros) = (micros / SECOND, micros % SECOND);
    let (year, month, day) = civil(seconds / DAY);
    let second = seconds % DAY;
    let mut out = String::with_capacity(27);
    push(&mut out, year, 4);
    for (mark, number) in [
        ('-', month),
        ('-', day),
        ('T', second / 3_600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        out.push(mark);
        push(&mut out, number, 2);
    }
    out.push('.');
    if decimals == 6 {
        push(&mut out, micros, 6);
    } else {
        push(&mut out, micros / 1_000, 3);
    }
    out.push('Z');
    out
}

/// Appends `number` with exactly `digits` digits.
fn push(out: &mut String, number: i64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        out.push(char::from(
            b"0123456789"[usize::try_from(digit).unwrap_or(0)],
        ));
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar. Years are counted
/// from March, so that a leap day is the last of its year.
const fn civil(day: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let shifted = day + 719_468;
    let era = shifted / ERA;
    let of_era = shifted % ERA;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_cut_and_not_rounded() {
        let at = Timestamp::from_micros(1_777_811_697_456_987);
        assert_eq!(text(at, 6), "2026-05-03T12:34:57.456987Z");
        assert_eq!(text(at, 3), "2026-05-03T12:34:57.456Z");
    }

    #[test]
    fn what_has_no_four_digit_year_is_the_nearest_that_has() {
        let first = Timestamp::from_micros(i64::MIN);
        assert_eq!(text(first, 3), "1970-01-01T00:00:00.000Z");
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(text(last, 3), "9999-12-31T23:59:59.000Z");
    }

    proptest! {
        #[test]
        fn any_moment_is_written_as_the_model_writes_it(micros in 0..LAST_SECOND * SECOND) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(text(at, 6), at.to_string());
        }
    }
}
