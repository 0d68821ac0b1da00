//! The history for machines.

use std::sync::Arc;

use postbell_model::Message;
use postbell_model::attempt::HostTry;
use postbell_notify::{Format, preview};
use postbell_store::{DeliveryHistory, EventHistory, History, Told};
use serde_json::{Value, json};

use super::story::{inbound_of, story};
use super::{Has, heard, logged};
use crate::admin::{set_name, set_of, workspace_name};
use crate::operator::Window;

pub(super) fn of(window: &Window<'_>, history: &History) -> Value {
    let message = &history.message;
    let deliveries = history.deliveries.iter();
    json!({
        "messageId": message.id.to_string(),
        "headerMessageId": message.header_message_id,
        "workspace": workspace_name(&window.directory, message.workspace),
        "configurationSet": set_name(&window.directory, message.configuration_set),
        "acceptedAt": message.accepted_at.to_string(),
        "size": message.size,
        "source": message.source,
        "mailFrom": message.mail_from.to_string(),
        "subject": message.subject,
        "tags": message.instructions.tags,
        "metadata": message.instructions.metadata,
        "stream": message.instructions.stream,
        "deliveries": deliveries.map(|d| delivery(window, message, d)).collect::<Vec<_>>(),
    })
}

fn delivery(window: &Window<'_>, message: &Arc<Message>, history: &DeliveryHistory) -> Value {
    let waits = !history.state.is_final();
    let events = history.events.iter();
    let events = events.map(|event| event_document(window, (message, history), event));
    json!({
        "deliveryId": history.delivery.id.to_string(),
        "recipient": history.delivery.recipient.as_str(),
        "state": history.state.name(),
        "attempt": history.delivery.attempt,
        "nextAttemptAt": waits.then(|| history.next_at.to_string()),
        "expiresAt": history.delivery.expires_at.to_string(),
        "events": events.collect::<Vec<_>>(),
    })
}

fn event_document(
    window: &Window<'_>,
    about: (&Arc<Message>, &DeliveryHistory),
    history: &EventHistory,
) -> Value {
    let event = &history.event;
    let attempt = event.fact.attempt();
    let webhooks = heard(window, about, history);
    let webhooks = webhooks.iter().map(|(name, has)| webhook(name, *has));
    let inbound = inbound_of(&event.fact);
    let mut document = json!({
        "id": event.id.to_string(),
        "eventType": event.fact.kind().name(),
        "timestamp": event.at.to_string(),
        "sequence": event.sequence,
        "story": story(&event.fact),
        "attempt": attempt.map(|attempt| attempt.number),
        "startedAt": attempt.map(|attempt| attempt.started_at.to_string()),
        "endedAt": attempt.map(|attempt| attempt.ended_at.to_string()),
        "tries": attempt.map(|a| a.tries.iter().map(try_document).collect::<Vec<_>>()),
        "inboundId": inbound.map(|id| id.to_string()),
        "webhooks": webhooks.collect::<Vec<_>>(),
    });
    if attempt.is_none()
        && let Some((name, told)) = block(window, about, history)
    {
        document[name] = told;
    }
    document
}

/// What no attempt brought, but a letter, a visitor or a policy: what its webhook says stands here,
/// under the same name, `reply` or `click` for instance. `None`: the type says it all.
fn block(
    window: &Window<'_>,
    about: (&Arc<Message>, &DeliveryHistory),
    history: &EventHistory,
) -> Option<(String, Value)> {
    let event = logged(about, history);
    let told = preview(Format::Postbell, &event, &set_of(&window.directory, &event)).pop()?;
    let told: Value = serde_json::from_slice(&told.json).ok()?;
    let Value::Object(members) = told else {
        return None;
    };
    members
        .into_iter()
        .find(|(name, _)| !ENVELOPE.contains(&name.as_str()))
        .filter(|(_, told)| told.as_object().is_some_and(|told| !told.is_empty()))
}

const ENVELOPE: [&str; 6] = [
    "id",
    "eventType",
    "timestamp",
    "workspaceId",
    "sequence",
    "mail",
];

fn try_document(tried: &HostTry) -> Value {
    json!({
        "host": tried.host.as_str(),
        "ip": tried.ip,
        "phase": tried.phase.name(),
        "tls": tried.tls.as_ref().map(|tls| json!({
            "version": tls.version,
            "policy": tls.policy,
            "cipher": tls.cipher,
            "certificate": tls.verification.name(),
        })),
        "plaintext": tried.plaintext.map(|reason| reason.name()),
        "reply": tried.reply.to_string(),
        "fromPeer": tried.from_peer,
    })
}

fn webhook(name: &str, has: Has<'_>) -> Value {
    let mut document = json!({
        "destination": name,
        "state": has.name(),
        "attempts": null,
        "nextAttemptAt": null,
        "lastError": null,
    });
    match has {
        Has::Failed(Told::Again {
            attempts,
            next_at,
            last_error,
        }) => {
            document["attempts"] = json!(attempts);
            document["nextAttemptAt"] = json!(next_at.to_string());
            document["lastError"] = json!(last_error);
        }
        Has::Dead(Told::Dead {
            attempts,
            last_error,
        }) => {
            document["attempts"] = json!(attempts);
            document["lastError"] = json!(last_error);
        }
        Has::Failed(_) | Has::Dead(_) => {}
        Has::Told | Has::NotWanted | Has::Pending | Has::MadeLater => {}
    }
    document
}
