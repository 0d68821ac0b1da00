//! `POST /v1/queue/ACTION`: an operator's action on waiting deliveries, told batch by batch.

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use postbell_model::{DeliveryState, Timestamp};
use postbell_store::{Action, DeliveryFilter, WAITING};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Control, Running};
use crate::Problem;

/// Octets of a request.
const MAX_REQUEST: usize = 64 << 10;
/// How long a client may take to send it.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// What a bounce says where nobody says otherwise.
const REASON: &str = "Given up by the operator";

/// What is known of an action that is under way: counts are those since its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Deliveries that were changed.
    pub changed: u64,
    /// Deliveries that were being sent and were left alone.
    pub left_alone: u64,
    /// Whether there is more to come.
    pub stands: Stands,
}

/// How an action stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// It goes on.
    UnderWay,
    /// It is done.
    Done,
    /// It was broken off, for this reason; what is counted stands.
    BrokenOff(String),
}

/// The deliveries that are meant, as they are told.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Request {
    workspace: Option<String>,
    domain: Option<String>,
    recipient: Option<String>,
    message_id: Option<String>,
    delivery_id: Option<String>,
    credential: Option<String>,
    accepted_before: Option<String>,
    states: Vec<String>,
    /// Every delivery, where nothing else says which.
    all: bool,
    /// What the bounces of `fail` say.
    reason: Option<String>,
}

pub(super) async fn act(
    State(control): State<Control>,
    Path(action): Path<String>,
    body: Body,
) -> Response {
    match begin(&control, &action, body).await {
        Ok(steps) => {
            let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (kind, lines(steps)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn begin(
    control: &Control,
    action: &str,
    body: Body,
) -> Result<mpsc::Receiver<Step>, Problem> {
    let read = timeout(REQUEST_LIMIT, to_bytes(body, MAX_REQUEST)).await;
    let read = read.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the request did not come in time",
        )
    })?;
    let octets =
        read.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"))?;
    let request: Request =
        serde_json::from_slice(&octets).map_err(|error| bad(error.to_string()))?;
    let action = request.action(action)?;
    let filter = request.filter(&*control.running)?;
    if filter == DeliveryFilter::default() && !request.all {
        return Err(bad("say which deliveries are meant, or \"all\": true"));
    }
    if action.about(&filter).is_none() {
        return Err(bad("no delivery in these states can be meant"));
    }
    control.running.operate(filter, action).ok_or_else(|| {
        let text = "other actions on the queue are under way; try again when they are done";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })
}

impl Request {
    fn action(&self, name: &str) -> Result<Action, Problem> {
        if self.reason.is_some() && name != "fail" {
            return Err(bad("only \"fail\" has a \"reason\""));
        }
        Ok(match name {
            "retry" => Action::Retry,
            "hold" => Action::Hold,
            "release" => Action::Release,
            "cancel" => Action::Cancel,
            "fail" => Action::given_up(self.reason.as_deref().unwrap_or(REASON)),
            other => {
                let text = format!("there is no action \"{}\"", other.escape_debug());
                return Err(Problem::new(StatusCode::NOT_FOUND, text));
            }
        })
    }

    fn filter(&self, running: &dyn Running) -> Result<DeliveryFilter, Problem> {
        let workspace = self.workspace.as_deref().map(|name| {
            let found = running.workspace(name);
            found.ok_or_else(|| bad(format!("there is no workspace \"{}\"", name.escape_debug())))
        });
        let credential = self.credential.as_deref().map(|name| {
            let found = running.credential(name);
            found.ok_or_else(|| {
                bad(format!(
                    "there is no credential \"{}\"",
                    name.escape_debug()
                ))
            })
        });
        let before = self
            .accepted_before
            .as_deref()
            .map(|text| Timestamp::read(text).ok_or_else(|| wrong("acceptedBefore", text)));
        Ok(DeliveryFilter {
            workspace: workspace.transpose()?,
            domain: read("domain", self.domain.as_deref())?,
            recipient: read("recipient", self.recipient.as_deref())?,
            message: read("messageId", self.message_id.as_deref())?,
            delivery: read("deliveryId", self.delivery_id.as_deref())?,
            credential: credential.transpose()?,
            accepted_before: before.transpose()?,
            sender_domain: None,
            states: self
                .states
                .iter()
                .map(|name| state(name))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn read<T: FromStr>(member: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let read = text.map(|text| text.parse().map_err(|_| wrong(member, text)));
    read.transpose()
}

fn state(name: &str) -> Result<DeliveryState, Problem> {
    let state = WAITING.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| wrong("states", name))
}

fn wrong(member: &str, text: &str) -> Problem {
    bad(format!("\"{member}\" can't be \"{}\"", text.escape_debug()))
}

fn bad(text: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, text)
}

/// A document a line; the last one says that it is the last.
fn lines(steps: mpsc::Receiver<Step>) -> Body {
    Body::from_stream(stream::unfold(steps, |mut steps| async move {
        let step = steps.recv().await?;
        Some((Ok::<_, std::io::Error>(Bytes::from(document(&step))), steps))
    }))
}

fn document(step: &Step) -> String {
    let mut document = json!({
        "changed": step.changed,
        "leftAlone": step.left_alone,
        "done": step.stands == Stands::Done,
    });
    if let Stands::BrokenOff(why) = &step.stands {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
        document["problem"] = problem.document();
    }
    format!("{document}\n")
}

#[cfg(test)]
mod tests {
    use postbell_model::Reply;

    use super::*;

    #[test]
    fn the_reason_is_the_reply() {
        let request = Request {
            reason: Some("a typing error".to_owned()),
            ..Request::default()
        };
        let reply = Reply::new(554, 3, 0, "a typing error".to_owned());
        assert_eq!(request.action("fail"), Ok(Action::Fail(reply)));
        assert!(request.action("hold").is_err());
    }
}
