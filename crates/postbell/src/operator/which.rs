//! From what was typed to what the store is asked.

use anyhow::{Context, bail};
use postbell_model::{Address, CredentialId, DeliveryState, Domain, EventKind, WorkspaceId};
use postbell_notify::Matching;
use postbell_store::{DeliveryFilter, EventFilter};

use super::Window;
use crate::admin::workspace_named;
use crate::cli::{WaitingState, Which, WhichEvents};

pub(super) fn deliveries(window: &Window<'_>, which: &Which) -> anyhow::Result<DeliveryFilter> {
    let parse_id =
        |kind: &'static str, text: &str| format!("\"{}\" is no {kind} id", text.escape_debug());
    let message = which
        .message
        .as_deref()
        .map(|text| text.parse().with_context(|| parse_id("message", text)));
    let delivery = which
        .delivery
        .as_deref()
        .map(|text| text.parse().with_context(|| parse_id("delivery", text)));
    Ok(DeliveryFilter {
        workspace: workspace(window, which.workspace.as_deref())?,
        domain: domain(which.domain.as_deref())?,
        recipient: recipient(which.recipient.as_deref())?,
        message: message.transpose()?,
        delivery: delivery.transpose()?,
        sender_domain: None,
        credential: credential(window, which.credential.as_deref())?,
        accepted_before: which.older_than.map(|age| window.now().before(age)),
        states: which.state.map(state).into_iter().collect(),
    })
}

pub(super) fn events(window: &Window<'_>, which: &WhichEvents) -> anyhow::Result<EventFilter> {
    Ok(EventFilter {
        workspace: workspace(window, which.workspace.as_deref())?,
        kinds: kinds(&which.kind)?,
        recipient: recipient(which.recipient.as_deref())?,
        domain: domain(which.domain.as_deref())?,
        since: None,
    })
}

pub(super) fn workspace(
    window: &Window<'_>,
    name: Option<&str>,
) -> anyhow::Result<Option<WorkspaceId>> {
    let found = name.map(|name| workspace_named(&window.directory, name));
    Ok(found.transpose()?.map(|workspace| workspace.id))
}

fn credential(window: &Window<'_>, username: Option<&str>) -> anyhow::Result<Option<CredentialId>> {
    let found = username.map(|username| {
        let credential = window.directory.credential(username);
        credential
            .with_context(|| format!("there is no credential \"{}\"", username.escape_debug()))
    });
    Ok(found.transpose()?.map(|credential| credential.id))
}

fn domain(text: Option<&str>) -> anyhow::Result<Option<Domain>> {
    text.map(|text| {
        Domain::parse(text).with_context(|| format!("\"{}\" is no domain", text.escape_debug()))
    })
    .transpose()
}

fn recipient(text: Option<&str>) -> anyhow::Result<Option<Address>> {
    text.map(|text| {
        Address::parse(text).with_context(|| format!("\"{}\" is no address", text.escape_debug()))
    })
    .transpose()
}

/// By names of any vocabulary, as destinations have them: `Open`, `opened`, `email.*`.
fn kinds(names: &[String]) -> anyhow::Result<Vec<EventKind>> {
    let mut kinds = Vec::new();
    for name in names {
        let named = Matching::parse(&[name]).ok();
        let named = named.as_ref().and_then(Matching::kinds).unwrap_or_default();
        if named.is_empty() {
            let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
            bail!(
                "there are no events of kind \"{}\"; known are {}",
                name.escape_debug(),
                known.join(", ")
            );
        }
        kinds.extend_from_slice(named);
    }
    Ok(kinds)
}

const fn state(state: WaitingState) -> DeliveryState {
    match state {
        WaitingState::Queued => DeliveryState::Queued,
        WaitingState::Held => DeliveryState::Held,
        WaitingState::Scheduled => DeliveryState::Scheduled,
    }
}
