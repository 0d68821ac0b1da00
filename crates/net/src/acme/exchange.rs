//! The requests of ACME, made by the one HTTP client.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::{Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected};
use instant_acme::{BodyWrapper, BytesResponse, Error};
use postbell_model::{Clock, Timestamp};

use crate::{HttpClient, RetryAfter};

// One request and its answer.
const LIMIT: Duration = Duration::from_secs(30);

/// The client, and when the last answer wanted the next request. Clones are one: there is one for each order.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    http: HttpClient,
    clock: Arc<dyn Clock>,
    retry_after: Arc<Mutex<Option<RetryAfter>>>,
}

impl Exchange {
    pub(super) fn new(http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            clock,
            retry_after: Arc::default(),
        }
    }

    /// The time of day.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long the last answer wants to be waited for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let last = *self
            .retry_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(last?.wait(self.clock.now()))
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (head, body) = request.into_parts();
        // It is in memory, so that it can't break off.
        let body = body.collect().await.map(Collected::to_bytes);
        let request = Request::from_parts(head, body.unwrap_or_default());
        let answer = self.http.exchange(request, LIMIT).await;
        let answer = answer.map_err(|error| Error::Other(Box::new(error)))?;
        let wanted = answer.headers().get(header::RETRY_AFTER);
        *self
            .retry_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = wanted.and_then(RetryAfter::parse);
        let (parts, body) = answer.into_parts();
        Ok(BytesResponse {
            parts,
            body: Box::new(body),
        })
    }
}

impl instant_acme::HttpClient for Exchange {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().exchange(request))
    }
}
