//! `postbell message show`: all that happened to a message.

use anyhow::{Context, bail};
use postbell_model::attempt::HostTry;
use postbell_model::{DeliveryId, Fact, Message, Timestamp};
use postbell_store::{DeliveryHistory, EventHistory, History, Inspect, MessageOrDelivery, Told};
use serde_json::{Value, json};

use super::Window;
use crate::admin::{set_name, workspace_name};
use crate::cli::Output;
use crate::console::{Style, until};

pub(super) async fn show(window: &Window<'_>, id: &str, output: &Output) -> anyhow::Result<()> {
    let parsed: DeliveryId = id
        .parse()
        .with_context(|| format!("\"{}\" is no id", id.escape_debug()))?;
    let found = window
        .inspector
        .history(MessageOrDelivery(*parsed.as_bytes()))
        .await?;
    let Some(history) = found else {
        bail!("there is no message or delivery {id}");
    };
    if output.json {
        window.console.say(document(window, &history).to_string());
        return Ok(());
    }
    for line in heading(window, &history.message) {
        window.console.say(line);
    }
    for delivery in &history.deliveries {
        window.console.say("");
        for line in delivery_lines(window, delivery) {
            window.console.say(line);
        }
    }
    Ok(())
}

fn heading(window: &Window<'_>, message: &Message) -> Vec<String> {
    let title = format!(
        "“{}” from {}",
        plain(&message.subject),
        plain(&message.source)
    );
    let mut lines = vec![
        window.console.styled(Style::Strong, &title),
        format!(
            "  message        {}  {}",
            message.id,
            plain(&message.header_message_id)
        ),
        format!(
            "  accepted       {}  {} octets  by {}",
            message.accepted_at,
            message.size,
            received(message)
        ),
        format!(
            "  workspace      {}, configuration set {}",
            workspace_name(&window.directory, message.workspace),
            set_name(&window.directory, message.configuration_set)
        ),
        format!("  return path    <{}>", message.mail_from),
    ];
    let asked = &message.instructions;
    if !asked.tags.is_empty() {
        lines.push(format!(
            "  tags           {}",
            plain(&asked.tags.join(", "))
        ));
    }
    if let Some(stream) = &asked.stream {
        lines.push(format!("  stream         {}", plain(stream)));
    }
    for (name, value) in &asked.metadata {
        lines.push(format!(
            "  metadata       {} = {}",
            plain(name),
            plain(value)
        ));
    }
    lines
}

fn received(message: &Message) -> String {
    let from = match message.received.peer {
        Some(ip) => format!("{} [{ip}]", plain(&message.received.helo)),
        None => plain(&message.received.helo),
    };
    format!("{} from {from}", message.received.with)
}

fn delivery_lines(window: &Window<'_>, history: &DeliveryHistory) -> Vec<String> {
    let delivery = &history.delivery;
    let mut title = format!("{}  {}", delivery.recipient, history.state);
    if !history.state.is_final() {
        title.push_str(&format!(
            ", attempt {} due {}, given up at {}",
            delivery.attempt,
            until(history.next_at, window.now()),
            delivery.expires_at
        ));
    }
    let mut lines = vec![
        window.console.styled(Style::Strong, &title),
        window
            .console
            .styled(Style::Faint, &format!("  delivery {}", delivery.id)),
    ];
    for event in &history.events {
        lines.extend(event_lines(window, event));
    }
    lines
}

fn event_lines(window: &Window<'_>, history: &EventHistory) -> Vec<String> {
    let event = &history.event;
    let mut lines = vec![format!(
        "  {}  {:<13}  {}",
        event.at,
        event.fact.kind().name(),
        story(&event.fact)
    )];
    let tries = event
        .fact
        .attempt()
        .map_or(&[][..], |attempt| &attempt.tries);
    lines.extend(
        tries
            .iter()
            .map(|tried| format!("      {}", try_line(tried))),
    );
    for (destination, told) in &history.told {
        let name = destination_name(window, *destination);
        let line = format!("      webhook {name}: {}", told_line(told, window.now()));
        lines.push(window.console.styled(Style::Faint, &line));
    }
    lines
}

fn story(fact: &Fact) -> String {
    match fact {
        Fact::Scheduled { send_at } => format!("to be sent at {send_at}"),
        Fact::Send => "queued".to_owned(),
        Fact::Delivery { attempt } => format!("attempt {}", attempt.number),
        Fact::DeliveryDelay {
            attempt,
            class,
            next_attempt_at,
            ..
        } => format!(
            "attempt {}: {class}, next at {next_attempt_at}",
            attempt.number
        ),
        Fact::Bounce {
            attempt,
            class,
            bounce_type,
        } => {
            format!(
                "attempt {}: {class}, {}",
                attempt.number,
                bounce_type.name()
            )
        }
        Fact::Held => "kept back by the operator".to_owned(),
        Fact::Released { state } => format!("{state} again"),
        Fact::Cancelled => "taken back".to_owned(),
        Fact::Reject { reason } => reason.to_string(),
    }
}

fn try_line(tried: &HostTry) -> String {
    let ip = tried.ip.map(|ip| format!(" [{ip}]")).unwrap_or_default();
    let tls = tried
        .tls
        .as_ref()
        .map(|tls| format!(" {}", tls.version))
        .unwrap_or_default();
    let who = if tried.from_peer { "said" } else { "we say" };
    let reply = plain(&tried.reply.to_string());
    format!("{}{ip}{tls}, {}: {who} {reply}", tried.host, tried.phase)
}

fn told_line(told: &Told, now: Timestamp) -> String {
    match told {
        Told::Done => "told, or not wanted".to_owned(),
        Told::Waiting => "not yet told".to_owned(),
        Told::Never => "made later".to_owned(),
        Told::Again {
            attempts,
            next_at,
            last_error,
        } => format!(
            "failed {attempts} times, next call {}: {}",
            until(*next_at, now),
            plain(last_error)
        ),
        Told::Dead {
            attempts,
            last_error,
        } => format!("given up after {attempts} calls: {}", plain(last_error)),
    }
}

fn destination_name(window: &Window<'_>, id: postbell_model::DestinationId) -> String {
    let mut all = window.directory.destinations().iter();
    all.find(|destination| destination.id == id)
        .map_or_else(|| id.to_string(), |destination| destination.name.clone())
}

/// Text of others on one line of ours.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn document(window: &Window<'_>, history: &History) -> Value {
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
        "deliveries": deliveries.map(|d| delivery_document(window, d)).collect::<Vec<_>>(),
    })
}

fn delivery_document(window: &Window<'_>, history: &DeliveryHistory) -> Value {
    let waits = !history.state.is_final();
    let events = history.events.iter();
    json!({
        "deliveryId": history.delivery.id.to_string(),
        "recipient": history.delivery.recipient.as_str(),
        "state": history.state.name(),
        "attempt": history.delivery.attempt,
        "nextAttemptAt": waits.then(|| history.next_at.to_string()),
        "expiresAt": history.delivery.expires_at.to_string(),
        "events": events.map(|event| event_document(window, event)).collect::<Vec<_>>(),
    })
}

fn event_document(window: &Window<'_>, history: &EventHistory) -> Value {
    let event = &history.event;
    let attempt = event.fact.attempt();
    let told = history.told.iter();
    json!({
        "id": event.id.to_string(),
        "eventType": event.fact.kind().name(),
        "timestamp": event.at.to_string(),
        "sequence": event.sequence,
        "story": story(&event.fact),
        "attempt": attempt.map(|attempt| attempt.number),
        "tries": attempt.map(|a| a.tries.iter().map(try_document).collect::<Vec<_>>()),
        "webhooks": told
            .map(|(id, told)| told_document(&destination_name(window, *id), told))
            .collect::<Vec<_>>(),
    })
}

fn try_document(tried: &HostTry) -> Value {
    json!({
        "host": tried.host.as_str(),
        "ip": tried.ip,
        "phase": tried.phase.name(),
        "tls": tried.tls.as_ref().map(|tls| &*tls.version),
        "reply": tried.reply.to_string(),
        "fromPeer": tried.from_peer,
    })
}

fn told_document(name: &str, told: &Told) -> Value {
    let (state, attempts, next_at, error) = match told {
        Told::Waiting => ("waiting", None, None, None),
        Told::Done => ("done", None, None, None),
        Told::Never => ("never", None, None, None),
        Told::Again {
            attempts,
            next_at,
            last_error,
        } => (
            "again",
            Some(attempts),
            Some(next_at.to_string()),
            Some(last_error),
        ),
        Told::Dead {
            attempts,
            last_error,
        } => ("dead", Some(attempts), None, Some(last_error)),
    };
    json!({
        "destination": name,
        "state": state,
        "attempts": attempts,
        "nextAttemptAt": next_at,
        "lastError": error,
    })
}
