//! The accept loop of the servers: a slot first, then a connection, then a task.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait after a failed `accept`: the process may be out of descriptors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(20);

/// Serves at most `max` connections at a time, each in a task of its own, until `stop`.
pub(crate) async fn serve_connections<F, S>(
    listener: TcpListener,
    max: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
    serve: F,
) where
    F: Fn(TcpStream, SocketAddr) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(max));
    let accepting = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            match accept(&listener).await {
                Ok((stream, peer)) => {
                    let session = serve(stream, peer);
                    let stop = stop.clone();
                    tasks.spawn(async move {
                        stop.run_until_cancelled(session).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a peer can't accept a connection");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

async fn accept(listener: &TcpListener) -> std::io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer))
}
