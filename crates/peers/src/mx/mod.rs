//! A receiving mail server that does what a test or a person asks of it (RFC 5321).
//!
//! It takes mail for every address, keeps the latest messages, and behaves by the local part
//! ([`Conduct`]) or by script ([`Script`]). It is strict where a sender could be wrong: lines end
//! in CRLF, commands come in order, parameters need their extension, data ends at CRLF.CRLF only.
//! It is fast enough to be the sink of load tests: one buffer, one write for the replies to a
//! batch of pipelined commands. It has STARTTLS where it is given a certificate (RFC 3207), and
//! AUTH where it is given a login (RFC 4954).

mod command;
mod conduct;
mod data;
mod script;
mod session;
mod transaction;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ServerTls;
use crate::accept::serve_connections;
use crate::kept::{Keep, Kept, NotReached};

pub use conduct::Conduct;
pub use script::{Action, Script, Stage};

pub(crate) use conduct::local_name;

use conduct::Delayed;
use script::Scripts;

/// How the server is set up.
#[derive(Clone)]
pub struct MxOptions {
    /// Where it listens; port 0 for any.
    pub bind: SocketAddr,
    /// Its name in the greeting and in the reply to EHLO.
    pub hostname: String,
    /// The keywords of the reply to EHLO, with their parameters: `SIZE 1000`.
    pub extensions: Vec<String>,
    /// What it offers STARTTLS with.
    pub tls: Option<ServerTls>,
    /// Whether the handshake comes before the greeting.
    pub implicit_tls: bool,
    /// Username and password without which it takes nothing.
    pub login: Option<(String, String)>,
    /// What it keeps to be looked at.
    pub keep: Keep,
    /// The largest message; a larger one is read to its end and refused.
    pub max_message: usize,
    /// Connections served at a time; others wait in the listener's queue.
    pub max_connections: usize,
    /// Connections greeted with 220 at a time; others get a 421.
    pub busy_above: usize,
    /// How often `delay@` refuses before it takes the message.
    pub delays: u32,
    /// How long `slow@` takes to answer the final dot.
    pub slow: Duration,
    /// How long it waits for the client at each step, and how long a stall lasts.
    pub patience: Duration,
    /// Told of each message.
    pub ledger: Option<Ledger>,
    /// Asked before anything is taken.
    pub judge: Option<Arc<dyn Judge>>,
}

impl Default for MxOptions {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            hostname: "mx.peer.test".to_owned(),
            extensions: [
                "PIPELINING",
                "SIZE 52428800",
                "8BITMIME",
                "SMTPUTF8",
                "ENHANCEDSTATUSCODES",
            ]
            .map(str::to_owned)
            .to_vec(),
            tls: None,
            implicit_tls: false,
            login: None,
            keep: Keep::default(),
            max_message: 50 << 20,
            max_connections: 4_096,
            busy_above: usize::MAX,
            delays: 1,
            slow: Duration::from_secs(3),
            patience: Duration::from_secs(300),
            ledger: None,
            judge: None,
        }
    }
}

impl fmt::Debug for MxOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MxOptions")
            .field("bind", &self.bind)
            .field("hostname", &self.hostname)
            .field("extensions", &self.extensions)
            .finish_non_exhaustive()
    }
}

/// Called for each message that is complete and will be taken; it must not block.
pub type Ledger = Arc<dyn Fn(&Received, Moment) + Send + Sync>;

/// Has a say in what is taken; it must not block. What it answers is a whole reply, such as
/// `550 5.1.1 No such user here`, which is given in the place of the usual one.
pub trait Judge: Send + Sync {
    /// Why mail to this address is not taken.
    fn refuse_recipient(&self, to: &str) -> Option<String>;

    /// Why a message that is complete is not taken.
    fn refuse_message(&self, to: &[String], message: &Bytes) -> Option<String>;
}

/// When a ledger is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The message is complete; its 250 is about to be written.
    BeforeReply,
    /// The 250 was handed to the kernel.
    AfterReply,
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Received {
    /// The name that the client gave in EHLO or HELO.
    pub helo: String,
    /// MAIL FROM, without brackets; empty for the null path.
    pub from: String,
    /// The parameters of MAIL, as given.
    pub parameters: String,
    /// The recipients that were taken.
    pub recipients: Vec<String>,
    /// The parameters of RCPT of each, as given.
    pub recipient_parameters: Vec<String>,
    /// The message, dots unstuffed, without the final dot. Empty where neither kept nor told
    /// to a ledger.
    pub body: Bytes,
    /// Its octets, dots unstuffed.
    pub size: usize,
    /// When the final dot had come.
    pub at: Instant,
    /// The client.
    pub peer: SocketAddr,
    /// Which connection brought it, from 1.
    pub connection: u64,
    /// Whether it came under TLS.
    pub secured: bool,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MxCounts {
    /// Connections, also those greeted with 421.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// The most connections that were open at a time.
    pub most_open: u64,
    /// Messages taken.
    pub messages: u64,
    /// Replies of class 4 or 5.
    pub refusals: u64,
}

/// A running server; it stops with the token that it was started with.
#[derive(Debug, Clone)]
pub struct MxServer {
    addr: SocketAddr,
    state: Arc<State>,
}

impl MxServer {
    /// Listens and serves, in tasks of `tasks`, until `stop`.
    ///
    /// # Errors
    /// The address can't be bound.
    pub async fn start(
        options: MxOptions,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let addr = listener.local_addr()?;
        let max = options.max_connections;
        let state = Arc::new(State::new(options));
        let serve = {
            let state = Arc::clone(&state);
            move |stream, peer| session::serve(Arc::clone(&state), stream, peer)
        };
        tasks.spawn(serve_connections(listener, max, tasks.clone(), stop, serve));
        Ok(Self { addr, state })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The latest messages, oldest first.
    pub fn messages(&self) -> Vec<Arc<Received>> {
        self.state.messages.items()
    }

    /// Waits until `total` messages were taken since the start.
    ///
    /// # Errors
    /// They did not come within `limit`.
    pub async fn wait_for_messages(&self, total: u64, limit: Duration) -> Result<(), NotReached> {
        self.state.messages.wait_for_total(total, limit).await
    }

    /// Waits for a message of this kind among those kept.
    ///
    /// # Errors
    /// None came within `limit`.
    pub async fn wait_for_message(
        &self,
        limit: Duration,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Arc<Received>, NotReached> {
        self.state.messages.wait_for_item(limit, wanted).await
    }

    /// The next connection without a script of its own follows this one.
    pub fn script_next(&self, script: Script) {
        self.state.scripts.push(script);
    }

    /// Every connection that finds no script of [`MxServer::script_next`] follows this one.
    pub fn script_always(&self, script: Script) {
        self.state.scripts.set_always(script);
    }

    /// The transactions for this recipient follow this script from RCPT to the final dot, over
    /// all connections, each step once.
    pub fn script_address(&self, address: &str, script: Script) {
        self.state.scripts.set_address(address, script);
    }

    /// What happened so far.
    pub fn counts(&self) -> MxCounts {
        self.state.counts()
    }
}

/// What the sessions share.
struct State {
    options: MxOptions,
    greeting: String,
    ehlo_reply: String,
    ehlo_reply_secured: String,
    end_of_data: memchr::memmem::Finder<'static>,
    messages: Kept<Received>,
    scripts: Scripts,
    delayed: Delayed,
    connections: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
    refusals: AtomicU64,
}

impl State {
    fn new(options: MxOptions) -> Self {
        Self {
            greeting: format!("220 {} ESMTP", options.hostname),
            ehlo_reply: ehlo_reply(&options, options.tls.is_some().then_some("STARTTLS")),
            // RFC 3207 §4.2: under TLS it is not offered again.
            ehlo_reply_secured: ehlo_reply(&options, None),
            end_of_data: memchr::memmem::Finder::new(data::END),
            messages: Kept::new(options.keep),
            scripts: Scripts::default(),
            delayed: Delayed::new(options.delays),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            most_open: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            options,
        }
    }

    fn extension(&self, keyword: &str) -> Option<&str> {
        self.options.extensions.iter().find_map(|line| {
            let (name, parameter) = line.split_once(' ').unwrap_or((line, ""));
            name.eq_ignore_ascii_case(keyword).then_some(parameter)
        })
    }

    /// Whether anybody looks at bodies.
    fn wants_bodies(&self) -> bool {
        let options = &self.options;
        self.messages.keeps_any() || options.ledger.is_some() || options.judge.is_some()
    }

    fn tell(&self, received: &Received, moment: Moment) {
        if let Some(ledger) = &self.options.ledger {
            ledger(received, moment);
        }
    }

    fn counts(&self) -> MxCounts {
        MxCounts {
            connections: self.connections.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            most_open: self.most_open.load(Ordering::Relaxed),
            messages: self.messages.total(),
            refusals: self.refusals.load(Ordering::Relaxed),
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

// RFC 5321 §4.1.1.1: the name first, then one keyword a line.
fn ehlo_reply(options: &MxOptions, more: Option<&str>) -> String {
    let mut lines = vec![options.hostname.as_str()];
    lines.extend(options.extensions.iter().map(String::as_str));
    lines.extend(options.login.as_ref().map(|_| "AUTH PLAIN LOGIN"));
    lines.extend(more);
    let last = lines.len() - 1;
    let line = |(index, text): (usize, &&str)| {
        let separator = if index == last { ' ' } else { '-' };
        format!("250{separator}{text}")
    };
    lines
        .iter()
        .enumerate()
        .map(line)
        .collect::<Vec<_>>()
        .join("\r\n")
}

#[cfg(test)]
mod tests;
