//! `GET /healthz`: whether this process takes and moves mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where the answer comes from.
#[derive(Debug, Clone)]
pub struct Health {
    store_failure: watch::Receiver<Option<Arc<str>>>,
    draining: CancellationToken,
}

impl Health {
    /// Healthy while the store has not failed and `draining` is not cancelled.
    pub fn new(
        store_failure: watch::Receiver<Option<Arc<str>>>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            store_failure,
            draining,
        }
    }

    /// What stands against sending mail here, in words for machines; empty: nothing.
    pub fn reasons(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if self.store_failure.borrow().is_some() {
            reasons.push("store_stopped");
        }
        if self.draining.is_cancelled() {
            reasons.push("draining");
        }
        reasons
    }
}

pub(crate) async fn healthz(State(health): State<Health>) -> Response {
    let reasons = health.reasons();
    let (status, document) = if reasons.is_empty() {
        (StatusCode::OK, json!({ "status": "ok" }))
    } else {
        let document = json!({ "status": "unavailable", "reasons": reasons });
        (StatusCode::SERVICE_UNAVAILABLE, document)
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, Json(document)).into_response()
}
