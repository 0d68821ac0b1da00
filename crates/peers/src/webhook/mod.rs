//! A webhook receiver: checks signatures as Standard Webhooks says, keeps what came, answers as
//! a test wants.
//!
//! Plain HTTP/1.1 with keep-alive. Every path is a webhook. A post whose signature is missing or
//! wrong gets a 401, and is kept all the same, to be looked at.

mod answer;
mod serve;
mod signature;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use postbell_model::Clock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::serve_connections;
use crate::kept::{Keep, Kept, NotReached};

pub use answer::Answer;
pub use signature::{BadSecret, SignatureCheck, SigningSecret};

use answer::Answers;

/// How the server is set up.
#[derive(Clone)]
pub struct WebhookOptions {
    /// Where it listens; port 0 for any.
    pub bind: SocketAddr,
    /// The secrets that a signature may be made with; without any, nothing is checked.
    pub secrets: Vec<SigningSecret>,
    /// How old a signature may be, by which clock; any age where this is `None`.
    pub tolerance: Option<Tolerance>,
    /// What it keeps to be looked at.
    pub keep: Keep,
    /// The largest body; a larger one gets a 413.
    pub max_body: usize,
    /// Connections served at a time; others wait in the listener's queue.
    pub max_connections: usize,
    /// How long it waits for a request, and how long a stall lasts.
    pub patience: Duration,
    /// Told of each post before it is answered; must not block.
    pub ledger: Option<Ledger>,
    /// Gets each post too; one that finds the channel full is counted in
    /// [`WebhookCounts::missed_by_feed`] and not sent.
    pub feed: Option<mpsc::Sender<Arc<Post>>>,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            secrets: Vec::new(),
            tolerance: None,
            keep: Keep::default(),
            max_body: 8 << 20,
            max_connections: 4_096,
            patience: Duration::from_secs(300),
            ledger: None,
            feed: None,
        }
    }
}

impl fmt::Debug for WebhookOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookOptions")
            .field("bind", &self.bind)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// Called with each post.
pub type Ledger = Arc<dyn Fn(&Post) + Send + Sync>;

/// How far the time of a signature may lie from the clock's.
#[derive(Debug, Clone)]
pub struct Tolerance {
    /// The clock of the consumer.
    pub clock: Arc<dyn Clock>,
    /// Standard Webhooks has five minutes.
    pub limit: Duration,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Post {
    /// When its body was complete.
    pub at: Instant,
    /// Path and query.
    pub path: String,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What the check of its signature gave.
    pub signature: SignatureCheck,
    /// The status that it is answered with; 0 where the connection is dropped instead.
    pub status: u16,
}

impl Post {
    /// The header field of this name, as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// `webhook-id`: the event's id, the same over every retry.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Connections.
    pub connections: u64,
    /// Posts, whatever the answer.
    pub posts: u64,
    /// Posts that were answered 2xx.
    pub taken: u64,
    /// Posts whose signature did not verify.
    pub unverified: u64,
    /// Posts that the feed had no room for.
    pub missed_by_feed: u64,
}

/// A running server; it stops with the token that it was started with.
#[derive(Debug, Clone)]
pub struct WebhookServer {
    addr: SocketAddr,
    state: Arc<State>,
}

impl WebhookServer {
    /// Listens and serves, in tasks of `tasks`, until `stop`.
    ///
    /// # Errors
    /// The address can't be bound.
    pub async fn start(
        options: WebhookOptions,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let addr = listener.local_addr()?;
        let max = options.max_connections;
        let state = Arc::new(State::new(options));
        let serve = {
            let state = Arc::clone(&state);
            move |stream, _| serve::serve(Arc::clone(&state), stream)
        };
        tasks.spawn(serve_connections(listener, max, tasks.clone(), stop, serve));
        Ok(Self { addr, state })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of this path: `http://127.0.0.1:PORT/path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}", self.addr, path.trim_start_matches('/'))
    }

    /// The latest posts, oldest first.
    pub fn posts(&self) -> Vec<Arc<Post>> {
        self.state.posts.items()
    }

    /// Waits until `total` posts came since the start, whatever their answers.
    ///
    /// # Errors
    /// They did not come within `limit`.
    pub async fn wait_for_posts(&self, total: u64, limit: Duration) -> Result<(), NotReached> {
        self.state.posts.wait_for_total(total, limit).await
    }

    /// Waits for a post of this kind among those kept.
    ///
    /// # Errors
    /// None came within `limit`.
    pub async fn wait_for_post(
        &self,
        limit: Duration,
        wanted: impl Fn(&Post) -> bool,
    ) -> Result<Arc<Post>, NotReached> {
        self.state.posts.wait_for_item(limit, wanted).await
    }

    /// The next `times` posts whose path has no answer of its own get this answer.
    pub fn answer_next(&self, times: u64, answer: Answer) {
        self.state.answers.push(times, answer);
    }

    /// Posts to this path get this answer from now on; the usual one again with `None`.
    pub fn answer_path(&self, path: &str, answer: Option<Answer>) {
        self.state.answers.set_path(path, answer);
    }

    /// What happened so far.
    pub fn counts(&self) -> WebhookCounts {
        self.state.counts()
    }
}

/// What the connections share.
struct State {
    options: WebhookOptions,
    posts: Kept<Post>,
    answers: Answers,
    connections: AtomicU64,
    taken: AtomicU64,
    unverified: AtomicU64,
    missed_by_feed: AtomicU64,
}

impl State {
    fn new(options: WebhookOptions) -> Self {
        Self {
            posts: Kept::new(options.keep),
            answers: Answers::default(),
            connections: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            unverified: AtomicU64::new(0),
            missed_by_feed: AtomicU64::new(0),
            options,
        }
    }

    fn record(&self, post: Post) {
        if (200..300).contains(&post.status) {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
        if !post.signature.is_fine() {
            self.unverified.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(ledger) = &self.options.ledger {
            ledger(&post);
        }
        if !self.posts.keeps_any() && self.options.feed.is_none() {
            self.posts.count();
            return;
        }
        let post = Arc::new(post);
        self.posts.push(&post, post.body.len());
        if let Some(feed) = &self.options.feed
            && feed.try_send(post).is_err()
        {
            self.missed_by_feed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counts(&self) -> WebhookCounts {
        WebhookCounts {
            connections: self.connections.load(Ordering::Relaxed),
            posts: self.posts.total(),
            taken: self.taken.load(Ordering::Relaxed),
            unverified: self.unverified.load(Ordering::Relaxed),
            missed_by_feed: self.missed_by_feed.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("options", &self.options)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
