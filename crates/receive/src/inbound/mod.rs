//! The inbound door, on port 25: strangers bring mail for addresses of ours.
//!
//! Nobody logs in, nothing is relayed, and nobody is asked for reports (RFC 3461 §4 lets a server
//! do without them). Bare CRs and LFs are refused. Every limit has its reply, and what one host or
//! one network may have leaves room for others: for submission too, since this door has slots,
//! memory and processor time of its own.

mod conversation;
mod crowd;
mod listed;
mod options;
mod room;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use postbell_accept::inbound::InboundGate;
use postbell_model::{Clock, Reply};
use postbell_net::trace::Role;
use postbell_net::{Resolver, ServerTls, Tracer};
use postbell_smtp::{Login, Reports, Terms};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Span, field, info_span};

use crate::door::{
    Activity, Common, Door, Encryption, Service, Turns, Visitor, Welcome, WhenFull, not_now,
};
use crate::{DoorMetrics, SenderVerifier};
use conversation::{Bringing, Shared};
use crowd::{Crowd, Places, Source};
use room::Memory;

pub use options::{InboundDoorOptions, InboundLimits};

/// The door through which mail comes in from outside. One for any number of listeners: limits
/// hold over all of them.
pub struct InboundDoor(Door<InboundService>);

/// What the door turns to.
#[derive(Debug, Clone)]
pub struct InboundReach {
    /// What takes the mail.
    pub gate: Arc<InboundGate>,
    /// What finds out who it is from.
    pub verifier: SenderVerifier,
    /// What is asked which addresses are on a list.
    pub resolver: Resolver,
    /// Those who may not have to wait for what comes in.
    pub submission: Activity,
}

/// What is behind it.
struct InboundService {
    common: Arc<Common>,
    shared: Arc<Shared>,
    options: ArcSwap<InboundDoorOptions>,
}

impl InboundDoor {
    /// A door that counts beside another one. The clock counts minutes and paces what is tried
    /// again; clients live in real time. Without `tls` nothing is encrypted.
    pub fn new(
        options: InboundDoorOptions,
        reach: InboundReach,
        tls: Option<&ServerTls>,
        beside: &DoorMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let metrics = beside.of_inbound(reach.gate.metrics().clone());
        let limits = &options.limits;
        let turns = Turns::new(limits.checks(), reach.submission, Arc::clone(&clock));
        let turns = Arc::new(turns);
        let shared = Shared {
            crowd: Crowd::new(limits),
            memory: Arc::new(Memory::new(limits.max_receiving)),
            turns: Arc::clone(&turns),
            gate: reach.gate,
            verifier: reach.verifier,
            resolver: reach.resolver,
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
        };
        let max_connections = limits.max_connections;
        let common = Common::new(options.rules(), tls, metrics);
        let service = InboundService {
            common: Arc::new(common.with_turns(turns)),
            shared: Arc::new(shared),
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

    /// From now on lets clients in by these options; sessions that are open go on by theirs. How
    /// many sessions there may be altogether, how many networks are counted and how many messages
    /// are looked into at a time stays as it is.
    pub fn change(&self, options: InboundDoorOptions) {
        let service = self.0.service();
        service.common.rules.store(Arc::new(options.rules()));
        service.shared.crowd.limit_to(&options.limits);
        service.shared.memory.limit_to(options.limits.max_receiving);
        service.options.store(Arc::new(options));
    }

    /// What it counts, refusals with its gate.
    pub fn metrics(&self) -> &DoorMetrics {
        &self.0.service().common.metrics
    }

    /// Accepts connections until `stop`, each with a task of its own. The sessions then end:
    /// those between commands with 421 4.3.2 at once, those within a message after it.
    pub async fn serve(&self, listener: TcpListener, tasks: &TaskTracker, stop: CancellationToken) {
        let encryption = Encryption::StartTls;
        self.0.serve(listener, encryption, tasks, stop).await;
    }
}

impl Service for InboundService {
    type Conversation = Bringing;

    const ROLE: Role = Role::Inbound;
    // Who waits for a slot holds it up for a sender that would come back.
    const WHEN_FULL: WhenFull = WhenFull::Refuse;

    fn common(&self) -> &Arc<Common> {
        &self.common
    }

    fn span(&self, number: u64) -> Span {
        info_span!(
            "inbound",
            session.id = number,
            peer.ip = field::Empty,
            proxy.ip = field::Empty
        )
    }

    fn welcome(&self, visitor: &Visitor) -> Result<Welcome<Bringing>, Reply> {
        let places = self.admit(Source::of(visitor.ip))?;
        let (shared, options) = (Arc::clone(&self.shared), self.options.load_full());
        Ok(Welcome {
            terms: Terms {
                tls: visitor.tls,
                login: Login::None,
                cleartext_login: false,
                reports: Reports::None,
            },
            conversation: Bringing::new(shared, options, visitor.ip, places),
        })
    }
}

impl InboundService {
    /// Places for a client, unless no mail is taken now or there are too many from there.
    fn admit(&self, source: Source) -> Result<Places, Reply> {
        let metrics = &self.common.metrics;
        if let Err(refusal) = self.shared.gate.admit() {
            metrics.refused(refusal.name());
            return Err(not_now(refusal.reply()));
        }
        self.shared.crowd.enter(source).map_err(|whose| {
            metrics.refused("too_many_connections");
            too_many(whose)
        })
    }
}

fn too_many(whose: IpNet) -> Reply {
    let whose = match whose.prefix_len() == whose.max_prefix_len() {
        true => whose.addr().to_string(),
        false => whose.to_string(),
    };
    let text = format!("Too many connections from {whose}; close some and try again");
    Reply::new(421, 7, 0, text)
}

impl fmt::Debug for InboundDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundDoor")
            .field("sessions", &self.0.sessions())
            .finish_non_exhaustive()
    }
}
