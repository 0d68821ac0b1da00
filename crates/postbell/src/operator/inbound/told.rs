//! The events that a message brought.

use std::time::Duration;

use postbell_model::{EventKind, InboundMail, WorkspaceFact};
use postbell_store::{
    EventFilter, From, History, Inspect, Logged, LoggedEvent, LoggedWorkspaceEvent,
    MessageOrDelivery,
};

use crate::operator::Window;
use crate::operator::message::inbound_of;

/// Events read at a time, while the one of a message is looked for.
const PAGE: usize = 100;
/// How far its time may be from that of the message: they are committed together.
const APART: Duration = Duration::from_secs(60);

/// About deliveries, and about its workspace.
pub(super) async fn events(window: &Window<'_>, mail: &InboundMail) -> anyhow::Result<Vec<Logged>> {
    let mut events = Vec::new();
    if let Some(delivery) = mail.delivery {
        let id = MessageOrDelivery(*delivery.as_bytes());
        let history = window.inspector.history(id).await?;
        events.extend(
            history
                .iter()
                .flat_map(|history| of_deliveries(history, mail)),
        );
    }
    events.extend(received(window, mail).await?.map(Logged::Workspace));
    Ok(events)
}

fn of_deliveries(history: &History, mail: &InboundMail) -> Vec<Logged> {
    let mut events = Vec::new();
    for delivery in &history.deliveries {
        let brought = delivery.events.iter();
        let brought = brought.filter(|one| inbound_of(&one.event.fact) == Some(mail.id));
        events.extend(brought.map(|one| {
            Logged::Delivery(LoggedEvent {
                position: one.position,
                event: one.event.clone(),
                recipient: delivery.delivery.recipient.clone(),
                message: history.message.clone(),
            })
        }));
    }
    events
}

/// The `Received` of a message. It has no index: it is looked for where it must be.
async fn received(
    window: &Window<'_>,
    mail: &InboundMail,
) -> anyhow::Result<Option<LoggedWorkspaceEvent>> {
    let Some(workspace) = mail.workspace else {
        return Ok(None);
    };
    let filter = EventFilter {
        workspace: Some(workspace),
        kinds: vec![EventKind::Received],
        since: Some(mail.at.before(APART)),
        ..EventFilter::default()
    };
    let mut after = postbell_store::Position(0);
    loop {
        let found = window
            .inspector
            .events(&filter, From::After(after), PAGE)
            .await?;
        after = found.read_to;
        let is_full = found.events.len() == PAGE;
        let mut is_past = false;
        for event in found.events {
            let Logged::Workspace(logged) = event else {
                continue;
            };
            match &logged.event.fact {
                WorkspaceFact::Received(fact) if fact.inbound == mail.id => {
                    return Ok(Some(logged));
                }
                _ => is_past |= logged.event.at > mail.at.after(APART),
            }
        }
        if is_past || !is_full {
            return Ok(None);
        }
    }
}
