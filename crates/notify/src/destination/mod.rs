//! The loop of one destination.
//!
//! It reads ahead of the cursor into a [`Window`], posts several events at a time, and writes
//! the cursor when a page of events is dealt with or there is nothing more to do. Retries run
//! beside it. All of this is one task that waits for whatever happens first.

mod calls;
mod cursor;
mod log;
mod reading;
mod retries;
mod window;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, pending};
use futures_util::stream::FuturesUnordered;
use postbell_model::{DisableReason, Monotonic, Timestamp};
use postbell_store::{Page, Position, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, BreakerOptions};
use crate::metrics::Entry;
use crate::post::{Failure, Made};
use crate::profile::Profile;
use crate::stage::Stage;
use log::CallLog;
use retries::Batch;
use window::{Settled, Ticket, Window};

/// Why a destination's task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was told to.
    Stopped,
    /// The destination was switched off.
    Disabled,
}

/// The loop's state.
pub(crate) struct Runner {
    stage: Arc<Stage>,
    profile: Arc<Profile>,
    newest: watch::Receiver<Position>,
    /// The newest position when the log was last found to have nothing more.
    looked_to: Position,
    window: Window,
    breaker: Breaker,
    /// Whether what is under way is to show if the destination is back.
    probing: bool,
    posts: FuturesUnordered<BoxFuture<'static, Posted>>,
    reading: Option<BoxFuture<'static, Read>>,
    writing: Option<BoxFuture<'static, Result<(), StoreError>>>,
    retrying: Option<BoxFuture<'static, Result<Batch, StoreError>>>,
    /// When a retry is due, of those in the table.
    next_retry: Option<Timestamp>,
    /// When a retry is due, of those being written into it.
    written_retry: Option<Timestamp>,
    settled: Settled,
    /// Calls for the log, not yet written.
    calls: CallLog,
    written: Position,
    written_at: Monotonic,
    /// Told of in metrics as long as this is here.
    entry: Entry,
}

/// What came of the calls about one event.
struct Posted {
    ticket: Ticket,
    /// The number of each document, and its call.
    made: Vec<(u32, Made)>,
}

impl Posted {
    fn worst(&self) -> Option<&Failure> {
        let failures = self
            .made
            .iter()
            .filter_map(|(_, made)| made.failure.as_ref());
        failures.max_by_key(|failure| failure.kind)
    }
}

/// What was read, and when.
struct Read {
    after: Position,
    newest: Position,
    page: Result<Page, StoreError>,
}

/// What the loop waits for.
enum Happening {
    Posted(Posted),
    Read(Read),
    Written(Result<(), StoreError>),
    Retried(Result<Batch, StoreError>),
    /// There is something newer in the log, or something is due.
    Ring,
    Stop,
}

impl Runner {
    /// Takes a destination up where its cursor stands.
    pub(crate) async fn new(stage: Arc<Stage>, profile: Arc<Profile>) -> Result<Self, StoreError> {
        let cursor = stage.destinations.cursor(profile.id).await?;
        let next_retry = stage.destinations.next_retry(profile.id).await?;
        let options = BreakerOptions::of(&stage.options.load());
        Ok(Self {
            newest: stage.log.newest(),
            looked_to: Position::default(),
            window: Window::new(cursor),
            breaker: Breaker::new(options),
            probing: false,
            posts: FuturesUnordered::new(),
            reading: None,
            writing: None,
            retrying: None,
            next_retry,
            written_retry: None,
            settled: Settled {
                cursor,
                ..Settled::default()
            },
            calls: CallLog::default(),
            written: cursor,
            written_at: stage.clock.monotonic(),
            entry: stage.metrics.enter(profile.id, &profile.name),
            stage,
            profile,
        })
    }

    /// Runs until it is stopped or the destination is switched off.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Result<Exit, StoreError> {
        loop {
            self.begin_calls();
            self.begin_writing();
            self.begin_reading();
            self.begin_retrying();
            self.note_standing();
            let happening = self.happening(stop).await;
            if matches!(happening, Happening::Stop) {
                self.finish().await?;
                return Ok(Exit::Stopped);
            }
            if let Verdict::SwitchOff(reason) = self.take(happening)? {
                self.disable(reason).await;
                self.finish().await?;
                return Ok(Exit::Disabled);
            }
        }
    }

    fn note_standing(&self) {
        let first = self.window.first_event();
        let done = match first {
            Some(event) => Position(event.position().0.saturating_sub(1)),
            None => self.window.read_to().max(self.looked_to),
        };
        let oldest = first.map(|event| event.id().made_at());
        let newest = *self.newest.borrow();
        self.entry
            .note((done, newest), oldest, self.breaker.is_open());
    }

    fn take(&mut self, happening: Happening) -> Result<Verdict, StoreError> {
        match happening {
            Happening::Posted(posted) => return Ok(self.posted(posted)),
            Happening::Retried(batch) => return self.retried(batch),
            Happening::Read(read) => self.read(read)?,
            Happening::Written(written) => {
                written?;
                self.next_retry = earlier(self.next_retry, self.written_retry.take());
            }
            Happening::Ring | Happening::Stop => {}
        }
        Ok(Verdict::GoOn)
    }

    async fn happening(&mut self, stop: &CancellationToken) -> Happening {
        let wake_at = self.wake_at();
        let clock = Arc::clone(&self.stage.clock);
        let timer = async {
            match wake_at {
                Some(at) => clock.sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Happening::Stop,
            // Calls may end without a break: what ends seldom comes before them.
            written = end_of(&mut self.writing) => Happening::Written(written),
            read = end_of(&mut self.reading) => Happening::Read(read),
            batch = end_of(&mut self.retrying) => Happening::Retried(batch),
            Some(posted) = self.posts.next() => Happening::Posted(posted),
            changed = self.newest.changed() => {
                if changed.is_err() {
                    // The store is closed, and so is the program about to be.
                    stop.cancelled().await;
                }
                Happening::Ring
            }
            () = timer => Happening::Ring,
        }
    }

    /// When to look again even if nothing happens.
    fn wake_at(&self) -> Option<Monotonic> {
        let clock = &self.stage.clock;
        let retry_at = self
            .next_retry
            .map(|due| clock.monotonic().after(due.since(clock.now())));
        let Some(probe_at) = self.breaker.probe_at() else {
            return retry_at.filter(|_| self.retrying.is_none());
        };
        if !self.is_idle() || self.reading.is_some() {
            return None;
        }
        if self.window.has_ready() || self.is_newer() {
            return Some(probe_at);
        }
        retry_at.map(|at| at.max(probe_at))
    }

    /// Whether no call is under way.
    fn is_idle(&self) -> bool {
        self.posts.is_empty() && self.retrying.is_none()
    }

    fn is_newer(&self) -> bool {
        *self.newest.borrow() > self.window.read_to().max(self.looked_to)
    }

    fn may_probe(&self) -> bool {
        let now = self.stage.clock.monotonic();
        self.is_idle() && self.breaker.probe_at().is_some_and(|at| at <= now)
    }

    async fn disable(&mut self, reason: DisableReason) {
        let now = self.stage.clock.now();
        let disabled = self
            .stage
            .destinations
            .disable(self.profile.id, reason, now);
        if let Err(error) = disabled.await {
            tracing::error!(%error, "A destination can't be switched off");
        }
    }
}

/// Waits for the end of what is under way, for ever where nothing is.
async fn end_of<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(future) = under_way else {
        return pending().await;
    };
    let end = future.await;
    *under_way = None;
    end
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    GoOn,
    SwitchOff(DisableReason),
}
