//! An answer of many octets, which keeps its turn until the client has nearly all of them.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;

/// Octets that are given to the connection at a time.
const CHUNK: usize = 64 << 10;

pub(super) fn body(octets: Bytes, turn: OwnedSemaphorePermit) -> Body {
    let chunks = unfold((octets, turn), |(mut rest, turn)| async move {
        if rest.is_empty() {
            return None;
        }
        let chunk = rest.split_to(rest.len().min(CHUNK));
        Some((Ok::<_, Infallible>(chunk), (rest, turn)))
    });
    Body::from_stream(chunks)
}
