//! The one HTTP client, over HTTP/1.1: webhooks are posted with it, and certificates asked for.
//!
//! Whoever gives us a URL may lie about where it leads: the address is checked by the code that
//! dials it, redirects are never followed (RFC 9110 §15.4 leaves that to the client), proxies
//! are never used, no more than 64 KiB of an answer is read, and everything together has one
//! deadline.

mod connector;
mod error;
mod places;
mod retry_after;
mod stream;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::{Guard, Resolver};
use connector::Connector;
pub use connector::check_url;
pub use error::HttpError;
use places::Places;
pub use retry_after::RetryAfter;
pub use tls::BadAuthorities;

/// How much of an answer is read.
pub const ANSWER_MAX: usize = 64 * 1024;
// Status line and headers of an answer.
const HEAD_MAX: usize = 64 * 1024;

/// How connections are made and kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpOptions {
    /// From a host's name to a connection ready for a request, TLS included.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections to one host are kept.
    pub idle_per_host: usize,
    /// How many requests to one host are under way at once; more of them wait.
    pub requests_per_host: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            idle_per_host: 32,
            requests_per_host: 256,
        }
    }
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// The Retry-After header, where there is one that can be read.
    pub retry_after: Option<RetryAfter>,
    /// The body, or as much of it as came in time and within [`ANSWER_MAX`].
    pub body_start: Bytes,
}

/// Asks. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    hyper: Client<Connector, Full<Bytes>>,
    places: Arc<Places>,
}

impl HttpClient {
    /// A client that finds hosts with `resolver` and dials what `guard` lets through.
    pub fn new(resolver: Resolver, guard: Guard, options: &HttpOptions) -> Self {
        Self::with_tls(resolver, guard, options, tls::config())
    }

    /// A client that believes the certificate authorities of a PEM file, and not those of the system.
    ///
    /// # Errors
    /// There is none in it.
    pub fn believing(
        resolver: Resolver,
        guard: Guard,
        options: &HttpOptions,
        authorities: &Path,
    ) -> Result<Self, BadAuthorities> {
        let tls = tls::config_of(authorities)?;
        Ok(Self::with_tls(resolver, guard, options, Ok(tls)))
    }

    fn with_tls(
        resolver: Resolver,
        guard: Guard,
        options: &HttpOptions,
        tls: Result<Arc<ClientConfig>, rustls::Error>,
    ) -> Self {
        let connector = Connector::new(resolver, guard, tls, options.connect_timeout);
        let hyper = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.idle_per_host)
            .http1_max_buf_size(HEAD_MAX)
            .build(connector);
        Self {
            hyper,
            places: Arc::new(Places::new(options.requests_per_host)),
        }
    }

    /// Posts `body` to `url` and reads the answer, all within `limit`.
    ///
    /// An answer whose body is cut off, by its server or by the deadline, is still an answer: its
    /// status was said.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(
        &self,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<HttpAnswer, HttpError> {
        let deadline = Instant::now() + limit;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers;
        let (_place, response) = self.ask(request, (limit, deadline)).await?;
        Ok(read(response, deadline).await)
    }

    /// Asks by whatever method and reads the whole answer, all within `limit`.
    ///
    /// # Errors
    /// There is no answer, or it is not whole, or longer than [`ANSWER_MAX`].
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Result<Response<Bytes>, HttpError> {
        let deadline = Instant::now() + limit;
        let (_place, response) = self.ask(request, (limit, deadline)).await?;
        let (head, body) = response.into_parts();
        let body = match timeout_at(deadline, Limited::new(body, ANSWER_MAX).collect()).await {
            Ok(read) => read.map_err(|error| HttpError::Broken(error.to_string()))?,
            Err(_) => return Err(HttpError::TimedOut(limit)),
        };
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// The head of the answer, with the place that is held until its body is read.
    async fn ask(
        &self,
        request: Request<Bytes>,
        (limit, deadline): (Duration, Instant),
    ) -> Result<(Option<OwnedSemaphorePermit>, Response<Incoming>), HttpError> {
        check_url(request.uri()).map_err(HttpError::BadUrl)?;
        let asked = async {
            let place = self.places.take(request.uri()).await;
            let response = self.hyper.request(request.map(Full::new)).await?;
            Ok((place, response))
        };
        let asked = timeout_at(deadline, asked).await;
        asked.unwrap_or(Err(HttpError::TimedOut(limit)))
    }
}

async fn read(response: ::http::Response<Incoming>, deadline: Instant) -> HttpAnswer {
    let (head, body) = response.into_parts();
    let retry_after = head.headers.get(header::RETRY_AFTER);
    HttpAnswer {
        status: head.status,
        retry_after: retry_after.and_then(RetryAfter::parse),
        body_start: read_start(body, deadline).await,
    }
}

/// Reads to the end, so that the connection can be used again; or to the limit, which closes it.
async fn read_start(mut body: Incoming, deadline: Instant) -> Bytes {
    let mut start = BytesMut::new();
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = ANSWER_MAX - start.len();
        start.extend_from_slice(data.get(..room).unwrap_or(&data));
        if start.len() == ANSWER_MAX {
            break;
        }
    }
    start.freeze()
}

#[cfg(test)]
mod tests;
