//! Pauses of chance: a site that comes and goes in step with them would else never be met.

use std::time::Duration;

use super::WorkerId;

/// By how much a pause is shorter than it could be.
pub(super) struct Spread {
    /// Any number that was not drawn from before.
    pub(super) seed: WorkerId,
    pub(super) hundredths: u32,
}

impl Spread {
    pub(super) fn shorten(&self, pause: Duration) -> Duration {
        // Fibonacci hashing: neighbouring numbers lead far from each other.
        let roll = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let roll = u32::try_from(roll).unwrap_or(u32::MAX);
        let share = f64::from(roll) / f64::from(u32::MAX) * f64::from(self.hundredths) / 100.0;
        pause.mul_f64(1.0 - share.clamp(0.0, 1.0))
    }
}
