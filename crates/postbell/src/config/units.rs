//! Sizes as people write them: `25 MiB`.

pub(crate) use postbell_model::duration::{format_duration, parse_duration};

const SIZE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads `1000`, `64 KiB`, `25MiB`, `1 GB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let (_, factor) = SIZE_UNITS
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(factor)
}

/// The digits at the start of `text`, and what follows them without its white space.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("1000"), Some(1_000));
        assert_eq!(parse_size("25 MiB"), Some(25 << 20));
        assert_eq!(parse_size("25mib"), Some(25 << 20));
        assert_eq!(parse_size("1 GB"), Some(1_000_000_000));
        for wrong in ["", "MiB", "25 M", "-1", "1.5 MiB", "99999999999 GiB"] {
            assert_eq!(parse_size(wrong), None, "{wrong:?}");
        }
    }
}
