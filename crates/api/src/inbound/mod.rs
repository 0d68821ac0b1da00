//! The octets of mail that came in, at the paths that events name.
//!
//! | path | what |
//! |---|---|
//! | `GET /v1/inbound/ID/raw` | the message as it is kept |
//! | `GET /v1/inbound/ID/attachments/PART` | a part of it, its transfer encoding taken off |
//!
//! Whoever asks brings a secret API key of the workspace whose mail it is. Strangers have written all of
//! it, so that a browser is told to show none of it.
//!
//! Refused: to say whether there is mail of others.

mod key;
mod part;
mod stream;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use postbell_model::{Clock, InboundId};
use postbell_store::{Bodies, Inbound, StoreError, Tenants};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::error;

use crate::{Problem, method_not_allowed};

/// Messages in memory at a time, for each processor.
const AT_A_TIME: usize = 4;
/// How long the store is waited for, and one's turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the answers come from.
#[derive(Clone)]
pub struct InboundParts {
    /// The keys.
    pub tenants: Arc<dyn Tenants>,
    /// What is known of each message.
    pub inbound: Arc<dyn Inbound>,
    /// Their octets.
    pub bodies: Arc<dyn Bodies>,
    /// The time, after which keys expire.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for InboundParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundParts").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Desk {
    parts: InboundParts,
    /// Held for as long as a message is in memory.
    turns: Arc<Semaphore>,
}

/// The routes of `/v1/inbound`.
pub fn inbound(parts: InboundParts) -> Router {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let desk = Desk {
        parts,
        turns: Arc::new(Semaphore::new(AT_A_TIME * processors)),
    };
    Router::new()
        .route("/v1/inbound/{id}/raw", get(raw))
        .route("/v1/inbound/{id}/attachments/{part}", get(attachment))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(desk)
}

async fn raw(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (octets, turn) = desk.read(&id, &headers).await?;
    let media = HeaderValue::from_static("message/rfc822");
    Ok(given(octets, media, turn))
}

async fn attachment(
    State(desk): State<Desk>,
    Path((id, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (octets, turn) = desk.read(&id, &headers).await?;
    let no_part = || not_found(format!("message {id} has no part \"{number}\""));
    let place: usize = number.parse().map_err(|_| no_part())?;
    // A message of many mebibytes takes some milliseconds.
    let taking = tokio::task::spawn_blocking(move || part::of(&octets, place));
    let taken = taking.await.map_err(|fault| {
        error!(error = %fault, "a part of a message can't be given");
        unavailable("the message can't be read at the moment")
    })?;
    let (octets, media) = taken.ok_or_else(no_part)?;
    Ok(given(octets, media, turn))
}

impl Desk {
    /// The message, for whoever may have it, and the turn that it takes in memory.
    async fn read(
        &self,
        id: &str,
        headers: &HeaderMap,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Problem> {
        let parts = &self.parts;
        let workspace = key::workspace(headers, &parts.tenants.directory(), parts.clock.now())?;
        let unknown = || not_found(format!("no message {id} came in, or it was forgotten"));
        let known: InboundId = id.parse().map_err(|_| unknown())?;
        let kept = in_time(parts.inbound.inbound(known)).await?;
        let kept = kept.filter(|kept| kept.mail.workspace == Some(workspace));
        let kept = kept.ok_or_else(unknown)?;
        let Some(body) = kept.body else {
            let detail = format!("the octets of {id} were kept for retention.inbound and are gone");
            return Err(Problem::new(StatusCode::GONE, detail));
        };
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = timeout(PATIENCE, turn).await.ok().and_then(Result::ok);
        let turn = turn.ok_or_else(|| unavailable("too many messages are asked for"))?;
        Ok((in_time(parts.bodies.body(body)).await?, turn))
    }
}

async fn in_time<T>(looking: impl Future<Output = Result<T, StoreError>>) -> Result<T, Problem> {
    let found = timeout(PATIENCE, looking).await;
    found.unwrap_or(Err(StoreError::Busy)).map_err(|fault| {
        error!(error = %fault, "mail that came in can't be read");
        unavailable("the message can't be read at the moment")
    })
}

fn given(octets: Bytes, media: HeaderValue, turn: OwnedSemaphorePermit) -> Response {
    let fixed = [
        (header::CACHE_CONTROL, "private, no-store"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let length = HeaderValue::from(octets.len());
    let own = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_LENGTH, length),
    ];
    (fixed, own, stream::body(octets, turn)).into_response()
}

fn not_found(detail: String) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, detail)
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_field(header::RETRY_AFTER, "10")
}
