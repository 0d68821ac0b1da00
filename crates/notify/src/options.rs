//! What can be set about webhooks. The defaults stand in `config/default.toml`.

use std::time::Duration;

use serde::Deserialize;

/// How webhooks are called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyOptions {
    /// How long one call may take, answer included.
    pub timeout: Duration,
    /// Calls to one destination under way at once.
    pub in_flight: usize,
    /// Retries of one destination under way at once, beside its other calls.
    pub retries_in_flight: usize,
    /// Events read at a time; at least so many are dealt with before the cursor is written, as
    /// long as there are more.
    pub page: usize,
    /// Events of one destination in memory.
    pub window: usize,
    /// After so many failures in a row a destination counts as down.
    pub down_after: u32,
    /// From the moment that a destination counts as down to the first call that asks whether it
    /// is back; doubles.
    pub pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
    /// A destination that was down for so long is disabled.
    pub disable_after: Duration,
    /// What calls under way are given to end when the program stops.
    pub grace: Duration,
}
