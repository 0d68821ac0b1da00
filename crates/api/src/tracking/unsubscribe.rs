//! The page of unsubscribing. Looking at it changes nothing, since programs look at every link; what is
//! posted to it has taken effect when it is answered.
//!
//! RFC 8058 §3.1: no cookie, no login, no redirect; the address alone says whose it is.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::Body;
use hyper::http::request::Parts;
use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::{Claim, Purpose};
use postbell_store::{StoreError, Unsubscribed, Unsubscribing};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::answer::{self, Answer};
use super::form::{Intent, intent};
use super::page::{Language, Saying, Subscription};
use super::routes::{Routes, STORE_LIMIT, language, trouble};
use super::sender::{asked_host, sender, serves_all};

/// What is posted has some dozen octets; forms of other programs have some hundred.
const BODY_MAX: usize = 16 << 10;

impl Routes {
    /// Asks whether the recipient really wants no more.
    pub(super) async fn ask(&self, token: &str, head: &Parts) -> Answer {
        let Ok(claim) = self.keys.verify_url(Purpose::UnsubscribePage, token) else {
            return self.nowhere(&head.headers);
        };
        self.question(claim, StatusCode::OK, head).await
    }

    /// Unsubscribes, and says so only then.
    pub(super) async fn unsubscribe<B>(&self, token: &str, head: &Parts, body: B) -> Answer
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Ok(claim) = self.keys.verify_url(Purpose::UnsubscribePage, token) else {
            return self.nowhere(&head.headers);
        };
        let Some(body) = self.read(body).await else {
            return self.question(claim, StatusCode::BAD_REQUEST, head).await;
        };
        let method = match intent(&head.headers, &body) {
            Intent::OneClick => UnsubscribeMethod::OneClick,
            Intent::Confirmed => UnsubscribeMethod::Link,
            Intent::Unclear => return self.question(claim, StatusCode::BAD_REQUEST, head).await,
        };
        let outcome = self.carry_out(claim, method).await;
        self.metrics.unsubscribed(method, outcome);
        let language = language(&head.headers);
        match outcome {
            None => trouble(&head.headers),
            Some(Unsubscribed::Unknown) => unknown(language),
            Some(Unsubscribed::Now | Unsubscribed::Already) => {
                // It is done, whether or not it can be said whose it was.
                let whose = self.whose(claim, head).await.unwrap_or_default();
                let whose = whose.map(|(subscription, _)| subscription);
                answer::paged(StatusCode::OK, Saying::Done(whose.as_ref()), language)
            }
        }
    }

    async fn read<B>(&self, body: B) -> Option<Bytes>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let limit = self.terms.load().options.timeouts.body;
        let read = Limited::new(body, BODY_MAX).collect();
        let read = timeout(limit, read).await.ok()?;
        Some(read.ok()?.to_bytes())
    }

    async fn carry_out(&self, claim: Claim, method: UnsubscribeMethod) -> Option<Unsubscribed> {
        let _place = self.at_the_store.try_acquire().ok()?;
        let now = self.clock.now();
        let done = self.engagements.unsubscribe(claim, method, now);
        match timeout(STORE_LIMIT, done).await {
            Ok(Ok(outcome)) => {
                info!(
                    delivery.id = %claim.delivery,
                    method = method.name(),
                    ?outcome,
                    "a recipient unsubscribes"
                );
                Some(outcome)
            }
            Ok(Err(error)) => {
                error!(%error, delivery.id = %claim.delivery, "unsubscribing failed");
                None
            }
            Err(_) => {
                error!(delivery.id = %claim.delivery, "unsubscribing took too long");
                None
            }
        }
    }

    async fn question(&self, claim: Claim, status: StatusCode, head: &Parts) -> Answer {
        let language = language(&head.headers);
        match self.whose(claim, head).await {
            Err(error) => {
                warn!(%error, "the page of unsubscribing can't be shown");
                trouble(&head.headers)
            }
            Ok(None) => unknown(language),
            Ok(Some((subscription, true))) => {
                answer::paged(StatusCode::OK, Saying::Already(&subscription), language)
            }
            Ok(Some((subscription, false))) => {
                answer::paged(status, Saying::Question(&subscription), language)
            }
        }
    }

    /// Whose mail it was, and whether it has ended; `None`: nobody knows any more.
    async fn whose(
        &self,
        claim: Claim,
        head: &Parts,
    ) -> Result<Option<(Subscription, bool)>, StoreError> {
        let Ok(_place) = self.at_the_store.try_acquire() else {
            return Err(StoreError::Busy);
        };
        let found = timeout(STORE_LIMIT, self.engagements.unsubscribing(claim));
        let found = found.await.unwrap_or(Err(StoreError::Busy))?;
        Ok(found.map(|found| (self.subscription(&found, head), found.is_done)))
    }

    /// As the domain looks whose tracking host the mail names. A domain that is another tenant's by now
    /// is not.
    fn subscription(&self, found: &Unsubscribing, head: &Parts) -> Subscription {
        let terms = self.terms.load();
        let base_url = terms.options.base_url.as_deref();
        let host = asked_host(head);
        let of_one = host.as_ref().filter(|host| !serves_all(host, base_url));
        let directory = self.tenants.directory();
        let sender = sender(&directory, &found.message, of_one);
        let brand = sender
            .map(|domain| domain.brand.clone())
            .unwrap_or_default();
        let source = &found.message.source;
        let of_source = source.rsplit_once('@').map(|(_, name)| name.to_owned());
        let of_sender = || Some(sender?.name.to_string());
        let name = brand.name.or(of_source).or_else(of_sender);
        Subscription {
            brand: name
                .or(host.map(|host| host.to_string()))
                .unwrap_or_default(),
            colour: brand.colour,
            address: found.recipient.as_str().to_owned(),
        }
    }
}

fn unknown(language: Language) -> Answer {
    answer::paged(StatusCode::GONE, Saying::Unknown, language)
}
