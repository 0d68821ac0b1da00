//! Who is let in: whose connection it is, and what is offered there.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use ipnet::IpNet;
use postbell_accept::Refusal;
use postbell_model::{Reply, WorkspaceId};
use postbell_net::Tracer;
use postbell_net::trace::Role;
use postbell_smtp::{Login, Terms, Tls, reply};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field, info, info_span};

use crate::peers::{Peers, Place, workspace_of};
use crate::proxy::client_of;
use crate::session::{Caller, Session, Shared};
use crate::socket::Socket;
use crate::{DoorMetrics, Encryption, SubmissionOptions};

/// What a door knows of its visitors.
pub(crate) struct Entrance {
    shared: Arc<Shared>,
    peers: Peers,
    options: ArcSwap<SubmissionOptions>,
    tracer: Tracer,
}

/// A connection that was accepted.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) encryption: Encryption,
    /// Given back when the connection is closed.
    pub(crate) slot: OwnedSemaphorePermit,
    /// The session's number, for logs.
    pub(crate) number: u64,
}

impl Entrance {
    pub(crate) fn new(shared: Arc<Shared>, options: SubmissionOptions) -> Self {
        Self {
            peers: Peers::new(options.limits.max_connections_per_ip),
            shared,
            options: ArcSwap::from_pointee(options),
            tracer: Tracer::default(),
        }
    }

    /// Lets new clients in by these options.
    pub(crate) fn change(&self, options: SubmissionOptions) {
        self.shared.terms.store(Arc::new(options.session_terms()));
        self.peers.limit_to(options.limits.max_connections_per_ip);
        self.options.store(Arc::new(options));
    }

    pub(crate) fn metrics(&self) -> &DoorMetrics {
        &self.shared.metrics
    }

    /// Shows its sessions to whoever watches.
    pub(crate) fn trace_with(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// Converses with a client until its session has ended.
    pub(crate) async fn receive(self: Arc<Self>, arrival: Arrival, stop: CancellationToken) {
        // A client that is gone already has no address; one without TCP_NODELAY is only slower.
        let Ok(address) = arrival.stream.peer_addr() else {
            return;
        };
        let _ = arrival.stream.set_nodelay(true);
        let _open = self.shared.metrics.opened(arrival.encryption);
        let peer = address.ip().to_canonical();
        let span = info_span!(
            "submission",
            session.id = arrival.number,
            peer.ip = field::Empty,
            proxy.ip = field::Empty
        );
        let session = self.let_in(arrival, peer, span.clone(), stop);
        session.instrument(span).await;
    }

    async fn let_in(
        &self,
        mut arrival: Arrival,
        peer: IpAddr,
        span: Span,
        stop: CancellationToken,
    ) {
        let mut ip = peer;
        let options = self.options.load_full();
        if is_within(&options.proxy_from, peer) {
            span.record("proxy.ip", field::display(peer));
            let limit = options.timeouts.proxy;
            let client = client_of(&mut arrival.stream, peer, limit);
            ip = match stop.run_until_cancelled(client).await {
                None => return,
                Some(Ok(client)) => client,
                Some(Err(error)) => {
                    self.shared.metrics.refused("proxy_header");
                    return info!("a proxy's connection was closed: {error}");
                }
            };
        }
        span.record("peer.ip", field::display(ip));
        let socket_terms = self.terms(&arrival, ip);
        let socket = Socket::new(arrival.stream);
        match self.admit(ip) {
            Ok((place, workspace)) => {
                let caller = Caller {
                    ip,
                    workspace,
                    terms: Terms {
                        login: match workspace {
                            Some(_) => Login::Optional,
                            None => Login::Required,
                        },
                        ..socket_terms
                    },
                };
                let trace = self.tracer.session(Role::Submission, arrival.number, ip);
                let session = Session::new(socket, Arc::clone(&self.shared), caller, trace);
                session.run(stop).await;
                drop(place);
            }
            // The reason could be told under TLS alone, and a handshake is what the client is
            // not let in for.
            Err(refusal) if arrival.encryption == Encryption::Implicit => {
                info!("a connection was closed: {refusal}");
            }
            Err(refusal) => {
                info!("a connection was refused: {refusal}");
                refuse(socket, &refusal).await;
            }
        }
        drop(arrival.slot);
    }

    /// What is offered, a login aside, whose workspace is not known yet.
    fn terms(&self, arrival: &Arrival, ip: IpAddr) -> Terms {
        let local = arrival.stream.local_addr();
        let here = local.is_ok_and(|local| local.ip().to_canonical().is_loopback());
        Terms {
            tls: match arrival.encryption {
                Encryption::Implicit => Tls::Active,
                Encryption::StartTls if self.shared.tls.is_some() => Tls::Offered,
                Encryption::StartTls => Tls::None,
            },
            login: Login::Required,
            // Behind a proxy on this machine the wire is still somebody's.
            cleartext_login: here && ip.is_loopback(),
        }
    }

    /// A place for a client, and the workspace of its network; an address that guesses passwords
    /// has none.
    fn admit(&self, ip: IpAddr) -> Result<(Place, Option<WorkspaceId>), Reply> {
        let metrics = &self.shared.metrics;
        if let Err(refusal) = self.shared.gate.admit() {
            metrics.refused(refusal.name());
            return Err(not_now(&refusal));
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

/// The greeting of a door behind which nothing is taken.
///
/// RFC 5321 §3.8: 421 says that the service is not available and that the connection is closed.
fn not_now(refusal: &Refusal) -> Reply {
    Reply {
        code: 421,
        ..refusal.reply()
    }
}

fn is_within(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

async fn refuse(mut socket: Socket, refusal: &Reply) {
    let mut octets = BytesMut::new();
    reply::write(refusal, &mut octets);
    if socket.write(&octets).await.is_ok() {
        socket.close().await;
    }
}
