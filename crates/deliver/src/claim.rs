//! claim: takes deliveries from the store to the board, fresh ones as they are offered, the
//! others lane by lane while there is room.

use std::time::Duration;

use postbell_model::{Lane, Timestamp};
use postbell_store::{Claimed, StoreError};
use tokio::sync::{mpsc, watch};

use crate::stage::Stage;

/// Fresh deliveries taken at a time.
const FRESH_BATCH: usize = 256;
/// Scheduled deliveries queued at a time.
const SCHEDULED: usize = 1_000;
/// Lanes looked at in one round, where there is something to be claimed in one of them.
const LANES: usize = 256;
/// Lanes looked at in one round, whatever they are.
const MOST_LANES: usize = 256 * 8 * 8 * 8;
/// The longest sleep: the wall clock may have been set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The sleep where something is due that can't be taken now.
const BLOCKED_SLEEP: Duration = Duration::from_secs(1);

/// Takes in what is offered as it was accepted, until the end.
pub(crate) async fn take_fresh(stage: &Stage, mut offered: mpsc::Receiver<Claimed>) {
    let mut batch = Vec::with_capacity(FRESH_BATCH);
    loop {
        let more = offered.recv_many(&mut batch, FRESH_BATCH);
        let Some(count) = stage.stop.run_until_cancelled(more).await else {
            break;
        };
        if count == 0 {
            return;
        }
        let parcels = stage.parcels(batch.drain(..));
        stage.board.offer(parcels, stage.clock.monotonic());
    }
    offered.close();
    while offered.recv_many(&mut batch, FRESH_BATCH).await > 0 {
        let parcels = stage.parcels(batch.drain(..));
        stage.release(parcels, Duration::ZERO).await;
    }
}

/// Claims by the index what is due, until the end.
pub(crate) async fn claim_due(stage: &Stage) {
    let mut queued = stage.queue.queued();
    loop {
        queued.mark_unchanged();
        let sleep = match claim_round(stage).await {
            Ok(Round::Claimed) => Duration::ZERO,
            Ok(Round::Idle(until)) => sleep_for(until, stage.clock.now()),
            Err(StoreError::Stopped(_)) => return stage.stop.cancel(),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is due can't be read from the store"
                );
                BLOCKED_SLEEP
            }
        };
        if stage.stop.is_cancelled() {
            return;
        }
        if sleep.is_zero() {
            continue;
        }
        tokio::select! {
            () = stage.stop.cancelled() => return,
            () = stage.clock.sleep(sleep) => {}
            () = rung(&mut queued) => {}
        }
    }
}

/// Waits until the bell of the queue rings; for ever where it is gone.
async fn rung(queued: &mut watch::Receiver<u64>) {
    if queued.changed().await.is_err() {
        std::future::pending().await
    }
}

/// What a round came to.
enum Round {
    /// Something was claimed: there may be more.
    Claimed,
    /// Nothing could be; the next is due then.
    Idle(Option<Timestamp>),
}

async fn claim_round(stage: &Stage) -> Result<Round, StoreError> {
    let sent = stage
        .queue
        .send_scheduled(stage.clock.now(), SCHEDULED)
        .await?;
    let more = sent == SCHEDULED;
    let mut limit = LANES;
    loop {
        let lanes = stage.queue.lanes_due(stage.clock.now(), limit).await?;
        let seen = lanes.len();
        if claim_lanes(stage, lanes).await? || more {
            return Ok(Round::Claimed);
        }
        // Lanes of sites that are left alone stay due, and may be more than the limit: those
        // behind them must be seen.
        if seen < limit || limit >= MOST_LANES {
            return Ok(Round::Idle(stage.queue.next_due().await?));
        }
        limit *= 8;
    }
}

/// Claims what there is room for; tells whether it was anything.
async fn claim_lanes(stage: &Stage, lanes: Vec<Lane>) -> Result<bool, StoreError> {
    let mut claimed = false;
    for lane in lanes {
        let now = stage.clock.monotonic();
        let room = stage.board.room_for(&lane, now);
        if room == 0 {
            continue;
        }
        let claims = stage.queue.claim(&lane, stage.clock.now(), room).await?;
        if claims.is_empty() {
            continue;
        }
        claimed = true;
        stage.board.offer(stage.parcels(claims), now);
    }
    Ok(claimed)
}

fn sleep_for(next: Option<Timestamp>, now: Timestamp) -> Duration {
    let Some(next) = next else {
        return LONGEST_SLEEP;
    };
    let left = next.since(now);
    if left.is_zero() {
        BLOCKED_SLEEP
    } else {
        left.min(LONGEST_SLEEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_until_something_is_due() {
        let now = Timestamp::from_micros(1_000_000_000);
        let soon = now.after(Duration::from_secs(7));
        let late = now.after(Duration::from_secs(7_000));
        assert_eq!(sleep_for(Some(soon), now), Duration::from_secs(7));
        assert_eq!(sleep_for(Some(late), now), LONGEST_SLEEP);
        assert_eq!(sleep_for(Some(now), soon), BLOCKED_SLEEP);
        assert_eq!(sleep_for(None, now), LONGEST_SLEEP);
    }
}
