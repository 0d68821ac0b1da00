//! Whether this process lives (`/livez`), and whether it takes new mail (`/readyz`).
//!
//! Readiness is what every door asks before it takes a message: a balancer that reads it sends
//! clients elsewhere before they are refused here. Life is less: that the program still gets on.
//! Who restarts a server that does not live must not restart one that only has no space.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use postbell_accept::{Admission, Obstacle};
use postbell_model::{Clock, Monotonic};
use serde_json::json;

/// For how long nothing may have moved.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// Where the answers come from.
#[derive(Debug, Clone)]
pub struct Health {
    admission: Arc<Admission>,
    pulse: Pulse,
}

/// The sign that the program gets on, given every second or so.
#[derive(Debug, Clone)]
pub struct Pulse {
    clock: Arc<dyn Clock>,
    /// Microseconds of the monotonic clock.
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse that has just been given.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let pulse = Self {
            clock,
            last: Arc::default(),
        };
        pulse.beat();
        pulse
    }

    /// The program gets on.
    pub fn beat(&self) {
        let now = self.clock.monotonic().0.as_micros();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn is_stalled(&self) -> bool {
        let last = Monotonic(Duration::from_micros(self.last.load(Ordering::Relaxed)));
        self.clock.monotonic().since(last) > STALLED_AFTER
    }
}

impl Health {
    /// Ready while new mail is admitted, alive while the pulse is given.
    pub const fn new(admission: Arc<Admission>, pulse: Pulse) -> Self {
        Self { admission, pulse }
    }

    /// What stands against sending mail here, in words for machines; empty: nothing.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.admission.obstacles().map(Obstacle::name).collect()
    }
}

/// `GET /readyz`.
pub(crate) async fn readyz(State(health): State<Health>) -> Response {
    told(&health.reasons())
}

/// `GET /livez`.
pub(crate) async fn livez(State(health): State<Health>) -> Response {
    let reasons: &[_] = if health.pulse.is_stalled() {
        &["stalled"]
    } else {
        &[]
    };
    told(reasons)
}

fn told(reasons: &[&str]) -> Response {
    let (status, document) = if reasons.is_empty() {
        (StatusCode::OK, json!({ "status": "ok" }))
    } else {
        let document = json!({ "status": "unavailable", "reasons": reasons });
        (StatusCode::SERVICE_UNAVAILABLE, document)
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, Json(document)).into_response()
}
