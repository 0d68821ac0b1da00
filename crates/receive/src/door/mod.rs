//! What every door is made of: the accept loop, the way from a connection to a session, and the
//! session itself.
//!
//! A door says by its [`Service`] who is let in and what is offered there, and by the
//! [`Conversation`] that it begins with each client what may be said. Everything else is the same
//! at every door.

pub(crate) mod buckets;
mod entrance;
mod metrics;
pub(crate) mod proxy;
mod session;
mod socket;
mod timeouts;
mod trace;
mod turns;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use postbell_model::{Clock, Reply};
use postbell_net::trace::Role;
use postbell_net::{ServerTls, Spread, Tracer};
use postbell_smtp::{Answer, Ask, Envelope, Server, ServerOptions, Terms, Tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Span, warn};

use entrance::{Arrival, Entrance};

pub use metrics::DoorMetrics;
pub(crate) use metrics::LoginOutcome;
pub(crate) use postbell_net::{Peers, Place};
pub use timeouts::ClientTimeouts;
pub use turns::Activity;
pub(crate) use turns::{Turns, in_turn};

// How long accepting rests after it failed: doubles from the first to the last.
pub(crate) const FIRST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_secs(1);

// Connections that are being refused at a time, each for two seconds at most; more are closed
// without a word.
const REFUSALS_MAX: usize = 256;

/// The greeting of a door behind which nothing is taken.
///
/// RFC 5321 §3.8: 421 says that the service is not available and that the connection is closed.
pub(crate) fn not_now(reply: Reply) -> Reply {
    Reply { code: 421, ..reply }
}

/// When a listener's connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Once the client says STARTTLS, which is offered where there is a certificate.
    StartTls,
    /// From the first octet (RFC 8314 §3.3).
    Implicit,
}

/// What a door is for: who is let in, and what is said there.
pub(crate) trait Service: Send + Sync + 'static {
    /// What it has with each client.
    type Conversation: Conversation;

    /// What the sessions are to whoever watches.
    const ROLE: Role;

    /// What becomes of a connection that comes when there are as many as may be.
    const WHEN_FULL: WhenFull;

    /// What all sessions share.
    fn common(&self) -> &Arc<Common>;

    /// The span of a session, with the fields that [`Entrance`] fills in.
    fn span(&self, number: u64) -> Span;

    /// Lets a client in, or says why not.
    fn welcome(&self, visitor: &Visitor) -> Result<Welcome<Self::Conversation>, Reply>;
}

/// What becomes of a connection when all slots are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It waits to be accepted.
    Wait,
    /// It is told to come back.
    Refuse,
}

/// What a door has to say in one session.
pub(crate) trait Conversation: Send + 'static {
    /// The answer to a question of the machine.
    fn decide(&mut self, ask: Ask, server: &Server) -> impl Future<Output = Answer> + Send;

    /// Octets of a message have come; where there is no room for them, the last reply.
    fn make_room(&mut self, _octets: usize) -> Result<(), Reply> {
        Ok(())
    }

    /// No message is coming in.
    fn let_go(&mut self) {}

    /// Nothing that was said counts any more: TLS has begun (RFC 3207 §4.2), or the session is
    /// over.
    fn forget(&mut self);

    /// How many messages were taken.
    fn messages(&self) -> u32;
}

/// A client that wants to come in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) ip: IpAddr,
    /// Whether nobody can listen: neither end, nor a proxy between them, is off this machine.
    pub(crate) is_local: bool,
    pub(crate) tls: Tls,
}

/// A client that is let in: what is offered, and who talks with it.
#[derive(Debug)]
pub(crate) struct Welcome<C> {
    pub(crate) terms: Terms,
    pub(crate) conversation: C,
}

/// What all sessions of a door share, whatever it is for.
pub(crate) struct Common {
    /// Those of new sessions.
    pub(crate) rules: ArcSwap<Rules>,
    /// `None`: there is no certificate, hence no TLS.
    tls: Option<TlsAcceptor>,
    /// How many may occupy a processor for a handshake; `None`: all of them.
    turns: Option<Arc<Turns>>,
    pub(crate) metrics: DoorMetrics,
}

/// What a session keeps to, from its begin to its end.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Whose connections begin with a PROXY header, and how long it may take.
    pub(crate) proxy_from: Vec<IpNet>,
    pub(crate) proxy_limit: Duration,
    pub(crate) handshake_limit: Duration,
    pub(crate) server: Arc<ServerOptions>,
}

impl Common {
    pub(crate) fn new(rules: Rules, tls: Option<&ServerTls>, metrics: DoorMetrics) -> Self {
        Self {
            rules: ArcSwap::from_pointee(rules),
            tls: tls.map(|tls| TlsAcceptor::from(tls.config())),
            turns: None,
            metrics,
        }
    }

    /// With handshakes that have to wait for their turn.
    pub(crate) fn with_turns(self, turns: Arc<Turns>) -> Self {
        Self {
            turns: Some(turns),
            ..self
        }
    }
}

/// A door: the accept loop. One for any number of listeners: limits hold over all of them.
pub(crate) struct Door<S> {
    service: Arc<S>,
    clock: Arc<dyn Clock>,
    tracer: Tracer,
    spread: Spread,
    max_connections: usize,
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    sessions: AtomicU64,
}

impl<S: Service> Door<S> {
    /// A door with so many sessions at a time. The clock paces what is tried again; clients live
    /// in real time.
    pub(crate) fn new(service: S, max_connections: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            service: Arc::new(service),
            clock,
            tracer: Tracer::default(),
            spread: Spread::default(),
            max_connections,
            slots: Arc::new(Semaphore::new(max_connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            sessions: AtomicU64::new(1),
        }
    }

    /// Shows its sessions to whoever watches.
    pub(crate) fn trace_with(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// Has its sessions on other threads where there are many.
    pub(crate) fn spread_by(&mut self, spread: Spread) {
        self.spread = spread;
    }

    pub(crate) fn service(&self) -> &S {
        &self.service
    }

    /// How many sessions there were.
    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed) - 1
    }

    /// Accepts connections until `stop`, each with a task of its own. The sessions then end:
    /// those between commands with 421 4.3.2 at once, those within a message after it.
    pub(crate) async fn serve(
        &self,
        listener: TcpListener,
        encryption: Encryption,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) {
        let mut rest = FIRST_REST;
        loop {
            let accepted = stop.run_until_cancelled(self.accept(&listener)).await;
            let Some(accepted) = accepted else {
                return;
            };
            let taken_in = accepted
                .and_then(|(stream, slot)| self.take_in(stream, encryption, slot, tasks, &stop));
            rest = match taken_in {
                Ok(()) => FIRST_REST,
                Err(error) => self.rest_after(&error, rest, &stop).await,
            };
        }
    }

    /// Waits for a connection and then, where that is the way of the door, for a slot: one
    /// connection of each listener may wait here for it, the others wait in the system's queue.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
        let (stream, _) = listener.accept().await?;
        let slots = Arc::clone(&self.slots);
        let slot = match S::WHEN_FULL {
            WhenFull::Wait => Some(slots.acquire_owned().await.map_err(io::Error::other)?),
            WhenFull::Refuse => slots.try_acquire_owned().ok(),
        };
        Ok((stream, slot))
    }

    /// Waits before accepting again; gives the time to wait after the next failure.
    pub(crate) async fn rest_after(
        &self,
        error: &io::Error,
        rest: Duration,
        stop: &CancellationToken,
    ) -> Duration {
        // The connection that was to be accepted is gone: nothing is wrong here.
        if is_of_the_connection(error) {
            return FIRST_REST;
        }
        // Once for each row of failures, typically for want of file descriptors.
        if rest == FIRST_REST {
            let door = S::ROLE.name();
            warn!("accepting a connection for {door} failed, trying again: {error}");
        }
        stop.run_until_cancelled(self.clock.sleep(rest)).await;
        (rest * 2).min(LONGEST_REST)
    }

    /// Begins a session; what the system can't watch is closed.
    fn take_in(
        &self,
        stream: TcpStream,
        encryption: Encryption,
        slot: Option<OwnedSemaphorePermit>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let entrance = Entrance {
            service: Arc::clone(&self.service),
            tracer: self.tracer.clone(),
            refusals: Arc::clone(&self.refusals),
        };
        let Some(slot) = slot else {
            entrance.send_away(stream, tasks);
            return Ok(());
        };
        let others = self.max_connections - self.slots.available_permits() - 1;
        let threads = self.spread.threads(others);
        let arrival = Arrival {
            stream: threads.take(stream)?,
            encryption,
            number: self.sessions.fetch_add(1, Ordering::Relaxed),
        };
        threads.spawn(tasks, entrance.receive(arrival, slot, stop.clone()));
        Ok(())
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// How a message came, as Received says it: RFC 3848, RFC 6531 §4.3.
pub(crate) fn transmission(envelope: &Envelope) -> String {
    let mut with = match (envelope.smtputf8, envelope.esmtp) {
        (true, _) => "UTF8SMTP",
        (false, true) => "ESMTP",
        // There are no such words for HELO: under TLS only the protocol that it stands for.
        (false, false) if envelope.tls => "ESMTP",
        (false, false) => return "SMTP".to_owned(),
    }
    .to_owned();
    if envelope.tls {
        with.push('S');
    }
    if envelope.authenticated {
        with.push('A');
    }
    with
}
