//! Durations as people write them: `90s`, `1h30m`.

use std::time::Duration;

/// Longest first, so that `ms` is not read as `m` and a stray `s`.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads `500ms`, `30s`, `5m`, `3h`, `5d` or several in a row: `1h30m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let (unit, factor) = DURATION_UNITS
            .into_iter()
            .find(|(unit, _)| after.starts_with(unit))?;
        milliseconds = milliseconds.checked_add(number.checked_mul(factor)?)?;
        rest = after.get(unit.len()..)?.trim_start();
    }
    Some(Duration::from_millis(milliseconds))
}

/// Writes a duration as [`parse_duration`] reads it, in the largest units: `1h30m`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if text.is_empty() {
        return "0s".to_owned();
    }
    text
}

/// The digits at the start of `text`, and what follows them without its white space.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text.get(..end)?.parse().ok()?;
    Some((number, text.get(end..)?.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let read = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("30s"), Some(30_000));
        assert_eq!(read("5m"), Some(300_000));
        assert_eq!(read("1h30m"), Some(5_400_000));
        assert_eq!(read(" 5 d "), Some(432_000_000));
        assert_eq!(read("0s"), Some(0));
        for wrong in [
            "",
            "5",
            "m",
            "5 minutes",
            "-5m",
            "1.5h",
            "99999999999999999999d",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "500ms", "30s", "5m", "1h30m", "5d", "1d2h3m4s5ms"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(format_duration(duration), text);
        }
    }
}
