//! `postbell destination log` and `dead`.

use std::time::Duration;

use postbell_store::{CallAnswer, DeadLetter, LoggedCall, WhichCalls};
use serde_json::{Value, json};

use super::find;
use crate::admin::desk::Desk;
use crate::cli::{Output, WhichDestination};
use crate::console::{plain, until};

// How much of an answer stands in a row.
const EXCERPT: usize = 60;

pub(super) async fn log(
    desk: &Desk,
    which: &WhichDestination,
    (failed, limit): (bool, usize),
    output: &Output,
) -> anyhow::Result<()> {
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let wanted = if failed {
        WhichCalls::Failed
    } else {
        WhichCalls::All
    };
    let calls = desk.webhooks.calls(destination.id, wanted, limit).await?;
    let documents = calls.iter().map(call_document).collect();
    let rows: Vec<_> = calls.iter().map(|call| call_row(desk, call)).collect();
    let heading = [
        "AT", "EVENT", "KIND", "TRY", "STATUS", "TOOK", "NEXT", "ANSWER",
    ];
    desk.tell_list(output, documents, &heading, &rows);
    Ok(())
}

fn call_document(logged: &LoggedCall) -> Value {
    let call = &logged.call;
    let (status, error, answer) = match &call.answer {
        CallAnswer::Status { status, body } => (
            Some(*status),
            None,
            Some(String::from_utf8_lossy(body).into_owned()),
        ),
        CallAnswer::Failure(why) => (None, Some(why), None),
    };
    json!({
        "at": call.at.to_string(),
        "event": logged.event.map(|(id, _)| id.to_string()),
        "eventType": logged.event.map(|(_, kind)| kind.name()),
        "document": call.document,
        "attempt": call.attempt,
        "status": status,
        "error": error,
        "answer": answer,
        "durationMs": millis(call.took),
        "nextAttemptAt": call.next_at.map(|at| at.to_string()),
    })
}

fn call_row(desk: &Desk, logged: &LoggedCall) -> Vec<String> {
    let call = &logged.call;
    let (status, answer) = match &call.answer {
        CallAnswer::Status { status, body } => (
            status.to_string(),
            String::from_utf8_lossy(body).into_owned(),
        ),
        CallAnswer::Failure(why) => ("-".to_owned(), why.clone()),
    };
    let next = call.next_at.map(|at| until(at, desk.clock.now()));
    let event = logged.event.map(|(id, kind)| (id.to_string(), kind.name()));
    let (id, kind) = event.unwrap_or_default();
    vec![
        call.at.to_string(),
        id,
        kind.to_owned(),
        call.attempt.to_string(),
        status,
        format!("{} ms", call.took.as_millis()),
        next.unwrap_or_else(|| "-".to_owned()),
        excerpt(&answer),
    ]
}

pub(super) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The beginning of a text of others.
pub(super) fn excerpt(text: &str) -> String {
    plain(text.trim()).chars().take(EXCERPT).collect()
}

pub(super) async fn dead(
    desk: &Desk,
    which: &WhichDestination,
    limit: usize,
    output: &Output,
) -> anyhow::Result<()> {
    let directory = desk.directory();
    let destination = find(&directory, which)?;
    let letters = desk.webhooks.dead(destination.id, limit).await?;
    let documents = letters.iter().map(dead_document).collect();
    let rows: Vec<_> = letters.iter().map(dead_row).collect();
    let heading = ["HAPPENED", "EVENT", "KIND", "TRIES", "LAST ERROR"];
    desk.tell_list(output, documents, &heading, &rows);
    Ok(())
}

fn dead_document(letter: &DeadLetter) -> Value {
    json!({
        "event": letter.event.map(|(id, _, _)| id.to_string()),
        "eventType": letter.event.map(|(_, kind, _)| kind.name()),
        "timestamp": letter.event.map(|(_, _, at)| at.to_string()),
        "document": letter.document,
        "attempts": letter.attempts,
        "lastError": letter.last_error,
    })
}

fn dead_row(letter: &DeadLetter) -> Vec<String> {
    let event = letter.event;
    vec![
        event.map_or_else(String::new, |(_, _, at)| at.to_string()),
        event.map_or_else(String::new, |(id, _, _)| id.to_string()),
        event.map_or_else(String::new, |(_, kind, _)| kind.name().to_owned()),
        letter.attempts.to_string(),
        excerpt(&letter.last_error),
    ]
}
