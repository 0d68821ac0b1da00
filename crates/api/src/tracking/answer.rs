//! The answers. None of them may be kept by anybody, and none tells where a visitor comes from.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::page::{Language, Page, Saying, page};

pub(super) type Answer = Response<Full<Bytes>>;

/// A transparent GIF of one pixel.
const PIXEL: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\
    \x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x44\x00\x3b";
const ROBOTS: &[u8] = b"User-agent: *\nDisallow: /\n";

/// What is not kept is asked for again each time: also by what is older than no-store.
const NEVER: HeaderValue =
    HeaderValue::from_static("no-store, no-cache, must-revalidate, private, max-age=0");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_INDEX: HeaderValue = HeaderValue::from_static("noindex, nofollow");
const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Seconds after which it is worth another try: a commit takes some milliseconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// The pixel.
pub(super) fn pixel() -> Answer {
    let mut answer = answer(StatusCode::OK, Bytes::from_static(PIXEL));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    // Web mail may ask for leave to show what comes from elsewhere.
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    answer
}

/// Where a link goes.
pub(super) fn redirect(location: HeaderValue) -> Answer {
    let mut answer = answer(StatusCode::FOUND, Bytes::new());
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

/// A page.
pub(super) fn paged(status: StatusCode, saying: Saying<'_>, language: Language) -> Answer {
    let Page {
        html,
        policy,
        language,
    } = page(saying, language);
    let mut answer = answer(status, Bytes::from(html));
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    answer
}

/// What nobody is looked for at.
pub(super) fn robots() -> Answer {
    let mut answer = answer(StatusCode::OK, Bytes::from_static(ROBOTS));
    answer.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    answer
}

/// What whoever gives out certificates wants to see (RFC 8555 §8.3).
pub(super) fn challenge(key_authorization: String) -> Answer {
    let mut answer = answer(StatusCode::OK, Bytes::from(key_authorization));
    let octets = HeaderValue::from_static("application/octet-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, octets);
    answer
}

fn answer(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.reserve(8);
    headers.insert(header::CACHE_CONTROL, NEVER);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(ROBOTS_TAG, NO_INDEX);
    answer
}
