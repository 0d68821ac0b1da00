//! The ledgers, and when the server was killed. Recipients are unique, so each stands for
//! one delivery.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postbell_peers::client::Outcome;
use postbell_peers::mx::Received;
use postbell_peers::webhook::Post;
use serde_json::Value;
use tokio::time::Instant;

use super::inbound::Inbound;

/// Everything that was seen from outside.
#[derive(Debug)]
pub(crate) struct Ledgers {
    begin: Instant,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Recipients of messages whose transmission began.
    pub(crate) offered: HashSet<String>,
    /// Recipients whose message got a 250.
    pub(crate) acknowledged: HashSet<String>,
    /// What was said instead of a 250, and how often.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Each time that the MX took a message for a recipient, in order.
    pub(crate) taken: HashMap<String, Vec<Taken>>,
    /// The deliveries of reports about a recipient that the MX took, by the token of each.
    pub(crate) reported: HashMap<String, HashSet<String>>,
    /// Each event of a recipient that the webhook was told, once an id, in order.
    pub(crate) told: HashMap<String, Vec<Told>>,
    /// Posts that told an event once more.
    pub(crate) told_again: u64,
    /// Posts that are no event of a delivery.
    pub(crate) unreadable: u64,
    pub(crate) kills: Vec<Kill>,
    /// From the start of the process to its first greeting.
    pub(crate) starts: Vec<Duration>,
    /// From SIGTERM to the end of the process.
    pub(crate) ends: Vec<Duration>,
    /// What it said last where it ended by itself, and how often.
    pub(crate) stops: BTreeMap<String, u64>,
    /// What came in.
    pub(crate) inbound: Inbound,
}

/// A message that the MX took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) at: Instant,
    /// Whether it arrived whole.
    pub(crate) is_whole: bool,
}

/// An event that the webhook was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) delivery: String,
    pub(crate) sequence: u64,
    pub(crate) kind: String,
}

impl Told {
    /// Whether no event can follow.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind.as_str(), "Delivery" | "Bounce")
    }
}

/// A `kill -9`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) at: Instant,
    /// Connections to the MX shortly before.
    pub(crate) open_connections: u64,
}

impl Ledgers {
    pub(crate) fn new(begin: Instant) -> Self {
        Self {
            begin,
            books: Mutex::default(),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the program began, for messages.
    pub(crate) fn time_of(&self, moment: Instant) -> Duration {
        moment - self.begin
    }

    pub(crate) fn offered(&self, recipients: &[String]) {
        self.books().offered.extend(recipients.iter().cloned());
    }

    pub(crate) fn answered(&self, recipients: &[String], outcome: &Outcome) {
        let mut books = self.books();
        if !outcome.is_taken() {
            let said = outcome.deciding().to_string();
            *books.refusals.entry(said).or_default() += 1;
            return;
        }
        books.acknowledged.extend(recipients.iter().cloned());
    }

    pub(crate) fn taken(&self, received: &Received) {
        if received.from.is_empty() {
            return self.reported(&received.body);
        }
        let taken = Taken {
            at: Instant::now(),
            is_whole: is_whole(&received.body),
        };
        let mut books = self.books();
        for recipient in &received.recipients {
            let times = books.taken.entry(recipient.clone()).or_default();
            times.push(taken);
        }
    }

    /// A copy that the MX took twice has the token of the first.
    fn reported(&self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let value = |name: &str| {
            let mut lines = text.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        let recipient = value("Final-Recipient: rfc822; ").unwrap_or_default();
        let token = value("X-Postbell-Delivery: ").unwrap_or_default();
        let mut books = self.books();
        books.reported.entry(recipient).or_default().insert(token);
    }

    pub(crate) fn told(&self, post: &Post) {
        let document = post.json().ok();
        let read = document.as_ref().and_then(read);
        let mut books = self.books();
        if document.is_some_and(|document| books.inbound.told(&document)) {
            return;
        }
        let Some((recipient, told)) = read else {
            books.unreadable += 1;
            return;
        };
        let events = books.told.entry(recipient).or_default();
        if events.contains(&told) {
            books.told_again += 1;
        } else {
            events.push(told);
        }
    }

    /// A message that came in for this recipient got its 250.
    pub(crate) fn brought(&self, recipient: &str) {
        let acknowledged = &mut self.books().inbound.acknowledged;
        acknowledged.insert(recipient.to_owned());
    }

    pub(crate) fn killed(&self, kill: Kill) {
        self.books().kills.push(kill);
    }

    pub(crate) fn started(&self, took: Duration) {
        self.books().starts.push(took);
    }

    pub(crate) fn stopped(&self, said: String) {
        *self.books().stops.entry(said).or_default() += 1;
    }

    pub(crate) fn ended(&self, took: Duration) {
        self.books().ends.push(took);
    }

    /// Deliveries that are known to exist and whose end was not told, and what came in and was not.
    pub(crate) fn unfinished(&self) -> usize {
        let books = self.books();
        let deliveries = books
            .known()
            .filter(|recipient| {
                let told = books.told.get(*recipient);
                !told.is_some_and(|events| events.iter().any(Told::is_final))
                    || books.bounced(recipient) && !books.reported.contains_key(*recipient)
            })
            .count();
        deliveries + books.inbound.missing().count()
    }
}

impl Books {
    /// Deliveries that exist: acknowledged, or taken by the MX, or told of.
    pub(crate) fn known(&self) -> impl Iterator<Item = &String> {
        let unacknowledged = self
            .taken
            .keys()
            .chain(self.told.keys())
            .filter(|recipient| !self.acknowledged.contains(*recipient))
            .collect::<HashSet<_>>();
        self.acknowledged.iter().chain(unacknowledged)
    }

    /// Whether the webhook was told of a bounce.
    pub(crate) fn bounced(&self, recipient: &str) -> bool {
        let told = self.told.get(recipient);
        told.is_some_and(|events| events.iter().any(|event| event.kind == "Bounce"))
    }
}

fn read(document: &Value) -> Option<(String, Told)> {
    let text = |pointer| Some(document.pointer(pointer)?.as_str()?.to_owned());
    let told = Told {
        id: text("/id")?,
        delivery: text("/mail/deliveryId")?,
        sequence: document.get("sequence")?.as_u64()?,
        kind: text("/eventType")?,
    };
    Some((text("/mail/destination/0")?, told))
}

/// Whether the last line names the same id as the header.
fn is_whole(body: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(body) else {
        return false;
    };
    let id = text
        .split_once("X-Kill-Id: ")
        .and_then(|(_, rest)| rest.split_once("\r\n"));
    id.is_some_and(|(id, _)| text.ends_with(&format!("\r\n.\r\nend of {id}\r\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_body_ends_as_it_says() {
        let whole = "Subject: a\r\nX-Kill-Id: a\r\n\r\nx\r\n.\r\nend of a\r\n";
        assert!(is_whole(whole.as_bytes()));
        for end in [whole.len() - 1, whole.len() - 5, 10, 0] {
            assert!(!is_whole(&whole.as_bytes()[..end]), "{end}");
        }
        assert!(!is_whole(whole.replace("of a", "of b").as_bytes()));
    }
}
