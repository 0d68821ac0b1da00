//! From a request to its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use postbell_model::engagement::{Hit, HitTarget, MachineReason};
use postbell_model::token::{Claim, LinkTarget, Purpose};
use postbell_model::{Clock, TokenKeys};
use postbell_store::{Engagements, Tenants};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use super::agents::Agents;
use super::answer::{self, Answer};
use super::links::LongLinks;
use super::location::location;
use super::metrics::{Asked, TrackingMetrics};
use super::page::{Language, Saying};
use super::recorder::{NoRoom, Notes};
use super::visitor::{client, signs, user_agent};
use super::{HttpChallenges, TrackingParts, TrackingTerms};

/// Requests at a time that ask or change the store; more of them are told to come back.
const AT_THE_STORE: usize = 256;
/// How long the store is waited for.
pub(super) const STORE_LIMIT: Duration = Duration::from_secs(10);

/// What all connections share.
pub(super) struct Routes {
    pub(super) terms: TrackingTerms,
    pub(super) keys: TokenKeys,
    pub(super) tenants: Arc<dyn Tenants>,
    pub(super) engagements: Arc<dyn Engagements>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: TrackingMetrics,
    pub(super) at_the_store: Semaphore,
    links: LongLinks,
    notes: Notes,
    challenges: Option<Arc<dyn HttpChallenges>>,
    agents: Agents,
    /// The answer to everything that leads nowhere, in each language.
    nowhere: Vec<Answer>,
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path<'p> {
    Pixel(&'p str),
    Link(&'p str),
    Page(&'p str),
    Challenge(&'p str),
    Robots,
    Nothing,
}

impl<'p> Path<'p> {
    fn read(path: &'p str) -> Self {
        let token_after = |prefix| path.strip_prefix(prefix);
        if let Some(token) = token_after("/c/") {
            Self::Link(token)
        } else if let Some(token) = token_after("/o/") {
            Self::Pixel(token.strip_suffix(".gif").unwrap_or(token))
        } else if let Some(token) = token_after("/u/") {
            Self::Page(token)
        } else if let Some(token) = token_after("/.well-known/acme-challenge/") {
            Self::Challenge(token)
        } else if path == "/robots.txt" {
            Self::Robots
        } else {
            Self::Nothing
        }
    }

    const fn asked(self) -> Asked {
        match self {
            Self::Pixel(_) => Asked::Pixel,
            Self::Link(_) => Asked::Link,
            Self::Page(_) => Asked::Page,
            Self::Challenge(_) | Self::Robots | Self::Nothing => Asked::Other,
        }
    }
}

impl Routes {
    pub(super) fn new(
        parts: TrackingParts,
        (notes, challenges): (Notes, Option<Arc<dyn HttpChallenges>>),
        terms: TrackingTerms,
        metrics: TrackingMetrics,
    ) -> Result<Self, aho_corasick::BuildError> {
        let nowhere =
            |language: &Language| answer::paged(StatusCode::NOT_FOUND, Saying::NotFound, *language);
        Ok(Self {
            terms,
            keys: parts.keys,
            tenants: parts.tenants,
            engagements: parts.engagements,
            clock: parts.clock,
            metrics,
            at_the_store: Semaphore::new(AT_THE_STORE),
            links: LongLinks::new(parts.links),
            notes,
            challenges,
            agents: Agents::new()?,
            nowhere: Language::ALL.iter().map(nowhere).collect(),
        })
    }

    /// The answer to a request from this address.
    pub(super) async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let path = Path::read(head.uri.path());
        let looks = head.method == Method::GET || head.method == Method::HEAD;
        let answer = match path {
            Path::Link(token) if looks => self.follow(token, &head, peer).await,
            Path::Pixel(token) if looks => self.show(token, &head, peer),
            Path::Page(token) if looks => Box::pin(self.ask(token, &head)).await,
            Path::Page(token) if head.method == Method::POST => {
                Box::pin(self.unsubscribe(token, &head, body)).await
            }
            Path::Challenge(token) if looks => self.prove(token, &head.headers),
            Path::Robots if looks => answer::robots(),
            _ => self.nowhere(&head.headers),
        };
        self.metrics
            .answered(path.asked(), answer.status().as_u16());
        answer
    }

    /// The one answer to everything that leads nowhere.
    pub(super) fn nowhere(&self, headers: &HeaderMap) -> Answer {
        let language = language(headers);
        let place = Language::ALL.iter().position(|one| *one == language);
        let made = place.and_then(|place| self.nowhere.get(place));
        made.map_or_else(|| Response::new(Full::default()), Clone::clone)
    }

    fn show(&self, token: &str, head: &Parts, peer: IpAddr) -> Answer {
        let Ok(claim) = self.keys.verify_url(Purpose::Open, token) else {
            return self.nowhere(&head.headers);
        };
        match self.note(claim, HitTarget::Pixel, head, peer) {
            Ok(()) => answer::pixel(),
            Err(NoRoom) => trouble(&head.headers),
        }
    }

    async fn follow(&self, token: &str, head: &Parts, peer: IpAddr) -> Answer {
        let Ok((claim, link)) = self.keys.verify_link(token) else {
            return self.nowhere(&head.headers);
        };
        let url = match link.target {
            LinkTarget::Url(url) => url,
            LinkTarget::Stored(name) => match self.stored(name).await {
                Some(Some(url)) => url.as_ref().to_owned(),
                Some(None) => return self.nowhere(&head.headers),
                None => return trouble(&head.headers),
            },
        };
        let Some(location) = location(&url) else {
            return self.nowhere(&head.headers);
        };
        let directory = self.tenants.directory();
        let is_blocked = directory.is_blocked(claim.workspace, link.domain_tag, &url);
        let index = link.index;
        // Of a blocked link it is told as well who was led on by the mail.
        match self.note(claim, HitTarget::Link { url, index }, head, peer) {
            _ if is_blocked => {
                let language = language(&head.headers);
                answer::paged(StatusCode::GONE, Saying::Blocked, language)
            }
            Ok(()) => answer::redirect(location),
            Err(NoRoom) => trouble(&head.headers),
        }
    }

    /// The address of a long link, or that there is none; `None`: that can't be said now.
    async fn stored(&self, name: [u8; 16]) -> Option<Option<Arc<str>>> {
        if let Some(url) = self.links.remembered(name) {
            return Some(Some(url));
        }
        let _place = self.at_the_store.try_acquire().ok()?;
        match timeout(STORE_LIMIT, self.links.look_up(name)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                warn!(%error, "a long link can't be looked up");
                None
            }
            Err(_) => {
                warn!("looking a long link up took too long");
                None
            }
        }
    }

    /// Has a visit written down, behind the answer.
    fn note(
        &self,
        claim: Claim,
        target: HitTarget,
        head: &Parts,
        peer: IpAddr,
    ) -> Result<(), NoRoom> {
        let terms = self.terms.load();
        let options = &terms.options;
        let ip = client(peer, &head.headers, &options.proxy_from);
        let user_agent = user_agent(&head.headers);
        let who = (ip, user_agent.as_str(), &head.headers);
        let mut signs = signs(who, &target, (&self.agents, &options.scanner_networks));
        if head.method == Method::HEAD {
            signs.reasons.push(MachineReason::HeadRequest);
        }
        self.notes.note(Hit {
            workspace: claim.workspace,
            delivery: claim.delivery,
            at: self.clock.now(),
            target,
            ip: options.ip.of(ip),
            user_agent: options.user_agent.of(user_agent),
            signs: signs.reasons,
            proxy: signs.proxy,
        })
    }

    fn prove(&self, token: &str, headers: &HeaderMap) -> Answer {
        let challenges = self.challenges.as_ref();
        let proof = challenges.and_then(|challenges| challenges.key_authorization(token));
        proof.map_or_else(|| self.nowhere(headers), answer::challenge)
    }
}

/// What is said where something does not work now.
pub(super) fn trouble(headers: &HeaderMap) -> Answer {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    answer::paged(status, Saying::Trouble, language(headers))
}

pub(super) fn language(headers: &HeaderMap) -> Language {
    let accept = headers.get(header::ACCEPT_LANGUAGE);
    let accept = accept.map(HeaderValue::to_str).and_then(Result::ok);
    accept.map_or_else(Language::default, Language::asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        for (path, read) in [
            ("/c/abc", Path::Link("abc")),
            ("/c/", Path::Link("")),
            ("/o/abc", Path::Pixel("abc")),
            ("/o/abc.gif", Path::Pixel("abc")),
            ("/u/abc", Path::Page("abc")),
            ("/.well-known/acme-challenge/x", Path::Challenge("x")),
            ("/robots.txt", Path::Robots),
            ("/", Path::Nothing),
            ("/c", Path::Nothing),
            ("/C/abc", Path::Nothing),
            ("", Path::Nothing),
        ] {
            assert_eq!(Path::read(path), read, "{path}");
        }
    }
}
