//! A live look at SMTP sessions, in either role: what each side says, as it says it.
//!
//! While nobody watches, a session pays one relaxed load for each line. A watcher that reads too
//! slowly loses lines, and is told how many; no session ever waits for one.
//!
//! Refused: to show a login. Who records a line of one says so, and its text is left out.

mod session;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postbell_model::{Clock, Domain, Timestamp};
use tokio::sync::mpsc;

pub use session::SessionTrace;

/// Lines on the way to one watcher.
const ON_THE_WAY: usize = 4_096;
/// Watchers at a time.
const MOST_WATCHERS: usize = 16;

/// Which side of a session we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The server that applications hand mail to.
    Submission,
    /// The server that strangers bring mail to.
    Inbound,
    /// The client of mail hosts.
    Delivery,
}

impl Role {
    /// One word: `submission`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Inbound => "inbound",
            Self::Delivery => "delivery",
        }
    }
}

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Nobody: it is about the session.
    Note,
}

/// One line of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// When it was said.
    pub at: Timestamp,
    /// Which session, among those of its role.
    pub session: u64,
    /// Which side we are.
    pub role: Role,
    /// The other side.
    pub peer: IpAddr,
    /// Who says it.
    pub speaker: Speaker,
    /// What is said, without its line end, control characters escaped, cut where it is long.
    pub text: String,
}

/// What a watcher wants to see; `None`: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// Sessions with this address.
    pub peer: Option<IpAddr>,
    /// Sessions in which an address or a host of this domain is named; from their beginning.
    pub domain: Option<Domain>,
    /// Sessions of this role.
    pub role: Option<Role>,
    /// Whether messages are shown line by line, and not only by their size.
    pub data: bool,
}

/// Tells watchers what sessions say. Cheap to clone; one without a clock never has a watcher.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

struct Shared {
    clock: Arc<dyn Clock>,
    watched: AtomicBool,
    watchers: Mutex<Vec<Arc<Watcher>>>,
    last: AtomicU64,
}

#[derive(Debug)]
struct Watcher {
    id: u64,
    watch: Watch,
    lines: mpsc::Sender<TraceLine>,
    lost: AtomicU64,
}

impl Watcher {
    fn tell(&self, line: &TraceLine) {
        if self.lines.try_send(line.clone()).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// There are enough watchers already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_WATCHERS} traces run already")]
pub struct TooManyWatchers;

impl Tracer {
    /// A tracer that can be watched.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Some(Arc::new(Shared {
            clock,
            watched: AtomicBool::new(false),
            watchers: Mutex::default(),
            last: AtomicU64::new(0),
        })))
    }

    /// Watches from now on, until the result is dropped.
    ///
    /// # Errors
    /// So many watch already that one more could slow the server down.
    pub fn watch(&self, watch: Watch) -> Result<Watching, TooManyWatchers> {
        let shared = self.0.as_ref().ok_or(TooManyWatchers)?;
        let (sender, lines) = mpsc::channel(ON_THE_WAY);
        let watcher = Arc::new(Watcher {
            id: shared.last.fetch_add(1, Ordering::Relaxed) + 1,
            watch,
            lines: sender,
            lost: AtomicU64::new(0),
        });
        let mut watchers = shared.watchers();
        if watchers.len() >= MOST_WATCHERS {
            return Err(TooManyWatchers);
        }
        watchers.push(Arc::clone(&watcher));
        shared.watched.store(true, Ordering::Relaxed);
        drop(watchers);
        Ok(Watching {
            shared: Arc::clone(shared),
            watcher,
            lines,
        })
    }

    /// The trace of a session that begins.
    pub fn session(&self, role: Role, number: u64, peer: IpAddr) -> SessionTrace {
        SessionTrace::new(self.clone(), role, number, peer)
    }

    fn watched(&self) -> Option<&Arc<Shared>> {
        let shared = self.0.as_ref()?;
        shared.watched.load(Ordering::Relaxed).then_some(shared)
    }
}

impl Shared {
    fn watchers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Watcher>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.watched().is_some();
        f.debug_struct("Tracer").field("watched", &watched).finish()
    }
}

/// What a watcher holds.
pub struct Watching {
    shared: Arc<Shared>,
    watcher: Arc<Watcher>,
    lines: mpsc::Receiver<TraceLine>,
}

impl Watching {
    /// The next line, and how many were lost before it for want of room.
    pub async fn next(&mut self) -> Option<(TraceLine, u64)> {
        let line = self.lines.recv().await?;
        Some((line, self.watcher.lost.swap(0, Ordering::Relaxed)))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watchers = self.shared.watchers();
        watchers.retain(|watcher| watcher.id != self.watcher.id);
        self.shared
            .watched
            .store(!watchers.is_empty(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching")
            .field("watcher", &self.watcher)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
