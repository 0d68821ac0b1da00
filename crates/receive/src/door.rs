//! The submission door: the accept loop.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use postbell_accept::Gate;
use postbell_model::Clock;
use postbell_net::{ServerTls, Tracer};
use postbell_store::{Allowances, Tenants};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::allowance::Counter;
use crate::entrance::{Arrival, Entrance};
use crate::login::Logins;
use crate::session::Shared;
use crate::{DoorMetrics, Encryption, SubmissionOptions};

// How long accepting rests after it failed: doubles from the first to the last.
pub(crate) const FIRST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// The door through which applications hand in mail. One for any number of listeners: limits
/// hold over all of them.
///
/// Clients of trusted networks hand in mail at once; all others log in before, and only under
/// TLS, but for loopback, where nobody listens on the wire (RFC 4954 §4).
pub struct SubmissionDoor {
    entrance: Arc<Entrance>,
    clock: Arc<dyn Clock>,
    slots: Arc<Semaphore>,
    sessions: AtomicU64,
}

impl SubmissionDoor {
    /// A door to this gate. The clock paces what is tried again; clients live in real time.
    /// Without `tls` nothing is encrypted, and connections to listeners of
    /// [`Encryption::Implicit`] are closed.
    pub fn new(
        options: SubmissionOptions,
        gate: Arc<Gate>,
        tenants: Arc<dyn Tenants>,
        allowances: Arc<dyn Allowances>,
        tls: Option<&ServerTls>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let metrics = DoorMetrics::new(gate.metrics().clone());
        let shared = Shared {
            terms: ArcSwap::from_pointee(options.session_terms()),
            gate,
            counter: Counter::new(Arc::clone(&tenants), allowances, Arc::clone(&clock)),
            logins: Logins::new(options.login, tenants, Arc::clone(&clock)),
            tls: tls.map(|tls| TlsAcceptor::from(tls.config())),
            metrics,
        };
        Self {
            slots: Arc::new(Semaphore::new(options.limits.max_connections)),
            sessions: AtomicU64::new(1),
            entrance: Arc::new(Entrance::new(Arc::new(shared), options)),
            clock,
        }
    }

    /// With a tracer that shows its sessions to whoever watches.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Tracer) -> Self {
        let entrance = Arc::get_mut(&mut self.entrance);
        let entrance = entrance.expect("invariant: a door that serves nobody yet is not shared");
        entrance.trace_with(tracer);
        self
    }

    /// From now on lets clients in by these options; sessions that are open go on by theirs. What
    /// passwords are checked by, and how many sessions there may be altogether, stays as it is.
    pub fn change(&self, options: SubmissionOptions) {
        self.entrance.change(options);
    }

    /// What it counts.
    pub fn metrics(&self) -> &DoorMetrics {
        self.entrance.metrics()
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
        let arrival = Arrival {
            stream,
            encryption,
            slot,
            number: self.sessions.fetch_add(1, Ordering::Relaxed),
        };
        tasks.spawn(Arc::clone(&self.entrance).receive(arrival, stop.clone()));
    }
}

impl fmt::Debug for SubmissionDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmissionDoor")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
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
