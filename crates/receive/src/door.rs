//! The submission door: the accept loop, and who is let in.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use postbell_accept::Gate;
use postbell_model::{Clock, Reply, WorkspaceId};
use postbell_net::trace::Role;
use postbell_net::{ServerTls, Tracer};
use postbell_smtp::{Login, Terms, Tls, reply};
use postbell_store::Tenants;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info, info_span, warn};

use crate::login::Logins;
use crate::peers::{Peers, Place, workspace_of};
use crate::session::{Caller, Session, Shared};
use crate::socket::Socket;
use crate::{Encryption, SubmissionOptions};

// How long accepting rests after it failed: doubles from the first to the last.
pub(crate) const FIRST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// The door through which applications hand in mail. One for any number of listeners: limits
/// hold over all of them.
///
/// Clients of trusted networks hand in mail at once; all others log in before, and only under
/// TLS, but for loopback, where nobody listens on the wire (RFC 4954 §4).
pub struct SubmissionDoor {
    options: SubmissionOptions,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    slots: Arc<Semaphore>,
    peers: Peers,
    sessions: AtomicU64,
    tracer: Tracer,
}

impl SubmissionDoor {
    /// A door to this gate. The clock paces what is tried again; clients live in real time.
    /// Without `tls` nothing is encrypted, and connections to listeners of
    /// [`Encryption::Implicit`] are closed.
    pub fn new(
        options: SubmissionOptions,
        gate: Arc<Gate>,
        tenants: Arc<dyn Tenants>,
        tls: Option<&ServerTls>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = Shared {
            server: Arc::new(options.server()),
            gate,
            logins: Logins::new(options.login, tenants, Arc::clone(&clock)),
            tls: tls.map(|tls| TlsAcceptor::from(tls.config())),
            handshake_limit: options.timeouts.handshake,
        };
        Self {
            shared: Arc::new(shared),
            slots: Arc::new(Semaphore::new(options.limits.max_connections)),
            peers: Peers::new(options.limits.max_connections_per_ip),
            sessions: AtomicU64::new(1),
            tracer: Tracer::default(),
            options,
            clock,
        }
    }

    /// With a tracer that shows its sessions to whoever watches.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Accepts connections until `stop`, each with a task of its own. The sessions then end:
    /// those between commands with 421 4.3.2 at once, those within a message after it.
    pub async fn serve(
        &self,
        listener: TcpListener,
        encryption: Encryption,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) {
        let mut rest = FIRST_REST;
        loop {
            match stop.run_until_cancelled(self.accept(&listener)).await {
                None => return,
                Some(Ok((stream, slot))) => {
                    rest = FIRST_REST;
                    self.let_in(stream, encryption, slot, tasks, &stop);
                }
                Some(Err(error)) => {
                    rest = self.rest_after(&error, rest, &stop).await;
                }
            }
        }
    }

    /// Waits for a connection and then for a slot: one connection of each listener may wait here
    /// for it, the others wait in the system's queue.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let (stream, _) = listener.accept().await?;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        Ok((stream, slot.map_err(io::Error::other)?))
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
            warn!("accepting a submission connection failed, trying again: {error}");
        }
        stop.run_until_cancelled(self.clock.sleep(rest)).await;
        (rest * 2).min(LONGEST_REST)
    }

    fn let_in(
        &self,
        stream: TcpStream,
        encryption: Encryption,
        slot: OwnedSemaphorePermit,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        // A client that is gone already has no address; one without TCP_NODELAY is only slower.
        let (Ok(address), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let ip = address.ip().to_canonical();
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let span = info_span!("submission", session.id = number, peer.ip = %ip);
        let socket = Socket::new(stream);
        match self.admit(ip) {
            Ok((place, workspace)) => {
                let caller = Caller {
                    ip,
                    workspace,
                    terms: Terms {
                        tls: self.tls_on(encryption),
                        login: match workspace {
                            Some(_) => Login::Optional,
                            None => Login::Required,
                        },
                        cleartext_login: local.ip().to_canonical().is_loopback(),
                    },
                };
                let trace = self.tracer.session(Role::Submission, number, ip);
                let session = Session::new(socket, Arc::clone(&self.shared), caller, trace);
                let stop = stop.clone();
                tasks.spawn(
                    async move {
                        session.run(stop).await;
                        drop((place, slot));
                    }
                    .instrument(span),
                );
            }
            Err(refusal) if encryption == Encryption::Implicit => {
                // The reason could be told under TLS alone, and a handshake is what the client
                // is not let in for.
                span.in_scope(|| info!("a connection was closed: {refusal}"));
            }
            Err(refusal) => {
                span.in_scope(|| info!("a connection was refused: {refusal}"));
                tasks.spawn(async move {
                    refuse(socket, &refusal).await;
                    drop(slot);
                });
            }
        }
    }

    fn tls_on(&self, encryption: Encryption) -> Tls {
        match encryption {
            Encryption::Implicit => Tls::Active,
            Encryption::StartTls if self.shared.tls.is_some() => Tls::Offered,
            Encryption::StartTls => Tls::None,
        }
    }

    /// A place for a client, and the workspace of its network; an address that guesses passwords
    /// has none.
    fn admit(&self, ip: IpAddr) -> Result<(Place, Option<WorkspaceId>), Reply> {
        let workspace = workspace_of(&self.options.trusted, ip);
        if workspace.is_none() {
            self.shared.logins.refuse_blocked(ip)?;
        }
        let Some(place) = self.peers.enter(ip) else {
            let text = format!("Too many connections from {ip}; close some and try again");
            return Err(Reply::new(421, 7, 0, text));
        };
        Ok((place, workspace))
    }
}

impl fmt::Debug for SubmissionDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmissionDoor")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

async fn refuse(mut socket: Socket, refusal: &Reply) {
    let mut octets = BytesMut::new();
    reply::write(refusal, &mut octets);
    if socket.write(&octets).await.is_ok() {
        socket.close().await;
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
