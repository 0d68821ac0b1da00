//! The listeners of the tracking host: who may come in, and for how long.
//!
//! Everybody may, so everything has a limit: connections, those of one address, the size and the time
//! of each request, the life of each connection. Who is over them is closed without a word.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postbell_net::{HostCertificates, Peers, Place};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::TrackingTerms;
use super::metrics::{OpenConnection, TrackingMetrics};
use super::options::{TrackingLimits, TrackingTimeouts};
use super::routes::Routes;
use super::visitor::is_within;
use crate::door::ACCEPT_REST;

/// How long the last answer of a connection may take: who does not take it by then never will.
const LAST_ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// What the HTTP library asks for at least.
const HEAD_MIN: usize = 8 << 10;

/// When a listener's connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    None,
    /// From the first octet.
    Tls,
}

/// The door of the tracking host: one for any number of listeners, limits hold over all of them.
#[derive(Clone)]
pub struct TrackingDoor {
    routes: Arc<Routes>,
    terms: TrackingTerms,
    metrics: TrackingMetrics,
    tls: Option<TlsAcceptor>,
    slots: Arc<Semaphore>,
    peers: Arc<Peers<IpAddr>>,
}

/// What a connection holds while it is open.
struct Held {
    _slot: OwnedSemaphorePermit,
    _place: Option<Place<IpAddr>>,
    _open: OpenConnection,
}

impl TrackingDoor {
    pub(super) fn new(
        limits: TrackingLimits,
        routes: Routes,
        terms: TrackingTerms,
        metrics: TrackingMetrics,
    ) -> Self {
        Self {
            routes: Arc::new(routes),
            terms,
            metrics,
            tls: None,
            slots: Arc::new(Semaphore::new(limits.max_connections)),
            peers: Arc::new(Peers::new(limits.max_connections_per_ip)),
        }
    }

    /// With certificates, without which nobody comes in over TLS.
    #[must_use]
    pub fn with_certificates(self, certificates: &HostCertificates) -> Self {
        Self {
            tls: Some(TlsAcceptor::from(certificates.config())),
            ..self
        }
    }

    /// Accepts connections until `stop`; each then ends after the answer that it is at.
    pub async fn serve(
        self,
        listener: TcpListener,
        encryption: Encryption,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        while let Some(accepted) = stop.run_until_cancelled(self.accept(&listener)).await {
            match accepted {
                Ok((stream, peer, slot)) => {
                    let Some(held) = self.admit(peer, slot) else {
                        continue;
                    };
                    let connection = self
                        .clone()
                        .converse(stream, peer, encryption, stop.clone());
                    tasks.spawn(async move {
                        connection.await;
                        drop(held);
                    });
                }
                Err(error) => {
                    warn!(%error, "accepting a connection for the tracking host failed");
                    sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        // Answers are small: who waits for more of them waits for nothing.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer.ip().to_canonical(), slot))
    }

    /// Lets a client in, unless its address has as many connections as may be. Proxies of ours may
    /// have all of them.
    fn admit(&self, peer: IpAddr, slot: OwnedSemaphorePermit) -> Option<Held> {
        let terms = self.terms.load();
        self.peers
            .limit_to(terms.options.limits.max_connections_per_ip);
        let place = if is_within(&terms.options.proxy_from, peer) {
            None
        } else {
            let place = self.peers.enter(network(peer));
            if place.is_none() {
                self.metrics.closed("too_many_of_address");
                return None;
            }
            place
        };
        Some(Held {
            _slot: slot,
            _place: place,
            _open: self.metrics.opened(),
        })
    }

    async fn converse(
        self,
        stream: TcpStream,
        peer: IpAddr,
        encryption: Encryption,
        stop: CancellationToken,
    ) {
        let terms = Arc::clone(&self.terms.load());
        let (limits, timeouts) = (terms.options.limits, terms.options.timeouts);
        if encryption == Encryption::None {
            return self.talk(stream, peer, (limits, timeouts), stop).await;
        }
        let Some(tls) = &self.tls else {
            return;
        };
        let handshake = timeout(timeouts.handshake, tls.accept(stream));
        let Some(secured) = stop.run_until_cancelled(handshake).await else {
            return;
        };
        match secured {
            // RFC 8737 §3: the handshake was all that it was for.
            Ok(Ok(stream)) if is_challenge(stream.get_ref().1.alpn_protocol()) => {}
            Ok(Ok(stream)) => self.talk(stream, peer, (limits, timeouts), stop).await,
            Ok(Err(error)) => {
                debug!(%error, "a TLS handshake with the tracking host failed");
                self.metrics.closed("handshake");
            }
            Err(_) => self.metrics.closed("handshake"),
        }
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: IpAddr,
        (limits, timeouts): (TrackingLimits, TrackingTimeouts),
        stop: CancellationToken,
    ) {
        let routes = Arc::clone(&self.routes);
        let left = Arc::new(AtomicU32::new(limits.max_requests));
        let service = service_fn(move |request| {
            let (routes, left) = (Arc::clone(&routes), Arc::clone(&left));
            async move {
                let mut answer = routes.answer(request, peer).await;
                if left.fetch_sub(1, Ordering::Relaxed) <= 1 {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeouts.head)
            .max_buf_size(limits.max_head.max(HEAD_MIN))
            .max_header_size(limits.max_head)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stop.cancelled() => None,
            () = sleep(timeouts.connection) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                match timeout(LAST_ANSWER_LIMIT, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection to the tracking host broke");
        }
    }
}

fn is_challenge(protocol: Option<&[u8]>) -> bool {
    protocol == Some(HostCertificates::CHALLENGE)
}

/// Whoever has an IPv6 address has all of its /64.
const fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl fmt::Debug for TrackingDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingDoor").finish_non_exhaustive()
    }
}
