//! The control door: commands given beside a running server ask it for what only its memory has.
//!
//! HTTP over a Unix socket in the data folder that only the server's own user can open: whoever
//! can, may also read the mail in that folder. Paths carry a version; documents may gain keys.
//!
//! | path | what |
//! |---|---|
//! | `GET /v1/sites?domain=D` | the sites that mail to `D` goes to, as far as any went lately; `domain` may stand several times, all without it |
//! | `GET /v1/trace?…` | what sessions say from now on, a JSON document a line, until the client goes |
//! | `POST /v1/queue/ACTION` | acts on waiting deliveries, a JSON document a line after each batch, and stops where the client goes |
//!
//! Refused: to be a way in for other users or machines, and to hand out what is stored.

mod queue;
mod socket;
mod trace;

use std::fmt;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use postbell_model::{CredentialId, Domain, WorkspaceId};
use postbell_net::Tracer;
use postbell_store::{Action, DeliveryFilter};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{Problem, method_not_allowed, not_found};

pub use queue::{Stands, Step};
pub use socket::ControlDoor;

/// The path of the socket within the data folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// A site as it is told.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteDocument {
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Of the domains that were asked for, those whose mail goes there.
    pub domains: Vec<String>,
    /// The addresses that it is dialled from, where a configuration set has its own.
    pub source_addresses: Vec<String>,
    /// Our name at EHLO, where a configuration set has its own.
    pub ehlo_name: Option<String>,
    /// Connections that are open or being opened.
    pub connections: usize,
    /// Those on which no host has greeted yet.
    pub opening: usize,
    /// Those that wait for work.
    pub idle: usize,
    /// How many it is trusted with now.
    pub window: usize,
    /// How many it is given at most.
    pub max_connections: usize,
    /// Messages on one connection.
    pub max_messages_per_connection: u32,
    /// How fast it gets mail: `600/m`.
    pub rate: Option<String>,
    /// Deliveries in memory that wait for it.
    pub waiting: usize,
    /// Whether it has taken mail since it last failed altogether.
    pub proven: bool,
    /// For how long it is left alone.
    pub paused_for_seconds: Option<f64>,
    /// For how long its rate holds the next message back.
    pub held_for_seconds: Option<f64>,
    /// What it said last, oldest first.
    pub replies: Vec<ReplyDocument>,
}

/// A reply as it is told.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyDocument {
    /// When.
    pub at: String,
    /// The host.
    pub host: String,
    /// Its address.
    pub ip: Option<String>,
    /// How far the try came.
    pub phase: String,
    /// The code.
    pub code: u16,
    /// The enhanced code.
    pub enhanced: Option<String>,
    /// The text.
    pub text: String,
    /// Whether the host said it.
    pub from_host: bool,
}

/// What the door asks the running server.
pub trait Running: Send + Sync + 'static {
    /// The sites that the mail of these domains goes to; all, without any.
    fn sites(&self, domains: &[Domain]) -> Vec<SiteDocument>;

    /// The workspace of this name.
    fn workspace(&self, name: &str) -> Option<WorkspaceId>;

    /// The credential of this username.
    fn credential(&self, username: &str) -> Option<CredentialId>;

    /// Begins to act on waiting deliveries. What comes of it is told batch by batch; it ends after
    /// the batch at which nobody listens any more. `None`: too many such actions are under way.
    fn operate(&self, filter: DeliveryFilter, action: Action) -> Option<mpsc::Receiver<Step>>;
}

/// What the routes share.
#[derive(Clone)]
pub struct Control {
    running: Arc<dyn Running>,
    tracer: Tracer,
}

impl Control {
    /// A door to this server.
    pub fn new(running: Arc<dyn Running>, tracer: Tracer) -> Self {
        Self { running, tracer }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/sites", get(sites))
            .route("/v1/trace", get(trace::trace))
            .route("/v1/queue/{action}", post(queue::act))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(self)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

async fn sites(State(control): State<Control>, RawQuery(query): RawQuery) -> Response {
    let mut domains = Vec::new();
    for (name, value) in pairs(query.as_deref()) {
        match (name, Domain::parse(value)) {
            ("domain", Ok(named)) => domains.push(named),
            _ => return bad_query(name, value).into_response(),
        }
    }
    Json(control.running.sites(&domains)).into_response()
}

/// The parameters of a query; ours need no escapes.
fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.unwrap_or_default().split('&');
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn bad_query(name: &str, value: &str) -> Problem {
    let text = format!("\"{name}\" is not known here, or can't be \"{value}\"");
    Problem::new(StatusCode::BAD_REQUEST, text)
}
