//! `postbell message show`: all that happened to a message.

mod document;
mod story;
mod text;

use std::sync::Arc;

use anyhow::{Context, bail};
use postbell_model::{DeliveryId, Destination, DestinationId, Message};
use postbell_notify::hears;
use postbell_store::{
    DeliveryHistory, EventHistory, Inspect, Logged, LoggedEvent, MessageOrDelivery, Told,
};

use super::Window;
use crate::cli::Output;

pub(super) use story::inbound_of;

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
        window
            .console
            .say(document::of(window, &history).to_string());
    } else {
        text::say(window, &history);
    }
    Ok(())
}

/// What a destination has of an event, in the words of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has<'h> {
    /// It was told and took it.
    Told,
    /// It does not hear of such events.
    NotWanted,
    /// Its turn has not come.
    Pending,
    /// A call failed, and there will be another.
    Failed(&'h Told),
    /// The last call failed.
    Dead(&'h Told),
    /// The destination was made later.
    MadeLater,
}

impl<'h> Has<'h> {
    fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::NotWanted => "not_wanted",
            Self::Pending => "pending",
            Self::Failed(_) => "failed",
            Self::Dead(_) => "dead",
            Self::MadeLater => "made_later",
        }
    }
}

/// Who hears of an event, by name, and what each has of it.
fn heard<'h>(
    window: &Window<'_>,
    (message, delivery): (&Arc<Message>, &DeliveryHistory),
    history: &'h EventHistory,
) -> Vec<(String, Has<'h>)> {
    let event = logged((message, delivery), history);
    let has = |(id, told): &'h (DestinationId, Told)| {
        let destination = destination(window, *id);
        let wanted = || destination.is_none_or(|destination| hears(destination, &event));
        let has = match told {
            Told::Again { .. } => Has::Failed(told),
            Told::Dead { .. } => Has::Dead(told),
            Told::Never => Has::MadeLater,
            Told::Done | Told::Waiting if !wanted() => Has::NotWanted,
            Told::Done => Has::Told,
            Told::Waiting => Has::Pending,
        };
        let name = destination.map_or_else(|| id.to_string(), |known| known.name.clone());
        (name, has)
    };
    history.told.iter().map(has).collect()
}

/// The event as destinations hear of it.
fn logged(
    (message, delivery): (&Arc<Message>, &DeliveryHistory),
    history: &EventHistory,
) -> Logged {
    Logged::Delivery(LoggedEvent {
        position: history.position,
        event: history.event.clone(),
        recipient: delivery.delivery.recipient.clone(),
        message: message.clone(),
    })
}

fn destination<'w>(window: &'w Window<'_>, id: DestinationId) -> Option<&'w Destination> {
    let mut all = window.directory.destinations().iter();
    all.find(|destination| destination.id == id)
}
