//! One connection of the webhook receiver.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::answer::Answer;
use super::signature::check;
use super::{Post, State};

/// The connection is to be closed instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct Unanswered;

type Answered = Result<Response<Either<Full<Bytes>, Zeros>>, Unanswered>;

pub(super) async fn serve(state: Arc<State>, stream: TcpStream) {
    state.connections.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(|request| receive(Arc::clone(&state), request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.options.patience)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a webhook connection ended early");
    }
}

async fn receive(state: Arc<State>, request: Request<Incoming>) -> Answered {
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED));
    }
    let (parts, body) = request.into_parts();
    let reading = Limited::new(body, state.options.max_body).collect();
    let body = match timeout(state.options.patience, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Err(Unanswered),
    };
    let options = &state.options;
    let signature = check(
        &options.secrets,
        options.tolerance.as_ref(),
        &parts.headers,
        &body,
    );
    let usual = if signature.is_fine() {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    };
    let answer = state.answers.take(parts.uri.path());
    // Recorded before the answer, which a client may not wait for.
    state.record(Post {
        at: Instant::now(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body,
        signature,
        status: status_of(answer.as_ref(), usual),
    });
    respond(&state, answer, usual).await
}

/// The status that this answer will have; 0 where the connection is dropped instead.
fn status_of(answer: Option<&Answer>, usual: StatusCode) -> u16 {
    match answer {
        None | Some(Answer::Slow(_)) => usual.as_u16(),
        Some(Answer::Status(status) | Answer::RetryAfter { status, .. }) => *status,
        Some(Answer::Redirect(_)) => 307,
        Some(Answer::Huge(_)) => 200,
        Some(Answer::Stall | Answer::Drop) => 0,
    }
}

async fn respond(state: &State, answer: Option<Answer>, usual: StatusCode) -> Answered {
    let Some(answer) = answer else {
        return Ok(plain(usual));
    };
    match answer {
        Answer::Status(status) => Ok(plain(scripted(status))),
        Answer::RetryAfter { status, seconds } => {
            let mut response = plain(scripted(status));
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        Answer::Redirect(location) => {
            let mut response = plain(StatusCode::TEMPORARY_REDIRECT);
            let value = HeaderValue::from_str(&location).map_err(|_| Unanswered)?;
            response.headers_mut().insert(header::LOCATION, value);
            Ok(response)
        }
        Answer::Slow(time) => {
            sleep(time).await;
            Ok(plain(usual))
        }
        Answer::Stall => {
            sleep(state.options.patience).await;
            Err(Unanswered)
        }
        Answer::Drop => Err(Unanswered),
        Answer::Huge(octets) => Ok(Response::new(Either::Right(Zeros(octets)))),
    }
}

fn plain(status: StatusCode) -> Response<Either<Full<Bytes>, Zeros>> {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

fn scripted(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A body of this many octets that no memory holds at once.
struct Zeros(u64);

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static CHUNK: [u8; 64 * 1024] = [b'0'; 64 * 1024];
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.0).map_or(CHUNK.len(), |left| left.min(CHUNK.len()));
        self.0 -= size as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK[..size])))))
    }
}
