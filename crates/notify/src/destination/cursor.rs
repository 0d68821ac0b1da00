//! The cursor: what is read after it, and when it is written.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::FutureExt;
use postbell_store::{Progress, StoreError};
use tokio::time::timeout;

use super::reading::{read_page, write_cursor};
use super::window::Doubt;
use super::{Happening, Read, Runner, end_of};

// While there is always something under way, the cursor is written at least so often.
const WRITE_EVERY: Duration = Duration::from_secs(1);
// A cursor that moved only over other destinations' events is written when it moved so far.
const WRITE_AFTER_OTHERS: u64 = 4_096;
// What a destination that is down is asked with, where it may not want every event.
const PROBE_PAGE: usize = 16;

impl Runner {
    pub(super) fn begin_writing(&mut self) {
        let undecided = !self.posts.is_empty() || self.window.has_ready();
        self.settle(if undecided && self.breaker.is_in_doubt() {
            Doubt::Down
        } else {
            Doubt::None
        });
        if self.writing.is_none() && self.is_writing_due() {
            self.writing = Some(self.write().boxed());
        }
    }

    fn settle(&mut self, doubt: Doubt) {
        if let Some(more) = self.window.settle(doubt) {
            self.settled.cursor = more.cursor;
            self.settled.failed.extend(more.failed);
            self.settled.events += more.events;
        }
    }

    fn is_writing_due(&self) -> bool {
        if self.settled.cursor <= self.written {
            // A destination that is down has a cursor that stands, and calls to show.
            return self.calls.has_failures() && self.is_idle();
        }
        if self.settled.events == 0 {
            return self.settled.cursor.0 - self.written.0 >= WRITE_AFTER_OTHERS;
        }
        let now = self.stage.clock.monotonic();
        self.settled.events >= self.stage.options.load().page
            || self.posts.is_empty()
            || now.since(self.written_at) >= WRITE_EVERY
    }

    /// Writes what is settled so far.
    fn write(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let failed = std::mem::take(&mut self.settled.failed);
        self.settled.events = 0;
        self.written = self.settled.cursor;
        self.written_at = self.stage.clock.monotonic();
        self.written_retry = failed.iter().map(|retry| retry.next_at).min();
        let progress = Progress {
            cursor: self.written,
            failed,
            calls: self.calls.take(),
        };
        write_cursor(Arc::clone(&self.stage), self.profile.id, progress)
    }

    pub(super) fn begin_reading(&mut self) {
        let limit = self.reading_limit();
        if self.reading.is_some() || limit == 0 || !self.is_newer() {
            return;
        }
        let stage = Arc::clone(&self.stage);
        let audience = self.profile.audience;
        let after = self.window.read_to();
        let newest = *self.newest.borrow();
        self.reading = Some(
            async move {
                let page = read_page(stage, audience, after, limit).await;
                Read {
                    after,
                    newest,
                    page,
                }
            }
            .boxed(),
        );
    }

    fn reading_limit(&self) -> usize {
        let options = self.stage.options.load();
        if self.breaker.is_open() {
            let needed = !self.window.has_ready() && self.may_probe();
            return if needed { PROBE_PAGE } else { 0 };
        }
        let room = options.window.saturating_sub(self.window.len());
        if room >= options.page || self.window.is_empty() {
            options.page.max(1)
        } else {
            0
        }
    }

    pub(super) fn read(&mut self, read: Read) -> Result<(), StoreError> {
        let page = read.page?;
        // What follows something that was forgotten meanwhile would leave a gap.
        if read.after != self.window.read_to() {
            return Ok(());
        }
        if page.read_to <= read.after {
            self.looked_to = read.newest;
        }
        self.window.extend(page);
        Ok(())
    }

    /// Ends what is under way, within the grace that it is given, and writes the cursor over
    /// what is dealt with.
    pub(super) async fn finish(&mut self) -> Result<(), StoreError> {
        let grace = self.stage.options.load().grace;
        let for_writing = grace / 4;
        match timeout(grace - for_writing, self.drain()).await {
            Ok(drained) => drained?,
            Err(_) => tracing::warn!(
                "Calls of a destination were still under way at the end and will be made again."
            ),
        }
        self.settle(Doubt::None);
        // A write that has not ended may have failed: what it holds must not be stepped over.
        let is_written = self.settled.cursor <= self.written && self.calls.is_empty();
        if self.writing.is_some() || is_written {
            return Ok(());
        }
        match timeout(for_writing, self.write()).await {
            Ok(written) => written,
            Err(_) => {
                tracing::warn!("A destination's cursor could not be written at the end.");
                Ok(())
            }
        }
    }

    async fn drain(&mut self) -> Result<(), StoreError> {
        while !self.is_idle() || self.writing.is_some() {
            let happening = tokio::select! {
                Some(posted) = self.posts.next() => Happening::Posted(posted),
                written = end_of(&mut self.writing) => Happening::Written(written),
                batch = end_of(&mut self.retrying) => Happening::Retried(batch),
            };
            self.take(happening)?;
        }
        Ok(())
    }
}
