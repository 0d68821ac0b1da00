//! A certificate authority that says what a test has written: what a client of ACME (RFC 8555) does when
//! it is refused. It looks at no signature, and gives no certificate.
//!
//! Plain HTTP/1.1. A path is answered by what was written for it, one after the other, the last for ever;
//! `BASE` stands for the authority's own address.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::serve_connections;

const CONNECTIONS_MAX: usize = 64;
const BODY_MAX: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// Paths that are kept to be looked at.
const ASKED_MAX: usize = 10_000;

const DIRECTORY: &str = r#"{"newNonce": "BASE/new-nonce", "newAccount": "BASE/new-account",
    "newOrder": "BASE/new-order", "revokeCert": "BASE/revoke-cert", "keyChange": "BASE/key-change"}"#;

/// What is said once.
#[derive(Debug, Clone)]
pub struct Said {
    /// The status.
    pub status: u16,
    /// Where there is one, the Location.
    pub location: Option<&'static str>,
    /// Where there is one, Retry-After.
    pub retry_after: Option<&'static str>,
    /// The body.
    pub body: String,
}

impl Said {
    /// This status and body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            location: None,
            retry_after: None,
            body: body.into(),
        }
    }

    /// A problem document of ACME: its type without the common prefix, and its detail.
    pub fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let body = serde_json::json!({
            "type": format!("urn:ietf:params:acme:error:{kind}"),
            "detail": detail,
        });
        Self::new(status, body.to_string())
    }

    /// The same with a Location.
    #[must_use]
    pub fn at(self, location: &'static str) -> Self {
        Self {
            location: Some(location),
            ..self
        }
    }

    /// The same with Retry-After.
    #[must_use]
    pub fn again_after(self, retry_after: &'static str) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..self
        }
    }
}

/// An authority that is running. Clones are the same.
#[derive(Debug, Clone)]
pub struct ScriptedAuthority(Arc<State>);

#[derive(Debug)]
struct State {
    addr: SocketAddr,
    script: Mutex<HashMap<String, Vec<Said>>>,
    asked: Mutex<Vec<String>>,
}

impl ScriptedAuthority {
    /// Listens on any port of the loopback interface, until `stop`. It has a directory, nonces, and an
    /// account for everybody.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start(tasks: &TaskTracker, stop: CancellationToken) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let authority = Self(Arc::new(State {
            addr: listener.local_addr()?,
            script: Mutex::default(),
            asked: Mutex::default(),
        }));
        let account = Said::new(201, r#"{"status": "valid"}"#).at("BASE/account");
        authority.say("/directory", [Said::new(200, DIRECTORY)]);
        authority.say("/new-nonce", [Said::new(200, "")]);
        authority.say("/new-account", [account]);
        let serving = authority.clone();
        let serve = move |stream, _| serving.clone().serve(stream);
        let accepting = serve_connections(listener, CONNECTIONS_MAX, tasks.clone(), stop, serve);
        tasks.spawn(accepting);
        Ok(authority)
    }

    /// From now on says these at a path, one after the other, the last for ever.
    pub fn say(&self, path: &str, said: impl IntoIterator<Item = Said>) {
        let mut script = self.0.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.insert(path.to_owned(), said.into_iter().collect());
    }

    /// Its own address, which `BASE` stands for.
    pub fn base(&self) -> String {
        format!("http://{}", self.0.addr)
    }

    /// How often a path was asked for.
    pub fn times(&self, path: &str) -> usize {
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|asked| *asked == path).count()
    }

    async fn serve(self, stream: TcpStream) {
        let service = service_fn(|request| self.answer(request));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection with the authority ended early");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let reading = Limited::new(body, BODY_MAX).collect();
        // What was asked does not matter, but all of it has to come.
        let _read = tokio::time::timeout(PATIENCE, reading).await;
        let said = self.next(head.uri.path());
        let base = self.base();
        let mut answer = Response::new(Full::from(said.body.replace("BASE", &base)));
        *answer.status_mut() = StatusCode::from_u16(said.status).unwrap_or_default();
        let fields = answer.headers_mut();
        let location = said.location.map(|at| at.replace("BASE", &base));
        for (name, value) in [
            (header::LOCATION, location.as_deref()),
            (header::RETRY_AFTER, said.retry_after),
            (
                header::HeaderName::from_static("replay-nonce"),
                Some("nonce"),
            ),
        ] {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                fields.insert(name, value);
            }
        }
        Ok(answer)
    }

    fn next(&self, path: &str) -> Said {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() < ASKED_MAX {
            asked.push(path.to_owned());
        }
        drop(asked);
        let mut script = self.0.script.lock().unwrap_or_else(PoisonError::into_inner);
        let said = script.get_mut(path);
        match said.map(|said| (said.len(), said)) {
            Some((2.., said)) => said.remove(0),
            Some((1, said)) => said[0].clone(),
            _ => Said::problem(404, "malformed", "there is nothing"),
        }
    }
}
