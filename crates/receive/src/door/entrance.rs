//! From a connection to a session: whose it is, and whether it is let in.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use ipnet::IpNet;
use postbell_model::Reply;
use postbell_net::Tracer;
use postbell_net::trace::Role;
use postbell_smtp::{Tls, reply};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug, field, info};

use super::proxy::client_of;
use super::session::Session;
use super::socket::Socket;
use super::{Encryption, Service, Visitor};

/// The way in, for one connection.
pub(super) struct Entrance<S> {
    pub(super) service: Arc<S>,
    pub(super) tracer: Tracer,
    /// How many may be refused at the same time.
    pub(super) refusals: Arc<Semaphore>,
}

/// A connection that was accepted.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) encryption: Encryption,
    /// The session's number, for logs.
    pub(super) number: u64,
}

impl<S: Service> Entrance<S> {
    /// Converses with a client until its session has ended. The slot is given back then, or when
    /// the client is refused: who is not let in keeps nobody else out.
    pub(super) async fn receive(
        self,
        arrival: Arrival,
        slot: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) {
        // A client that is gone already has no address; one without TCP_NODELAY is only slower.
        let Ok(address) = arrival.stream.peer_addr() else {
            return;
        };
        let _ = arrival.stream.set_nodelay(true);
        let metrics = &self.service.common().metrics;
        let _open = metrics.opened(arrival.encryption);
        let peer = address.ip().to_canonical();
        let span = self.service.span(arrival.number);
        let session = self.let_in(arrival, slot, (peer, span.clone()), stop);
        session.instrument(span).await;
    }

    /// Tells a connection for which there is no slot to come back.
    pub(super) fn send_away(self, stream: TcpStream, tasks: &TaskTracker) {
        self.service.common().metrics.refused("too_many_sessions");
        if let Ok(turn) = Arc::clone(&self.refusals).try_acquire_owned() {
            tasks.spawn(async move {
                refuse(Socket::new(stream), &all_taken()).await;
                drop(turn);
            });
        }
    }

    async fn let_in(
        &self,
        mut arrival: Arrival,
        slot: OwnedSemaphorePermit,
        (peer, span): (IpAddr, Span),
        stop: CancellationToken,
    ) {
        let common = self.service.common();
        let rules = common.rules.load_full();
        let mut ip = peer;
        if is_within(&rules.proxy_from, peer) {
            span.record("proxy.ip", field::display(peer));
            let client = client_of(&mut arrival.stream, peer, rules.proxy_limit);
            ip = match stop.run_until_cancelled(client).await {
                None => return,
                Some(Ok(client)) => client,
                Some(Err(error)) => {
                    common.metrics.refused("proxy_header");
                    return info!("a proxy's connection was closed: {error}");
                }
            };
        }
        span.record("peer.ip", field::display(ip));
        let visitor = self.visitor(&arrival, ip);
        let socket = Socket::new(arrival.stream);
        match self.service.welcome(&visitor) {
            Ok(welcome) => {
                let trace = self.tracer.session(S::ROLE, arrival.number, ip);
                let session = Session::new(socket, (common, &rules), welcome, trace);
                session.run(stop).await;
            }
            // The reason could be told under TLS alone, and a handshake is what the client is
            // not let in for.
            Err(refusal) if arrival.encryption == Encryption::Implicit => {
                note::<S>(&refusal);
            }
            Err(refusal) => {
                note::<S>(&refusal);
                if let Ok(_turn) = self.refusals.try_acquire() {
                    drop(slot);
                    refuse(socket, &refusal).await;
                }
            }
        }
    }

    fn visitor(&self, arrival: &Arrival, ip: IpAddr) -> Visitor {
        let local = arrival.stream.local_addr();
        let here = local.is_ok_and(|local| local.ip().to_canonical().is_loopback());
        let has_certificate = self.service.common().tls.is_some();
        Visitor {
            ip,
            // Behind a proxy on this machine the wire is still somebody's.
            is_local: here && ip.is_loopback(),
            tls: match arrival.encryption {
                Encryption::Implicit => Tls::Active,
                Encryption::StartTls if has_certificate => Tls::Offered,
                Encryption::StartTls => Tls::None,
            },
        }
    }
}

/// At a door for strangers anybody can make these lines, as many as they like.
fn note<S: Service>(refusal: &Reply) {
    match S::ROLE {
        Role::Inbound => debug!("a connection was refused: {refusal}"),
        Role::Submission | Role::Delivery => info!("a connection was refused: {refusal}"),
    }
}

// RFC 5321 §3.8: 421 says that the service is not available and that the connection is closed.
fn all_taken() -> Reply {
    Reply::new(421, 3, 2, "Too many connections; try again in a minute")
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
