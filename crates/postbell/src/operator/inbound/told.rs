//! The events that a message brought.

use std::time::Duration;

use postbell_model::{EventKind, InboundId, InboundMail, Timestamp, WorkspaceFact};
use postbell_store::{
    EventFilter, From, History, Inspect, Logged, LoggedEvent, MessageOrDelivery, Position,
};

use crate::operator::Window;
use crate::operator::message::inbound_of;

/// Events read at a time, while those of a message are looked for.
const PAGE: usize = 100;
/// How far their time may be from that of the message: they are committed together.
const APART: Duration = Duration::from_secs(5);
/// What mail brings about deliveries.
const ABOUT_DELIVERIES: [EventKind; 7] = [
    EventKind::Bounce,
    EventKind::DeliveryDelay,
    EventKind::Confirmed,
    EventKind::Complaint,
    EventKind::NotSpam,
    EventKind::Reply,
    EventKind::Unsubscribe,
];

/// About deliveries, and about its workspace.
pub(super) async fn events(window: &Window<'_>, mail: &InboundMail) -> anyhow::Result<Vec<Logged>> {
    let mut kinds = vec![EventKind::Received];
    let mut events = Vec::new();
    if let Some(delivery) = mail.delivery {
        let id = MessageOrDelivery(*delivery.as_bytes());
        match window.inspector.history(id).await? {
            Some(history) => events.extend(of_deliveries(&history, mail.id)),
            // The delivery is gone, but for what a later answer needs.
            None => kinds.extend(ABOUT_DELIVERIES),
        }
    }
    events.extend(look_for(window, mail, kinds).await?);
    Ok(events)
}

fn of_deliveries(history: &History, id: InboundId) -> Vec<Logged> {
    let mut events = Vec::new();
    for delivery in &history.deliveries {
        let brought = delivery.events.iter();
        let brought = brought.filter(|one| inbound_of(&one.event.fact) == Some(id));
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

/// Those of these kinds. No index has them by their mail: they are looked for around its time.
async fn look_for(
    window: &Window<'_>,
    mail: &InboundMail,
    kinds: Vec<EventKind>,
) -> anyhow::Result<Vec<Logged>> {
    let filter = EventFilter {
        workspace: mail.workspace,
        kinds,
        since: Some(mail.at.before(APART)),
        ..EventFilter::default()
    };
    let mut after = Position(0);
    let mut brought = Vec::new();
    loop {
        let from = From::After(after);
        let found = window.inspector.events(&filter, from, PAGE).await?;
        let is_last = found.read_to == after;
        after = found.read_to;
        let mut is_past = false;
        for event in found.events {
            is_past |= at(&event) > mail.at.after(APART);
            if is_brought_by(&event, mail.id) {
                brought.push(event);
            }
        }
        if is_past || is_last {
            return Ok(brought);
        }
    }
}

const fn at(event: &Logged) -> Timestamp {
    match event {
        Logged::Delivery(logged) => logged.event.at,
        Logged::Workspace(logged) => logged.event.at,
    }
}

fn is_brought_by(event: &Logged, id: InboundId) -> bool {
    match event {
        Logged::Delivery(logged) => inbound_of(&logged.event.fact) == Some(id),
        Logged::Workspace(logged) => match &logged.event.fact {
            WorkspaceFact::Received(mail) => mail.inbound == id,
            _ => false,
        },
    }
}
