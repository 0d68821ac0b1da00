//! Why a request has no answer.

use std::error::Error;
use std::time::Duration;

use hyper_util::client::legacy;

use crate::{Forbidden, LookupError};

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not `http` or `https`, without a host, or with a password in it.
    #[error("the URL can't be used: {0}")]
    BadUrl(&'static str),
    /// The host's name leads nowhere.
    #[error("the host can't be found: {0}")]
    Lookup(LookupError),
    /// None of the host's addresses may be dialled.
    #[error(transparent)]
    Forbidden(Forbidden),
    /// None of the host's addresses answered.
    #[error("{0}")]
    Connect(String),
    /// The handshake failed, or the certificate is not the host's.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connection broke, or what came over it is no HTTP.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// There was no answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}

impl From<legacy::Error> for HttpError {
    fn from(error: legacy::Error) -> Self {
        let own = error
            .source()
            .and_then(|source| source.downcast_ref::<Self>());
        own.cloned()
            .unwrap_or_else(|| Self::Broken(innermost(&error)))
    }
}

/// The cause that says most: hyper's own errors say only where they happened.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
