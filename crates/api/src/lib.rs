//! The HTTP doors of the program.
//!
//! What is here: `GET /livez`, `/readyz` and `/metrics`; the octets of mail that came in ([`inbound()`]); the control
//! door on a Unix socket; answers to everything else as problem documents (RFC 9457); and, on listeners of its own, the
//! tracking host ([`tracking`]).
//! A door holds a bounded number of connections, gives each a deadline to send its request, and
//! is left open while the program drains, so that whoever asks can see that it does.
//!
//! The door of health and metrics refuses to terminate TLS: a reverse proxy does that.

pub mod control;
mod door;
mod health;
mod inbound;
mod metrics;
mod problem;
mod stuck;
pub mod tracking;

pub use door::{HttpDoor, HttpDoorOptions};
pub use health::{Health, Pulse};
pub use inbound::{InboundParts, inbound};
pub use metrics::metrics;
pub use problem::Problem;

pub use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::get;

/// The routes that are always there; others are merged with them.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(health)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}", uri.path()),
    )
}
