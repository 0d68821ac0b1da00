//! The history for people.

use std::sync::Arc;

use postbell_model::attempt::HostTry;
use postbell_model::{Message, Timestamp};
use postbell_store::{DeliveryHistory, EventHistory, History, Told};

use super::story::{detail, story};
use super::{Has, heard};
use crate::admin::{set_name, workspace_name};
use crate::console::{Style, plain, until};
use crate::operator::Window;

pub(super) fn say(window: &Window<'_>, history: &History) {
    for line in heading(window, &history.message) {
        window.console.say(line);
    }
    for delivery in &history.deliveries {
        window.console.say("");
        for line in delivery_lines(window, &history.message, delivery) {
            window.console.say(line);
        }
    }
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

fn delivery_lines(
    window: &Window<'_>,
    message: &Arc<Message>,
    history: &DeliveryHistory,
) -> Vec<String> {
    let delivery = &history.delivery;
    let mut title = format!("{}  {}", delivery.recipient, history.state);
    if !history.state.is_final() {
        title.push_str(&format!(
            ", attempt {} due {} ({}), given up at {}",
            delivery.attempt,
            until(history.next_at, window.now()),
            history.next_at,
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
        lines.extend(event_lines(window, (message, history), event));
    }
    lines
}

fn event_lines(
    window: &Window<'_>,
    about: (&Arc<Message>, &DeliveryHistory),
    history: &EventHistory,
) -> Vec<String> {
    let event = &history.event;
    let mut lines = vec![format!(
        "  {}  {:<13}  {}",
        event.at,
        event.fact.kind().name(),
        story(&event.fact)
    )];
    let attempt = event.fact.attempt();
    let tries = attempt.map_or(&[][..], |attempt| &attempt.tries);
    let tries = tries
        .iter()
        .map(|tried| format!("      {}", try_line(tried)));
    lines.extend(tries);
    if let Some(detail) = detail(&event.fact) {
        let line = format!("      {detail}");
        lines.push(window.console.styled(Style::Faint, &line));
    }
    for (name, has) in heard(window, about, history) {
        let line = format!("      webhook {name}: {}", has_line(has, window.now()));
        lines.push(window.console.styled(Style::Faint, &line));
    }
    lines
}

fn try_line(tried: &HostTry) -> String {
    let ip = tried.ip.map(|ip| format!(" [{ip}]")).unwrap_or_default();
    let secured = match (&tried.tls, tried.plaintext) {
        (Some(tls), _) => {
            let words = [&*tls.version, &*tls.cipher, tls.verification.name()];
            let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
            format!(" {}", words.join(" "))
        }
        (None, Some(reason)) => format!(" in plaintext, {}", reason.name()),
        (None, None) => String::new(),
    };
    let who = if tried.from_peer { "said" } else { "we say" };
    let reply = plain(&tried.reply.to_string());
    format!(
        "{}{ip}{secured}, {}: {who} {reply}",
        tried.host, tried.phase
    )
}

fn has_line(has: Has<'_>, now: Timestamp) -> String {
    match has {
        Has::Told => "told".to_owned(),
        Has::NotWanted => "not wanted".to_owned(),
        Has::Pending => "not yet told".to_owned(),
        Has::MadeLater => "made later".to_owned(),
        Has::Failed(told) | Has::Dead(told) => failed_line(told, now),
    }
}

fn failed_line(told: &Told, now: Timestamp) -> String {
    match told {
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
        Told::Done | Told::Waiting | Told::Never => String::new(),
    }
}
