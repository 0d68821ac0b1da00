//! `GET /v1/trace`: what sessions say, as they say it.

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use postbell_model::Domain;
use postbell_net::trace::{Role, Speaker, TraceLine, Watch, Watching};
use serde_json::json;

use super::{Control, bad_query, pairs};
use crate::Problem;

pub(super) async fn trace(State(control): State<Control>, RawQuery(query): RawQuery) -> Response {
    let watch = match watch(query.as_deref()) {
        Ok(watch) => watch,
        Err(problem) => return problem.into_response(),
    };
    match control.tracer.watch(watch) {
        Ok(watching) => {
            let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (kind, lines(watching)).into_response()
        }
        Err(error) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
        }
    }
}

fn watch(query: Option<&str>) -> Result<Watch, Problem> {
    let mut watch = Watch::default();
    for (name, value) in pairs(query) {
        let wrong = || bad_query(name, value);
        match name {
            "ip" => watch.peer = Some(value.parse().map_err(|_| wrong())?),
            "domain" => watch.domain = Some(Domain::parse(value).map_err(|_| wrong())?),
            "role" => watch.role = Some(role(value).ok_or_else(wrong)?),
            "data" if value == "true" => watch.data = true,
            _ => return Err(wrong()),
        }
    }
    Ok(watch)
}

fn role(name: &str) -> Option<Role> {
    let mut roles = [Role::Submission, Role::Inbound, Role::Delivery].into_iter();
    roles.find(|role| role.name() == name)
}

fn lines(watching: Watching) -> Body {
    // The first line says that it has begun: what happens from then on is seen.
    let begun = Some(Bytes::from_static(b"{\"watching\":true}\n"));
    Body::from_stream(stream::unfold(
        (watching, begun),
        |(mut watching, mut begun)| async move {
            if let Some(begun) = begun.take() {
                return Some((Ok::<_, std::io::Error>(begun), (watching, None)));
            }
            let (line, lost) = watching.next().await?;
            Some((Ok(Bytes::from(document(&line, lost))), (watching, None)))
        },
    ))
}

fn document(line: &TraceLine, lost: u64) -> String {
    let document = json!({
        "at": line.at.to_string(),
        "role": line.role.name(),
        "session": line.session,
        "peer": line.peer,
        "from": match line.speaker {
            Speaker::Client => "client",
            Speaker::Server => "server",
            Speaker::Note => "note",
        },
        "text": line.text,
        "lostBefore": lost,
    });
    format!("{document}\n")
}
