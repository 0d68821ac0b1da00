//! `postbell destination test`: one call by hand, made as the server makes them.

use anyhow::bail;
use postbell_net::{Guard, HttpClient, Resolver};
use postbell_notify::try_destination;
use postbell_store::CallAnswer;
use serde_json::json;

use super::calls::{excerpt, millis};
use super::find;
use crate::admin::desk::Desk;
use crate::cli::{Output, WhichDestination};

pub(super) async fn run(
    desk: &Desk,
    which: &WhichDestination,
    output: &Output,
) -> anyhow::Result<()> {
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let config = &desk.config;
    let resolver = Resolver::new(&config.dns)?;
    let guard = Guard::new(config.guard.allow_notify.clone());
    let http = HttpClient::new(resolver, guard, &config.http_client);
    let limit = config.notify.timeout;
    let trial = try_destination(destination, &http, desk.clock.as_ref(), limit).await?;
    let took = millis(trial.took);
    let (status, text) = match &trial.answer {
        CallAnswer::Status { status, body } => {
            (Some(*status), String::from_utf8_lossy(body).into_owned())
        }
        CallAnswer::Failure(why) => (None, why.clone()),
    };
    let document = json!({
        "event": trial.id.to_string(),
        "delivered": trial.answer.is_success(),
        "status": status,
        "error": status.is_none().then_some(&text),
        "answer": status.map(|_| &text),
        "durationMs": took,
    });
    let said = match status {
        Some(status) => format!("{} answered {status} in {took} ms", destination.name),
        None => format!("{} did not answer", destination.name),
    };
    let sentence = match excerpt(&text) {
        text if text.is_empty() => said,
        text => format!("{said}: {text}"),
    };
    if trial.answer.is_success() {
        desk.tell(output, &document, &sentence);
        return Ok(());
    }
    if output.json {
        desk.console.say(document.to_string());
    }
    bail!(sentence)
}
