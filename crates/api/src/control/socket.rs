//! The socket: made so that nobody but the server's user can open it, removed at the end.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{CONTROL_SOCKET, Control};
use crate::door::{ACCEPT_REST, converse};

/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Clients at a time; more of them wait.
const MAX_CONNECTIONS: usize = 64;

/// The control door of a server.
#[derive(Debug)]
pub struct ControlDoor {
    listener: UnixListener,
    socket: Socket,
    router: Router,
}

/// Removes the file when the door goes, unless another server has put its own in its place.
#[derive(Debug)]
struct Socket {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    fn at(path: PathBuf) -> io::Result<Self> {
        let inode = fs::metadata(&path)?.ino();
        Ok(Self { path, inode })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Where it is gone already, so much the better.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl ControlDoor {
    /// Listens in the data folder, of which this process is the only server: a socket that lies
    /// there was left by one that was killed.
    ///
    /// # Errors
    /// The socket can't be made, as where the path is longer than some 100 octets.
    pub fn bind(folder: &Path, control: Control) -> io::Result<Self> {
        let path = folder.join(CONTROL_SOCKET);
        // Made where nobody else can reach it, since it is open to all until its mode is set.
        let nursery = folder.join(".control");
        let _ = fs::remove_dir_all(&nursery);
        DirBuilder::new().mode(0o700).create(&nursery)?;
        let made = Self::make(&nursery.join("s"), &path);
        let _ = fs::remove_dir_all(&nursery);
        Ok(Self {
            listener: made?,
            socket: Socket::at(path)?,
            router: control.router(),
        })
    }

    fn make(nursling: &Path, path: &Path) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(nursling)?;
        fs::set_permissions(nursling, Permissions::from_mode(0o600))?;
        fs::rename(nursling, path)?;
        Ok(listener)
    }

    /// Serves until `stop`.
    pub async fn serve(self, tasks: TaskTracker, stop: CancellationToken) {
        let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
        loop {
            let next = async {
                let slot = slots.clone().acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            let Some((slot, accepted)) = stop.run_until_cancelled(next).await else {
                break;
            };
            match accepted {
                Ok((stream, _)) => {
                    let serving =
                        converse(self.router.clone(), stream, HEADER_TIMEOUT, stop.clone());
                    // Streams last as long as their client wants, and are not waited for.
                    let stop = stop.clone();
                    tasks.spawn(async move {
                        stop.run_until_cancelled(serving).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    warn!(%error, "accepting a control connection failed");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        drop(self.socket);
    }
}
