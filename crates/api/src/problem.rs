//! Problem documents, RFC 9457: how every fault is told over HTTP.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    field: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this status, explained in a sentence that holds no internals.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            field: None,
        }
    }

    /// With a field that says what to do about it.
    pub(crate) fn with_field(self, name: HeaderName, value: &'static str) -> Self {
        let field = Some((name, HeaderValue::from_static(value)));
        Self { field, ..self }
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        // RFC 9457 §4.2.1: without a type of its own, the title is that of the status.
        json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Unknown"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.document().to_string()).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response.headers_mut().extend(self.field);
        response
    }
}
