//! `postbell inbound show`: what is known of a message.

use postbell_mail::inbound::mime::{Kind, Mail, Part};
use postbell_notify::{Format, preview};
use postbell_store::{KeptInbound, Logged};
use serde_json::{Value, json};

use super::list::{document, owner};
use super::{find, read, told};
use crate::admin::set_of;
use crate::cli::Output;
use crate::console::{Style, plain};
use crate::operator::{Window, events};

/// Parts that a person is shown.
const SHOWN_MAX: usize = 200;

pub(super) async fn show(window: &Window<'_>, id: &str, output: &Output) -> anyhow::Result<()> {
    let kept = find(window, id).await?;
    let octets = match kept.body {
        Some(_) => Some(read(window, &kept).await?),
        None => None,
    };
    let mail = octets.as_deref().map(Mail::read);
    let events = told::events(window, &kept.mail).await?;
    let documents: Vec<_> = events.iter().map(|event| told_by(window, event)).collect();
    let results = mail.as_ref().and_then(authentication);
    if output.json {
        let mut document = document(window, &kept);
        document["authenticationResults"] = json!(results);
        document["events"] = Value::Array(documents);
        document["parts"] = json!(mail.as_ref().map(part_documents));
        window.console.say(document.to_string());
        return Ok(());
    }
    say(window, &kept, results.as_deref());
    window.console.say("");
    if documents.is_empty() {
        window
            .console
            .say("It brought no event, or none that is still kept.");
    }
    for document in &documents {
        window.console.say(events::line(window, document));
    }
    if let Some(mail) = &mail {
        window.console.say("");
        say_parts(window, mail);
    }
    Ok(())
}

/// What a webhook is told.
fn told_by(window: &Window<'_>, event: &Logged) -> Value {
    let set = set_of(&window.directory, event);
    let mut documents = preview(Format::Postbell, event, &set).into_iter();
    let json = documents.next().map(|document| document.json);
    json.and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}

fn say(window: &Window<'_>, kept: &KeptInbound, results: Option<&str>) {
    let mail = &kept.mail;
    let title = format!("“{}” from {}", plain(&mail.subject), plain(&mail.from));
    window
        .console
        .say(window.console.styled(Style::Strong, &title));
    let workspace = owner(window, mail.workspace);
    let delivery = mail.delivery.map(|id| id.to_string());
    let kept = match kept.body {
        Some(_) => "kept",
        None => "its octets are gone",
    };
    for (name, value) in [
        ("id", mail.id.to_string()),
        ("taken for", mail.kind.to_string()),
        ("came in", format!("{} from {}", mail.at, mail.peer)),
        ("to", mail.recipient.to_string()),
        ("return path", format!("<{}>", mail.mail_from)),
        (
            "message id",
            mail.header_message_id
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
        ),
        (
            "workspace",
            workspace.unwrap_or_else(|| "that of nobody".to_owned()),
        ),
        (
            "delivery",
            delivery.unwrap_or_else(|| "none, or none was found".to_owned()),
        ),
        ("size", format!("{} octets, {kept}", mail.size)),
        ("results", results.unwrap_or("-").to_owned()),
    ] {
        window
            .console
            .say(format!("  {name:<13}  {}", plain(&value)));
    }
}

/// What was found out about its sender. Our own fields stand in front, and only those: what comes
/// behind them others have written.
fn authentication(mail: &Mail<'_>) -> Option<String> {
    let first = mail.header(0).fields().next()?;
    first.is("Authentication-Results").then(|| {
        let text = first.text();
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ")
    })
}

fn part_documents(mail: &Mail<'_>) -> Vec<Value> {
    let parts = mail.parts().iter().enumerate();
    parts
        .map(|(number, part)| {
            json!({
                "part": number,
                "in": part.parent,
                "contentType": media(part),
                "size": size(mail, number, part),
                "name": part.filename,
                "contentId": part.content_id,
                "isAttachment": part.is_attachment,
            })
        })
        .collect()
}

fn say_parts(window: &Window<'_>, mail: &Mail<'_>) {
    let parts = mail.parts().iter().enumerate().take(SHOWN_MAX);
    let rows: Vec<_> = parts
        .map(|(number, part)| {
            vec![
                number.to_string(),
                format!("{}{}", "  ".repeat(part.depth), plain(&media(part))),
                size(mail, number, part).map_or_else(|| "-".to_owned(), |size| size.to_string()),
                part.filename.as_deref().map(plain).unwrap_or_default(),
            ]
        })
        .collect();
    window
        .console
        .table(&["PART", "TYPE", "OCTETS", "NAME"], &rows);
    if let Some(more) = mail
        .parts()
        .len()
        .checked_sub(SHOWN_MAX)
        .filter(|more| *more > 0)
    {
        window
            .console
            .complain(format!("and {more} more parts; --json has all"));
    }
    if mail.is_limited() {
        window.console.complain(
            "it has more than is read of its structure; `postbell inbound raw` has it all",
        );
    }
}

fn media(part: &Part) -> String {
    format!("{}/{}", part.media.main, part.media.sub)
}

/// Decoded octets; of what is made of parts nothing.
fn size(mail: &Mail<'_>, number: usize, part: &Part) -> Option<usize> {
    match part.kind {
        Kind::Multipart => None,
        Kind::Message | Kind::Leaf => Some(mail.octets(number).len()),
    }
}
