//! What something costs.

use std::time::Duration;
use std::{fs, io};

/// What the process has had of a processor.
pub(crate) fn processor() -> io::Result<Duration> {
    let spent = fs::read_to_string("/proc/self/schedstat")?;
    let word = spent.split_ascii_whitespace().next();
    Ok(Duration::from_nanos(
        word.and_then(|word| word.parse().ok()).unwrap_or(0),
    ))
}
