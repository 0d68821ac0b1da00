//! Giving deliveries back to the queue without an attempt.
//!
//! Until the store has taken it, they count as in flight, and nobody has them: a store that is
//! busy or full is told again and again.

use std::time::Duration;

use postbell_model::{Clock, DeliveryId, Timestamp};
use postbell_store::{Queue, StoreError};

/// The first and the longest wait for a store that is busy or full.
pub(crate) const PATIENCE: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(5));

/// Whether the store may take later what it does not take now.
pub(crate) const fn may_take_later(error: &StoreError) -> bool {
    matches!(error, StoreError::Busy | StoreError::Full)
}

/// Gives deliveries back, due again at `at`, however long the store has no room for that.
pub(crate) async fn give_back(
    queue: &dyn Queue,
    clock: &dyn Clock,
    deliveries: Vec<DeliveryId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut wait = PATIENCE.0;
    loop {
        match queue.release(deliveries.clone(), at).await {
            Err(error) if may_take_later(&error) => clock.sleep(wait).await,
            result => return result,
        }
        wait = (wait * 2).min(PATIENCE.1);
    }
}
