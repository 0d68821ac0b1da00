//! The listener: accepts connections, bounded in number, and serves the routes on each.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::stuck::Taking;

/// How long a client may take nothing of its answer.
const STUCK: Duration = Duration::from_secs(60);
/// How long accepting rests after it failed, typically for want of file descriptors.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The `[http]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpDoorOptions {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// More connections than this wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request, idle time included.
    pub header_timeout: Duration,
    /// Networks whose clients may read `/metrics`.
    pub metrics_from: Vec<IpNet>,
}

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// An HTTP door.
#[derive(Debug, Clone)]
pub struct HttpDoor {
    router: Router,
    slots: Arc<Semaphore>,
    header_timeout: Duration,
}

impl HttpDoor {
    /// A door that serves `router`. The limit of connections holds over all its listeners.
    pub fn new(options: &HttpDoorOptions, router: Router) -> Self {
        Self {
            router,
            slots: Arc::new(Semaphore::new(options.max_connections)),
            header_timeout: options.header_timeout,
        }
    }

    /// Serves until `stop`; a connection's task then ends after the answer it is at.
    pub fn serve(
        &self,
        listener: TcpListener,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let door = self.clone();
        let tasks = tasks.clone();
        async move {
            while let Some(()) = stop
                .run_until_cancelled(door.accept(&listener, &tasks, &stop))
                .await
            {}
        }
    }

    /// Waits for a slot, then for a connection, and hands both to a task.
    async fn accept(&self, listener: &TcpListener, tasks: &TaskTracker, stop: &CancellationToken) {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            return std::future::pending().await;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return rest_after(&error).await,
        };
        let router = self.router.clone().layer(Extension(Peer(peer.ip())));
        let connection = converse(router, stream, self.header_timeout, stop.clone());
        tasks.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
}

/// Serves the routes on one connection, until either side ends it; on `stop` after the answer that
/// it is at.
pub(crate) fn converse(
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    header_timeout: Duration,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(Taking::new(stream, STUCK)), service);
    async move {
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "an HTTP connection broke");
        }
    }
}

async fn rest_after(error: &io::Error) {
    warn!(%error, "accepting an HTTP connection failed");
    tokio::time::sleep(ACCEPT_REST).await;
}
