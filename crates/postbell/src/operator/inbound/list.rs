//! `postbell inbound list`.

use postbell_model::{InboundKind, WorkspaceId};
use postbell_store::{InboundFilter, InboundPage, InspectInbound, KeptInbound};
use serde_json::{Value, json};

use crate::admin::workspace_name;
use crate::cli::{InboundKindArg, InboundList};
use crate::console::{age, plain};
use crate::operator::{Window, which};

/// What came in, the newest first.
pub(super) async fn show(window: &Window<'_>, list: &InboundList) -> anyhow::Result<()> {
    let filter = InboundFilter {
        workspace: which::workspace(window, list.workspace.as_deref())?,
        kind: list.kind.map(kind),
        delivery: None,
        unmatched: list.unmatched,
        since: list.since.map(|age| window.now().before(age)),
    };
    let page = InboundPage {
        before: None,
        limit: list.limit,
    };
    let found = window.inspector.inbound_page(&filter, page).await?;
    if list.output.json {
        let documents = found.iter().map(|kept| document(window, kept));
        let documents = Value::Array(documents.collect());
        window.console.say(documents.to_string());
        return Ok(());
    }
    if found.is_empty() {
        window.console.complain("no such mail came in");
        return Ok(());
    }
    let rows: Vec<_> = found.iter().map(|kept| row(window, kept)).collect();
    let heading = ["ID", "AGE", "KIND", "WORKSPACE", "FROM", "TO", "SUBJECT"];
    window.console.table(&heading, &rows);
    if found.len() == list.limit {
        window.console.complain(format!(
            "these are the newest {}, there may be more; see --limit and --since",
            list.limit
        ));
    }
    Ok(())
}

fn row(window: &Window<'_>, kept: &KeptInbound) -> Vec<String> {
    let mail = &kept.mail;
    let from = match mail.from.is_empty() {
        true => format!("<{}>", mail.mail_from),
        false => mail.from.clone(),
    };
    vec![
        mail.id.to_string(),
        age(mail.at, window.now()),
        mail.kind.to_string(),
        owner(window, mail.workspace).unwrap_or_else(|| "-".to_owned()),
        plain(&from),
        plain(mail.recipient.as_str()),
        plain(&mail.subject),
    ]
}

/// What is known of a message without its octets.
pub(super) fn document(window: &Window<'_>, kept: &KeptInbound) -> Value {
    let mail = &kept.mail;
    json!({
        "id": mail.id.to_string(),
        "kind": mail.kind.name(),
        "at": mail.at.to_string(),
        "workspace": owner(window, mail.workspace),
        "deliveryId": mail.delivery.map(|id| id.to_string()),
        "peer": mail.peer,
        "mailFrom": mail.mail_from.to_string(),
        "recipient": mail.recipient.as_str(),
        "from": mail.from,
        "subject": mail.subject,
        "headerMessageId": mail.header_message_id,
        "size": mail.size,
        "isKept": kept.body.is_some(),
    })
}

/// The name of whom it belongs to; `None`: the operator.
pub(super) fn owner(window: &Window<'_>, workspace: Option<WorkspaceId>) -> Option<String> {
    workspace.map(|id| workspace_name(&window.directory, id))
}

const fn kind(arg: InboundKindArg) -> InboundKind {
    match arg {
        InboundKindArg::Reply => InboundKind::Reply,
        InboundKindArg::Report => InboundKind::Report,
        InboundKindArg::Complaint => InboundKind::Complaint,
        InboundKindArg::Unsubscribe => InboundKind::Unsubscribe,
        InboundKindArg::Mail => InboundKind::Mail,
    }
}
