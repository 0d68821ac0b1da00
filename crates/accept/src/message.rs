//! What a message must be like to be let in (RFC 6409 §6 and §8, RFC 5322 §3.6).
//!
//! Refused: what readers understand in different ways (repeated fields, lines that are no field,
//! bare CR or LF), what nobody can send (a header or lines too long), what claims a domain that
//! is not the workspace's, and what goes in circles.
//!
//! Deviation: RFC 6532 asks for SMTPUTF8 where a header has octets over 127. Programs have sent
//! such subjects and names without it for decades and most hosts take them, so only an address
//! is held to the rule.

use std::time::Duration;

use bytes::Bytes;
use postbell_mail::Summary;
use postbell_mail::summary::Mailboxes;
use postbell_mail::transfer;
use postbell_model::{
    Address, ConfigurationSet, ConfigurationSetId, SendingDomain, Timestamp, WorkspaceId,
};
use postbell_store::Directory;

use crate::apart::{Apart, Work};
use crate::gate::{Door, Offer};
use crate::instructions::{self, Asked, ControlFault, ControlName, Shown, Unread, Wrong};
use crate::refusal::{Originator, Refusal};
use crate::sending::check_taken;

/// RFC 5322 §2.1.1 allows 998 octets in a line. Deviation: where a part can't be encoded, since it
/// is signed, up to this many are let in, as most hosts do.
pub(crate) const LINE_MAX: usize = 2_048;

/// What is stored of a Message-ID has a limit: that of a line.
pub(crate) const MESSAGE_ID_MAX: usize = 998;

/// Fields whose first and last occurrence different readers show; RFC 5322 §3.6 allows one of
/// each. More than one Bcc, In-Reply-To or References harms nobody.
const SINGLE: [&str; 8] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
];

/// Whom a message is from.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// The mailbox of the From field.
    pub(crate) from: Address,
    /// Its domain, which is the workspace's.
    pub(crate) domain: &'a SendingDomain,
}

/// Reads what the rules need, and holds the octets to them.
pub(crate) async fn read(body: &Bytes, apart: &Apart) -> Result<Summary, Refusal> {
    let octets = body.len();
    let read = body.clone();
    let scanned = apart.run((Work::Scan, octets), move || {
        postbell_mail::summarise(&read)
    });
    let summary = scanned.await.ok_or(Refusal::NotStored)?;
    let summary = summary.map_err(Refusal::Header)?;
    check_shape(&summary)?;
    if summary.longest_line > transfer::LINE_MAX {
        let read = body.clone();
        let checked = apart.run((Work::Read, octets), move || check_lines(&read));
        checked.await.ok_or(Refusal::NotStored)??;
    }
    Ok(summary)
}

/// Holds a message that was read to the other rules and says whom it is from.
pub(crate) fn check<'a>(
    summary: &Summary,
    offer: &Offer,
    directory: &'a Directory,
    max_hops: usize,
) -> Result<Origin<'a>, Refusal> {
    if summary.received_count >= max_hops {
        return Err(Refusal::Loop(summary.received_count));
    }
    let from = sole_author(summary)?;
    let sender = sender(summary)?;
    let domain = own_domain(directory, offer.workspace, Originator::From, from)?;
    check_taken(directory, directory.pause_of(offer.workspace, &domain.name))?;
    if let Some(sender) = sender {
        own_domain(directory, offer.workspace, Originator::Sender, sender)?;
    }
    let international = [Some(from), sender]
        .into_iter()
        .flatten()
        .find(|address| address.needs_smtputf8());
    match international {
        Some(address) if !offer.smtputf8 => Err(Refusal::NeedsSmtpUtf8(address.domain().clone())),
        _ => Ok(Origin {
            from: from.clone(),
            domain,
        }),
    }
}

/// What the message asks for. What we send ourselves asks for nothing in its header: that may
/// come from strangers.
pub(crate) fn asked(
    offer: &Offer,
    schedule_max: Duration,
    now: Timestamp,
) -> Result<Asked, Refusal> {
    if offer.door == Door::Own {
        return Ok(Asked::default());
    }
    let asked = instructions::read(&offer.body).map_err(|unread| match unread {
        Unread::Header(error) => Refusal::Header(error),
        Unread::Control(fault) => Refusal::Control(fault),
    })?;
    match asked.send_at {
        Some(send_at) if send_at > now.after(schedule_max) => {
            Err(wrong(ControlName::SendAt, Wrong::TooFar(schedule_max)))
        }
        _ => Ok(asked),
    }
}

/// The configuration set that decides: the one that the message names, else that of its domain.
pub(crate) fn chosen_set<'a>(
    asked: &Asked,
    origin: &Origin<'_>,
    directory: &'a Directory,
) -> Result<(ConfigurationSetId, Option<&'a ConfigurationSet>), Refusal> {
    let Some(name) = &asked.configuration_set else {
        let id = origin.domain.configuration_set;
        return Ok((id, directory.configuration_set(id)));
    };
    let set = directory.configuration_set_named(origin.domain.workspace, name);
    let set = set.ok_or_else(|| {
        wrong(
            ControlName::ConfigurationSet,
            Wrong::NoSuchSet(Shown::of(name)),
        )
    })?;
    Ok((set.id, Some(set)))
}

fn wrong(name: ControlName, wrong: Wrong) -> Refusal {
    Refusal::Control(ControlFault::Wrong(name, wrong))
}

/// What the octets alone must be like.
fn check_shape(summary: &Summary) -> Result<(), Refusal> {
    if summary.bare_line_end {
        return Err(Refusal::BareLineEnd);
    }
    if let Some(line) = summary.stray_line {
        return Err(Refusal::StrayLine(line));
    }
    if summary
        .message_id
        .as_ref()
        .is_some_and(|id| id.len() > MESSAGE_ID_MAX)
    {
        return Err(Refusal::LongMessageId);
    }
    let repeated = summary.repeated.iter().find(|name| SINGLE.contains(name));
    repeated.map_or(Ok(()), |name| Err(Refusal::Repeated(name)))
}

/// Long lines are folded and encoded before they are sent; here is refused what can't be.
fn check_lines(body: &Bytes) -> Result<(), Refusal> {
    let left = transfer::long_lines(body);
    if let Some((field, _)) = left.field {
        return Err(Refusal::LongField(Shown::of(&field)));
    }
    if left.body > LINE_MAX {
        return Err(Refusal::LongLine(left.body));
    }
    Ok(())
}

/// The one mailbox of From.
fn sole_author(summary: &Summary) -> Result<&Address, Refusal> {
    match &summary.from {
        Mailboxes::Missing => Err(Refusal::NoFrom),
        Mailboxes::Malformed(error) => Err(Refusal::Malformed(Originator::From, *error)),
        Mailboxes::Listed(list) => match list.as_slice() {
            [author] => Ok(author),
            _ => Err(Refusal::Several(Originator::From)),
        },
    }
}

/// The one mailbox of Sender, where there is such a field.
fn sender(summary: &Summary) -> Result<Option<&Address>, Refusal> {
    match &summary.sender {
        Mailboxes::Missing => Ok(None),
        Mailboxes::Malformed(error) => Err(Refusal::Malformed(Originator::Sender, *error)),
        Mailboxes::Listed(list) => match list.as_slice() {
            [sender] => Ok(Some(sender)),
            _ => Err(Refusal::Several(Originator::Sender)),
        },
    }
}

/// The workspace's domain that an address is of.
pub(crate) fn own_domain<'a>(
    directory: &'a Directory,
    workspace: WorkspaceId,
    of: Originator,
    address: &Address,
) -> Result<&'a SendingDomain, Refusal> {
    directory
        .domain(address.domain())
        .filter(|domain| domain.workspace == workspace)
        .ok_or_else(|| Refusal::ForeignDomain(of, address.domain().clone()))
}
