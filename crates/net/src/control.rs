//! The client of a running server's control door: HTTP over a Unix socket of this machine.
//!
//! It reaches no network, so no guard is asked. What the server says is trusted as far as its
//! length: an answer has a limit, and all but a stream has a deadline.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::TaskTracker;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Octets of an answer.
const MAX_ANSWER: usize = 16 << 20;
/// Octets of one line of a stream.
const MAX_LINE: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens at the socket.
    #[error("no server runs on this data folder ({})", path.display())]
    NoServer {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This user may not speak to the server.
    #[error("{} belongs to another user", .0.display())]
    NotAllowed(PathBuf),
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The server refused, in its words.
    #[error("the server says {status}: {text}")]
    Refused {
        /// The status.
        status: u16,
        /// Its document.
        text: String,
    },
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ControlError {
    ControlError::Broken(error.into())
}

/// Asks for `target` at this socket: the whole answer.
///
/// # Errors
/// There is no answer, or it is a refusal.
pub async fn ask(socket: &Path, target: &str) -> Result<Bytes, ControlError> {
    let asking = async {
        let (body, _connection) = open(socket, get(target)?).await?;
        let whole = Limited::new(body, MAX_ANSWER).collect().await;
        Ok(whole.map_err(ControlError::Broken)?.to_bytes())
    };
    timeout(ANSWER_LIMIT, asking)
        .await
        .unwrap_or(Err(ControlError::TimedOut))
}

/// An answer that comes line by line for as long as both sides want.
#[derive(Debug)]
pub struct ControlLines {
    body: Incoming,
    read: BytesMut,
    _connection: AbortOnDropHandle<()>,
}

impl ControlLines {
    /// Asks for `target` at this socket.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal.
    pub async fn open(socket: &Path, target: &str) -> Result<Self, ControlError> {
        Self::ask(socket, get(target)?).await
    }

    /// Posts a JSON document to `target` at this socket.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal.
    pub async fn post(
        socket: &Path,
        target: &str,
        document: impl Into<Bytes>,
    ) -> Result<Self, ControlError> {
        let request = Request::post(target)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(document.into()))
            .map_err(broken)?;
        Self::ask(socket, request).await
    }

    async fn ask(socket: &Path, request: Request<Full<Bytes>>) -> Result<Self, ControlError> {
        let (body, connection) = timeout(ANSWER_LIMIT, open(socket, request))
            .await
            .unwrap_or(Err(ControlError::TimedOut))?;
        Ok(Self {
            body,
            read: BytesMut::new(),
            _connection: connection,
        })
    }

    /// The next line, without its end; `None` where the server has ended the answer.
    ///
    /// # Errors
    /// The connection broke, or a line has no end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ControlError> {
        loop {
            if let Some(end) = self.read.iter().position(|octet| *octet == b'\n') {
                let line = self.read.split_to(end).freeze();
                self.read.advance(1);
                return Ok(Some(line));
            }
            if self.read.len() > MAX_LINE {
                return Err(broken("a line has no end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.map_err(broken)?.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

fn get(target: &str) -> Result<Request<Full<Bytes>>, ControlError> {
    let request = Request::get(target).header(HOST, "localhost");
    request.body(Full::default()).map_err(broken)
}

async fn open(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> Result<(Incoming, AbortOnDropHandle<()>), ControlError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        let path = socket.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => ControlError::NotAllowed(path),
            _ => ControlError::NoServer { path, source },
        }
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
        // How it ends shows in the answer.
        drop(connection.await);
    }));
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok((answer.into_body(), connection));
    }
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let text = body.map_err(ControlError::Broken)?.to_bytes();
    Err(ControlError::Refused {
        status: status.as_u16(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}
