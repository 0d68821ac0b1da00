//! One call: a document, signed and posted, and what came of it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use postbell_model::{Clock, Timestamp};
use postbell_net::{HttpAnswer, HttpClient, HttpError};
use postbell_store::{ANSWER_KEPT, Call, CallAnswer, Position};

use crate::Document;
use crate::profile::Profile;
use crate::schedule::RETRY_AFTER_MAX;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const POSTBELL_EVENT: HeaderName = HeaderName::from_static("x-postbell-event");

// How much of an answer's first line an operator is shown.
const EXCERPT_MAX: usize = 200;

/// A call that was not answered with a 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it says about the destination.
    pub(crate) kind: FailureKind,
    /// The status or error, in a sentence.
    pub(crate) why: String,
    /// How long the destination wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// What a failure says about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FailureKind {
    /// It answers, and does not take this document: 3xx, 4xx.
    Refused,
    /// It can't be reached, does not answer in time, or says itself that it can't cope: 429,
    /// 5xx.
    Down,
    /// It says that it is no more: 410.
    Gone,
}

/// What calls are made with.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a> {
    pub(crate) http: &'a HttpClient,
    pub(crate) clock: &'a dyn Clock,
    /// How long a call may take, answer included.
    pub(crate) timeout: Duration,
}

/// A call that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) at: Timestamp,
    pub(crate) took: Duration,
    pub(crate) answer: CallAnswer,
    /// `None`: it was answered with a 2xx.
    pub(crate) failure: Option<Failure>,
}

impl Made {
    /// The call for the log: about which document of which event, which try it was and when the
    /// next one is.
    pub(crate) fn logged(
        self,
        (position, document): (Position, u32),
        attempt: u32,
        next_at: Option<Timestamp>,
    ) -> Call {
        Call {
            at: self.at,
            position,
            document,
            attempt,
            took: self.took,
            answer: self.answer,
            next_at,
        }
    }
}

/// Signs and posts a document.
pub(crate) async fn post(wire: Wire<'_>, profile: &Profile, document: Document) -> Made {
    let (at, begun) = (wire.clock.now(), wire.clock.monotonic());
    let headers = headers(profile, &document, at);
    let posted = wire
        .http
        .post(&profile.url, headers, document.json, wire.timeout)
        .await;
    Made {
        at,
        took: wire.clock.monotonic().since(begun),
        answer: answer(&posted),
        failure: judge(posted, wire.clock.now()).err(),
    }
}

fn headers(profile: &Profile, document: &Document, now: Timestamp) -> HeaderMap {
    let mut headers = profile.headers.clone();
    let timestamp = now.as_seconds();
    let signer = profile.signer(now);
    let signature = signer.sign(&document.id, timestamp, &document.json);
    for (name, value) in [
        (WEBHOOK_ID, HeaderValue::try_from(document.id.as_str())),
        (WEBHOOK_SIGNATURE, HeaderValue::try_from(signature)),
    ] {
        headers.insert(name, value.expect("invariant: ids and base64 are ASCII"));
    }
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(POSTBELL_EVENT, HeaderValue::from_static(document.name));
    headers
}

/// What is kept of an answer.
fn answer(posted: &Result<HttpAnswer, HttpError>) -> CallAnswer {
    match posted {
        Ok(answer) => {
            let kept = answer.body_start.len().min(ANSWER_KEPT);
            CallAnswer::Status {
                status: answer.status.as_u16(),
                body: answer.body_start[..kept].to_vec(),
            }
        }
        Err(error) => CallAnswer::Failure(error.to_string()),
    }
}

fn judge(posted: Result<HttpAnswer, HttpError>, now: Timestamp) -> Result<(), Failure> {
    let answer = posted.map_err(|error| Failure {
        kind: FailureKind::Down,
        why: error.to_string(),
        retry_after: None,
    })?;
    if answer.status.is_success() {
        return Ok(());
    }
    // RFC 9110 §10.2.3 gives Retry-After a meaning with 503, RFC 6585 §4 with 429.
    let asks_for_time = matches!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let retry_after = answer.retry_after.filter(|_| asks_for_time);
    Err(Failure {
        kind: kind(answer.status),
        why: describe(&answer),
        retry_after: retry_after.map(|after| after.wait(now).min(RETRY_AFTER_MAX)),
    })
}

fn kind(status: StatusCode) -> FailureKind {
    match status {
        StatusCode::GONE => FailureKind::Gone,
        StatusCode::TOO_MANY_REQUESTS => FailureKind::Down,
        status if status.is_server_error() => FailureKind::Down,
        _ => FailureKind::Refused,
    }
}

/// `500 Internal Server Error: out of cheese`.
fn describe(answer: &HttpAnswer) -> String {
    let text = String::from_utf8_lossy(&answer.body_start);
    let line = text.lines().find(|line| !line.trim().is_empty());
    let excerpt: String = line
        .unwrap_or_default()
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(EXCERPT_MAX)
        .collect();
    if excerpt.is_empty() {
        answer.status.to_string()
    } else {
        format!("{}: {excerpt}", answer.status)
    }
}

#[cfg(test)]
mod tests {
    use postbell_net::RetryAfter;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn answered(status: u16, body: &'static str, retry_after: u64) -> Result<(), Failure> {
        let answer = HttpAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(RetryAfter::Delay(Duration::from_secs(retry_after))),
            body_start: body.into(),
        };
        judge(Ok(answer), NOW)
    }

    #[test]
    fn only_2xx_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answered(status, "whatever", 1), Ok(()));
        }
        for (status, kind) in [
            (301, FailureKind::Refused),
            (304, FailureKind::Refused),
            (400, FailureKind::Refused),
            (404, FailureKind::Refused),
            (410, FailureKind::Gone),
            (429, FailureKind::Down),
            (500, FailureKind::Down),
            (503, FailureKind::Down),
        ] {
            assert_eq!(answered(status, "", 1).unwrap_err().kind, kind, "{status}");
        }
        let silent = judge(Err(HttpError::TimedOut(Duration::from_secs(15))), NOW);
        let failure = silent.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Down);
        assert_eq!(failure.why, "no answer within 15 s");
    }

    #[test]
    fn retry_after_counts_with_429_and_503_and_up_to_a_day() {
        let wait = |status, seconds| answered(status, "", seconds).unwrap_err().retry_after;
        assert_eq!(wait(429, 60), Some(Duration::from_secs(60)));
        assert_eq!(wait(503, 999_999), Some(Duration::from_hours(24)));
        assert_eq!(wait(500, 60), None);
        assert_eq!(wait(302, 60), None);
    }

    #[test]
    fn an_operator_sees_the_first_line_of_the_answer() {
        let why = |body| answered(500, body, 1).unwrap_err().why;
        assert_eq!(why(""), "500 Internal Server Error");
        assert_eq!(
            why("\n  out of \u{7}cheese \nsecond"),
            "500 Internal Server Error: out of cheese"
        );
    }
}
