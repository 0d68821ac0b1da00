//! Which deliveries a report or complaint is about that did not come to the address of one.
//!
//! A token in what came back proves it. Without one the Message-ID leads to the message, around
//! the time that it says, and the recipient to the delivery: whoever got a message knows its
//! Message-ID, so that a name that fits nobody finds nothing, and where nobody is named the
//! message has to have had one recipient alone.

use std::time::Duration;

use postbell_mail::inbound::{Inbound, Returned};
use postbell_model::inbound::MatchedBy;
use postbell_model::token::{Claim, Purpose};
use postbell_model::{Address, MessageId, Timestamp, TokenKeys};
use postbell_store::{Inbound as Store, SENT_MAX, Sent, SentSearch, StoreError};

/// How far the time may be off that a message says, and the time that we took it at.
const STRETCHES: [Duration; 3] = [
    Duration::from_secs(2 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// Recipients that are searched for one by one, where a message had too many to look at all.
const SINGLE_MAX: usize = 10;
/// Older ids are not looked for: nothing is kept as long.
const ID_AGE_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A delivery that something is about.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) sent: Sent,
    pub(super) matched_by: MatchedBy,
}

/// The delivery that a token leads to in what came back.
pub(super) async fn by_token(
    clues: &Clues<'_>,
    store: &dyn Store,
    keys: &TokenKeys,
) -> Result<Option<Match>, StoreError> {
    let Some(claim) = clues.claim(keys) else {
        return Ok(None);
    };
    let sent = store.sent(claim.delivery).await?;
    let matched_by = MatchedBy::ReturnedToken;
    Ok(sent.map(|sent| Match { sent, matched_by }))
}

/// The deliveries of the message that came back. May read a day's messages.
pub(super) async fn by_message_id(
    clues: &Clues<'_>,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Vec<Match>, StoreError> {
    let Some(id) = &clues.returned.message_id else {
        return Ok(Vec::new());
    };
    for (moment, within) in clues.stretches(id, now) {
        let search = SentSearch {
            header_message_id: format!("<{id}>"),
            recipient: None,
            from: moment.before(within),
            until: moment.after(within),
        };
        let found = clues.search(store, search).await?;
        if !found.is_empty() {
            let by_id = |sent| Match {
                sent,
                matched_by: MatchedBy::MessageId,
            };
            return Ok(found.into_iter().map(by_id).collect());
        }
    }
    Ok(Vec::new())
}

/// What can lead to a delivery.
#[derive(Debug)]
pub(super) struct Clues<'r> {
    returned: &'r Returned,
    return_path: Option<&'r str>,
    arrival_date: Option<&'r str>,
    /// The addresses that it may be about.
    named: Vec<&'r str>,
    /// Whether it is about several deliveries where it names several addresses. Of a complaint
    /// nobody knows then who has complained.
    names_all: bool,
}

impl<'r> Clues<'r> {
    /// Those of a report or complaint; anything else has none.
    pub(super) fn of(says: &'r Inbound) -> Option<Self> {
        match says {
            Inbound::Status(report) => {
                let statuses = report.recipients.iter();
                let named = statuses.flat_map(|status| [&status.original, &status.address]);
                Some(Self {
                    returned: &report.returned,
                    return_path: None,
                    arrival_date: None,
                    named: named.flatten().map(String::as_str).collect(),
                    names_all: true,
                })
            }
            Inbound::Complaint(complaint) => {
                let named = complaint.original_recipients.iter();
                Some(Self {
                    returned: &complaint.returned,
                    return_path: complaint.original_mail_from.as_deref(),
                    arrival_date: complaint.arrival_date.as_deref(),
                    named: named.map(String::as_str).collect(),
                    names_all: false,
                })
            }
            Inbound::Automatic(_) | Inbound::Mail => None,
        }
    }

    /// The token in what came back.
    fn claim(&self, keys: &TokenKeys) -> Option<Claim> {
        let header = |text: &str| keys.verify(Purpose::Header, text.trim()).ok();
        let within = |text: Option<&str>, prefix: &str, purpose| {
            tokens(text?, prefix).find_map(|token| keys.verify(purpose, token).ok())
        };
        let returned = self.returned;
        let text = |field: &'r Option<String>| field.as_deref();
        let feedback = returned.feedback_id.as_deref();
        let feedback = feedback.and_then(|id| id.split(':').next());
        text(&returned.delivery)
            .and_then(header)
            .or_else(|| feedback.and_then(header))
            .or_else(|| within(text(&returned.return_path), "bounce+", Purpose::Bounce))
            .or_else(|| within(self.return_path, "bounce+", Purpose::Bounce))
            .or_else(|| within(text(&returned.reply_to), "reply+", Purpose::Reply))
            .or_else(|| {
                let list = text(&returned.list_unsubscribe);
                within(list, "unsub+", Purpose::Unsubscribe)
            })
    }

    /// Around which moment the message was accepted, the narrowest stretch first.
    fn stretches(&self, id: &str, now: Timestamp) -> Vec<(Timestamp, Duration)> {
        let [narrow, ..] = STRETCHES;
        let own = own_moment(id, now).map(|moment| (moment, narrow));
        let date = self.returned.date.as_deref().and_then(Timestamp::read);
        let arrived = || self.arrival_date.and_then(Timestamp::read);
        let moment = date.or_else(arrived).map_or(now, |moment| moment.min(now));
        let around = STRETCHES.map(|within| (moment, within));
        own.into_iter().chain(around).collect()
    }

    async fn search(&self, store: &dyn Store, search: SentSearch) -> Result<Vec<Sent>, StoreError> {
        let all = store.sent_as(search.clone()).await?;
        if all.len() < SENT_MAX {
            return Ok(self.pick(all));
        }
        let mut found = Vec::new();
        let named = self.named.iter().take(SINGLE_MAX);
        for address in named.filter_map(|named| Address::parse(named).ok()) {
            let recipient = Some(address);
            let search = SentSearch {
                recipient,
                ..search.clone()
            };
            found.extend(store.sent_as(search).await?);
        }
        Ok(self.pick(found))
    }

    /// Those of a message's deliveries that it is about.
    fn pick(&self, all: Vec<Sent>) -> Vec<Sent> {
        if self.named.is_empty() {
            return only(all);
        }
        let is_named = |sent: &Sent| {
            let recipient = sent.recipient.as_str();
            let mut named = self.named.iter();
            named.any(|address| address.eq_ignore_ascii_case(recipient))
        };
        let mut found: Vec<Sent> = all.into_iter().filter(is_named).collect();
        found.sort_by_key(|sent| sent.delivery);
        found.dedup_by_key(|sent| sent.delivery);
        if self.names_all {
            singles(found)
        } else {
            only(found)
        }
    }
}

/// What there is, where it is one.
fn only(all: Vec<Sent>) -> Vec<Sent> {
    if all.len() == 1 { all } else { Vec::new() }
}

/// Without those that went to one address more than once: which is meant can't be said.
fn singles(all: Vec<Sent>) -> Vec<Sent> {
    let count = |recipient: &Address| {
        let to = all.iter().filter(|sent| sent.recipient == *recipient);
        to.count()
    };
    let is_single: Vec<bool> = all.iter().map(|sent| count(&sent.recipient) == 1).collect();
    let singles = all.into_iter().zip(is_single);
    singles
        .filter_map(|(sent, is_single)| is_single.then_some(sent))
        .collect()
}

/// When a Message-ID of our own making was made.
fn own_moment(id: &str, now: Timestamp) -> Option<Timestamp> {
    let (local, _) = id.split_once('@')?;
    let id: MessageId = local.parse().ok()?;
    // RFC 9562 §5.7: the version is 7.
    let is_ours = id.as_bytes()[6] >> 4 == 7;
    let moment = id.made_at();
    (is_ours && moment <= now && moment > now.before(ID_AGE_MAX)).then_some(moment)
}

/// What stands behind a prefix, wherever it does.
fn tokens<'t>(text: &'t str, prefix: &str) -> impl Iterator<Item = &'t str> {
    let lower = text.to_ascii_lowercase();
    let behind: Vec<usize> = lower
        .match_indices(prefix)
        .map(|(at, prefix)| at + prefix.len())
        .collect();
    behind.into_iter().filter_map(move |at| {
        let rest = text.get(at..)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        rest.get(..end.unwrap_or(rest.len()))
    })
}
