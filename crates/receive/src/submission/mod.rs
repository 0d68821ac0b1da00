//! The submission door.

mod allowance;
mod conversation;
pub(crate) mod login;
mod options;
mod trusted;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use postbell_accept::Gate;
use postbell_model::{Clock, Reply, WorkspaceId};
use postbell_net::trace::Role;
use postbell_net::{ServerTls, Spread, Tracer};
use postbell_smtp::{Login, Reports, Terms};
use postbell_store::{Allowances, Tenants};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Span, field, info_span};

use crate::DoorMetrics;
use crate::door::{
    Activity, Common, Door, Encryption, Peers, Place, Service, Visitor, Welcome, WhenFull, not_now,
};
use allowance::Counter;
use conversation::{Shared, Submitting};
use login::Logins;
use trusted::workspace_of;

pub use login::LoginOptions;
pub use options::{BareLineEnds, SubmissionLimits, SubmissionOptions};

/// The door through which applications hand in mail. One for any number of listeners: limits
/// hold over all of them.
///
/// Clients of trusted networks hand in mail at once; all others log in before, and only under
/// TLS, but for loopback, where nobody listens on the wire (RFC 4954 §4).
pub struct SubmissionDoor(Door<SubmissionService>);

/// What is behind it.
struct SubmissionService {
    common: Arc<Common>,
    shared: Arc<Shared>,
    peers: Peers<IpAddr>,
    options: ArcSwap<SubmissionOptions>,
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
            gate,
            counter: Counter::new(Arc::clone(&tenants), allowances, Arc::clone(&clock)),
            logins: Logins::new(options.login, tenants, Arc::clone(&clock)),
            activity: Activity::default(),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
        };
        let max_connections = options.limits.max_connections;
        let service = SubmissionService {
            common: Arc::new(Common::new(options.rules(), tls, metrics)),
            shared: Arc::new(shared),
            peers: Peers::new(options.limits.max_connections_per_ip),
            options: ArcSwap::from_pointee(options),
        };
        Self(Door::new(service, max_connections, clock))
    }

    /// With a tracer that shows its sessions to whoever watches.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Tracer) -> Self {
        self.0.trace_with(tracer);
        self
    }

    /// With other threads for its sessions where there are many.
    #[must_use]
    pub fn with_spread(mut self, spread: Spread) -> Self {
        self.0.spread_by(spread);
        self
    }

    /// From now on lets clients in by these options; sessions that are open go on by theirs. What
    /// passwords are checked by, and how many sessions there may be altogether, stays as it is.
    pub fn change(&self, options: SubmissionOptions) {
        let service = self.0.service();
        service.common.rules.store(Arc::new(options.rules()));
        let per_ip = options.limits.max_connections_per_ip;
        service.peers.limit_to(per_ip);
        service.options.store(Arc::new(options));
    }

    /// Whether its clients do anything.
    pub fn activity(&self) -> Activity {
        self.0.service().shared.activity.clone()
    }

    /// What it counts.
    pub fn metrics(&self) -> &DoorMetrics {
        &self.0.service().common.metrics
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
        self.0.serve(listener, encryption, tasks, stop).await;
    }

    /// What waits for another try at accepting.
    #[cfg(test)]
    pub(crate) fn inner(&self) -> &Door<impl Service> {
        &self.0
    }
}

impl Service for SubmissionService {
    type Conversation = Submitting;

    const ROLE: Role = Role::Submission;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn common(&self) -> &Arc<Common> {
        &self.common
    }

    fn span(&self, number: u64) -> Span {
        info_span!(
            "submission",
            session.id = number,
            peer.ip = field::Empty,
            proxy.ip = field::Empty
        )
    }

    fn welcome(&self, visitor: &Visitor) -> Result<Welcome<Submitting>, Reply> {
        let (place, workspace) = self.admit(visitor.ip)?;
        let shared = Arc::clone(&self.shared);
        Ok(Welcome {
            terms: Terms {
                tls: visitor.tls,
                login: match workspace {
                    Some(_) => Login::Optional,
                    None => Login::Required,
                },
                cleartext_login: visitor.is_local,
                reports: Reports::Offered,
            },
            conversation: Submitting::new(shared, visitor.ip, workspace, place),
        })
    }
}

impl SubmissionService {
    /// A place for a client, and the workspace of its network; an address that guesses passwords
    /// has none.
    fn admit(&self, ip: IpAddr) -> Result<(Place<IpAddr>, Option<WorkspaceId>), Reply> {
        let metrics = &self.common.metrics;
        if let Err(refusal) = self.shared.gate.admit() {
            metrics.refused(refusal.name());
            return Err(not_now(refusal.reply()));
        }
        let workspace = workspace_of(&self.options.load().trusted, ip);
        if workspace.is_none()
            && let Err(blocked) = self.shared.logins.refuse_blocked(ip)
        {
            metrics.refused("blocked_address");
            return Err(blocked);
        }
        let Some(place) = self.peers.enter(ip) else {
            metrics.refused("too_many_connections");
            let text = format!("Too many connections from {ip}; close some and try again");
            return Err(Reply::new(421, 7, 0, text));
        };
        Ok((place, workspace))
    }
}

impl fmt::Debug for SubmissionDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmissionDoor")
            .field("sessions", &self.0.sessions())
            .finish_non_exhaustive()
    }
}
