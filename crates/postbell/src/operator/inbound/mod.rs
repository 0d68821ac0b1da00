//! `postbell inbound`: mail that came in.
//!
//! All of it is written by strangers. What is shown of it is one line each without control
//! characters; octets go to a file or a pipe alone.

mod list;
mod octets;
mod show;
mod told;

use anyhow::{Context, bail};
use bytes::Bytes;
use postbell_model::InboundId;
use postbell_store::{Bodies, InspectInbound, KeptInbound};

use super::Window;
use crate::cli::InboundCommand;

pub(super) async fn answer(window: &Window<'_>, command: InboundCommand) -> anyhow::Result<()> {
    match command {
        InboundCommand::List(list) => list::show(window, &list).await,
        InboundCommand::Show { id, output } => show::show(window, &id, &output).await,
        InboundCommand::Raw { id } => octets::raw(window, &id).await,
        InboundCommand::Attachment(attachment) => octets::attachment(window, &attachment).await,
    }
}

async fn find(window: &Window<'_>, id: &str) -> anyhow::Result<KeptInbound> {
    let parsed: InboundId = id
        .parse()
        .with_context(|| format!("\"{}\" is no id of mail that came in", id.escape_debug()))?;
    match window.inspector.inbound_one(parsed).await? {
        Some(kept) => Ok(kept),
        None => bail!("no message {id} came in, or it was forgotten; see `postbell inbound list`"),
    }
}

/// The message as it is kept.
async fn read(window: &Window<'_>, kept: &KeptInbound) -> anyhow::Result<Bytes> {
    let Some(body) = kept.body else {
        bail!(
            "the octets of {} were kept for retention.inbound and are gone",
            kept.mail.id
        );
    };
    Ok(window.inspector.body(body).await?)
}
