//! What an operator does to the queue of the running server: batch by batch through its own store,
//! with what waits in memory put aside first, so that only what is being sent is left alone.

use std::sync::Arc;
use std::time::Duration;

use postbell_api::control::{Stands, Step};
use postbell_deliver::Live;
use postbell_model::{Address, Clock, DeliveryState, Monotonic};
use postbell_store::{Action, Course, DeliveryFilter, Holder, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Operations at a time.
const MOST: usize = 4;
/// How long one may take; an operator may ask again for the rest.
const LIMIT: Duration = Duration::from_mins(10);
/// How long who asked may take to hear what came of it.
const LAST_WORD: Duration = Duration::from_secs(30);
/// How often the queue is gone through. What was put back while the first pass was under way is
/// found by the second.
const PASSES: usize = 2;

/// The operations of a server.
pub(super) struct Operations {
    hand: Hand,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// What an operation works with.
#[derive(Clone)]
struct Hand {
    store: Arc<dyn Store>,
    live: Live,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl Operations {
    /// Operations that run on these tasks until they are stopped.
    pub(super) fn new(
        store: Arc<dyn Store>,
        live: Live,
        clock: Arc<dyn Clock>,
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Self {
        Self {
            hand: Hand {
                store,
                live,
                clock,
                stop,
            },
            slots: Arc::new(Semaphore::new(MOST)),
            tasks,
        }
    }

    /// Begins one; `None` where there are too many.
    pub(super) fn begin(
        &self,
        filter: DeliveryFilter,
        action: Action,
    ) -> Option<mpsc::Receiver<Step>> {
        let slot = self.slots.clone().try_acquire_owned().ok()?;
        let (steps, told) = mpsc::channel(1);
        let operation = Operation {
            hand: self.hand.clone(),
            filter,
            action,
            changed: 0,
            left_alone: 0,
            steps,
        };
        // A task of its own, since what was put aside must be put back whatever the client does.
        self.tasks.spawn(operation.run(slot));
        Some(told)
    }
}

/// Whether somebody may still listen.
enum Heard {
    Perhaps,
    ByNobody,
}

/// One that is under way.
struct Operation {
    hand: Hand,
    filter: DeliveryFilter,
    action: Action,
    changed: u64,
    left_alone: u64,
    steps: mpsc::Sender<Step>,
}

impl Operation {
    async fn run(mut self, slot: OwnedSemaphorePermit) {
        let mut course = Course::default();
        let stands = match self.carry_out(&mut course).await {
            Ok(stands) => stands,
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "an action on the queue failed"
                );
                Stands::BrokenOff(error.to_string())
            }
        };
        self.put_back(course).await;
        info!(
            deliveries = self.changed,
            left_alone = self.left_alone,
            "an operator has acted on the queue: {}",
            self.action.name()
        );
        drop(slot);
        let last = self.step(stands);
        tokio::select! {
            // Who asked may have gone.
            _ = self.steps.send(last) => {}
            () = self.hand.clock.sleep(LAST_WORD) => {}
        }
    }

    async fn carry_out(&mut self, course: &mut Course) -> Result<Stands, StoreError> {
        let until = self.hand.clock.monotonic().after(LIMIT);
        for _ in 0..PASSES {
            self.left_alone = 0;
            course.begin_again();
            while !course.is_ended() {
                if self.hand.stop.is_cancelled() {
                    return Ok(Stands::BrokenOff("the server ends".to_owned()));
                }
                if self.hand.clock.monotonic() >= until {
                    let minutes = LIMIT.as_secs() / 60;
                    let why = format!("{minutes} minutes are over; ask again for the rest");
                    return Ok(Stands::BrokenOff(why));
                }
                self.batch(course).await?;
                if let Heard::ByNobody = self.tell(until).await {
                    return Ok(Stands::BrokenOff("nobody listens".to_owned()));
                }
            }
            if self.left_alone == 0 {
                break;
            }
        }
        Ok(Stands::Done)
    }

    async fn batch(&mut self, course: &mut Course) -> Result<(), StoreError> {
        let Hand {
            store, live, clock, ..
        } = &self.hand;
        if self.takes_aside() {
            course.aside.extend(live.put_aside(&self.filter));
        }
        let now = clock.now();
        let batch = store
            .operate_some(&self.filter, &self.action, now, course)
            .await?;
        if matches!(self.action, Action::Retry | Action::Release) {
            let asked = self.filter.recipient.as_ref().map(Address::domain);
            let asked = self.filter.domain.as_ref().or(asked);
            live.hurry(batch.domains.iter().chain(asked));
        }
        self.changed += batch.changed;
        self.left_alone += batch.left_alone;
        Ok(())
    }

    /// Says how far it has come. Mail that was put aside does not wait for who does not listen.
    async fn tell(&self, until: Monotonic) -> Heard {
        let left = until.since(self.hand.clock.monotonic());
        tokio::select! {
            sent = self.steps.send(self.step(Stands::UnderWay)) => match sent {
                Ok(()) => Heard::Perhaps,
                Err(_) => Heard::ByNobody,
            },
            // Both are looked at before the next batch.
            () = self.hand.stop.cancelled() => Heard::Perhaps,
            () = self.hand.clock.sleep(left) => Heard::Perhaps,
        }
    }

    /// Whether it is about what waits in memory. What is to be tried at once need not be taken from
    /// those who are about to.
    fn takes_aside(&self) -> bool {
        let about = self.action.about(&self.filter);
        self.action != Action::Retry
            && about.is_some_and(|about| about.states.contains(&DeliveryState::Queued))
    }

    /// Gives back what was put aside and not found.
    async fn put_back(&self, course: Course) {
        if course.aside.is_empty() {
            return;
        }
        let giving_back = self.hand.live.give_back(course.aside.into_iter().collect());
        // Claims end with the server.
        self.hand.stop.run_until_cancelled(giving_back).await;
    }

    const fn step(&self, stands: Stands) -> Step {
        Step {
            changed: self.changed,
            left_alone: self.left_alone,
            stands,
        }
    }
}
