//! Working for strangers without taking the processors from others.
//!
//! Handshakes, signatures and MIME are work, and strangers say how much of it there is. It is done
//! for few of them at a time; one that waits for the client, the DNS or the disk lets others go on
//! meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::ready;

use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// Does `work`, which runs only while it has one of the turns.
pub(crate) async fn in_turn<F: Future>(turns: &Arc<Semaphore>, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut turns = PollSemaphore::new(Arc::clone(turns));
    poll_fn(|context| {
        let _turn = ready!(turns.poll_acquire(context));
        work.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn who_waits_holds_nobody_up() {
        let turns = Arc::new(Semaphore::new(1));
        let (both, busy) = (Barrier::new(2), AtomicUsize::new(0));
        let work = async || {
            assert_eq!(busy.fetch_add(1, Ordering::Relaxed), 0);
            busy.fetch_sub(1, Ordering::Relaxed);
            both.wait().await;
        };
        tokio::join!(in_turn(&turns, work()), in_turn(&turns, work()));
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn without_a_turn_nothing_is_done() {
        let turns = Arc::new(Semaphore::new(1));
        let turn = turns.acquire().await.unwrap();
        let mut work = pin!(in_turn(&turns, async {}));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        drop(turn);
        work.await;
    }
}
