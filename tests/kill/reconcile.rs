//! Do the ledgers agree?
//!
//! - What was acknowledged was delivered or bounced. What was not acknowledged may have been
//!   delivered all the same: the reply got lost.
//! - Each delivery that exists has its events, each number under one id: `Send` first, one final
//!   event last. Numbers are missing only after the first `DeliveryDelay`: a destination is not
//!   told of further ones, unless it asks for them.
//! - What the MX took is whole, was offered, and ended in `Delivery`.
//! - Of each `Bounce` the sender got one report.
//! - Of each message that came in and got its 250 one event is told, and it is whole.
//! - What the MX took twice it took the first time shortly before a kill: the server could not
//!   commit the reply to the final dot any more.

use std::fmt;
use std::time::Duration;

use super::ledger::{Books, Ledgers, Taken, Told};

/// Violations that are shown.
const SHOWN: usize = 20;
/// The MX may read what a killed server wrote a little after its death.
const AFTER_KILL: Duration = Duration::from_millis(500);

/// What the comparison gave.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    rows: Vec<(&'static str, String)>,
    violations: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_fine(&self) -> bool {
        self.violations.is_empty()
    }

    fn row(&mut self, title: &'static str, value: impl fmt::Display) {
        self.rows.push((title, value.to_string()));
    }

    fn violation(&mut self, text: String) {
        self.violations.push(text);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, value) in &self.rows {
            writeln!(f, "  {title:<46}{value:>12}")?;
        }
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "VIOLATION {violation}")?;
        }
        match self.violations.len() {
            0 => write!(f, "The ledgers agree."),
            count => write!(f, "{count} violations."),
        }
    }
}

/// Compares the ledgers.
pub(crate) fn reconcile(ledgers: &Ledgers, window: Duration) -> Verdict {
    let books = ledgers.books();
    let mut verdict = Verdict::default();
    count(&books, &mut verdict);
    check_acknowledged(&books, &mut verdict);
    check_events(&books, &mut verdict);
    check_taken(&books, &mut verdict);
    check_reports(&books, &mut verdict);
    check_inbound(&books, &mut verdict);
    check_duplicates(ledgers, &books, window, &mut verdict);
    if books.unreadable > 0 {
        verdict.violation(format!("{} posts are no events", books.unreadable));
    }
    if books.acknowledged.is_empty() {
        verdict.violation("nothing was acknowledged, so nothing was tested".to_owned());
    }
    verdict
}

fn count(books: &Books, verdict: &mut Verdict) {
    let recovered = books
        .known()
        .filter(|r| !books.acknowledged.contains(*r))
        .count();
    let events: usize = books.told.values().map(Vec::len).sum();
    let slowest = books.starts.iter().max().copied().unwrap_or_default();
    verdict.row("kills", books.kills.len());
    verdict.row("recipients offered", books.offered.len());
    verdict.row("acknowledged", books.acknowledged.len());
    verdict.row("not acknowledged, yet accepted", recovered);
    verdict.row("taken by the MX", books.taken.len());
    verdict.row("events told", events);
    verdict.row("events told again under the same id", books.told_again);
    verdict.row(
        "slowest start, to the first greeting",
        format!("{slowest:.0?}"),
    );
    if let Some(slowest) = books.ends.iter().max() {
        verdict.row("orderly ends", books.ends.len());
        verdict.row("slowest end, from SIGTERM", format!("{slowest:.0?}"));
    }
    if !books.stops.is_empty() {
        verdict.row("ended by itself", books.stops.values().sum::<u64>());
    }
    for (said, count) in &books.stops {
        verdict.row("said at its end", format!("{count}: {said}"));
    }
    for (said, count) in &books.refusals {
        verdict.row("messages refused", format!("{count}: {said}"));
    }
}

fn check_acknowledged(books: &Books, verdict: &mut Verdict) {
    let is_lost =
        |recipient: &&String| !books.bounced(recipient) && !books.taken.contains_key(*recipient);
    let lost: Vec<_> = books.acknowledged.iter().filter(is_lost).collect();
    verdict.row("lost", lost.len());
    for recipient in lost {
        verdict.violation(format!("lost: {recipient}"));
    }
}

fn check_events(books: &Books, verdict: &mut Verdict) {
    for recipient in books.known() {
        let mut events = books.told.get(recipient).cloned().unwrap_or_default();
        events.sort_by_key(|event| event.sequence);
        if let Some(fault) = fault_of(&events) {
            let told: Vec<_> = events
                .iter()
                .map(|e| format!("{} {} {}", e.sequence, e.kind, e.id))
                .collect();
            verdict.violation(format!("{recipient}: {fault}: {}", told.join(", ")));
        }
    }
}

/// What is wrong with the events of one delivery, in their order.
fn fault_of(events: &[Told]) -> Option<&'static str> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Some("nothing was told");
    };
    if events.iter().any(|event| event.delivery != first.delivery) {
        return Some("it is two deliveries");
    }
    let mut pairs = events.iter().zip(&events[1..]);
    if pairs.any(|(one, next)| one.sequence == next.sequence) {
        return Some("one event has two ids");
    }
    let mut pairs = events.iter().zip(&events[1..]);
    let follows = |(one, next): (&Told, &Told)| {
        next.sequence == one.sequence + 1 || one.kind == "DeliveryDelay"
    };
    if first.sequence != 1 || !pairs.all(follows) {
        return Some("an event is missing");
    }
    if first.kind != "Send" || events[1..].iter().any(|e| e.kind == "Send") {
        return Some("there is not one Send at the beginning");
    }
    let finals = events.iter().filter(|event| event.is_final()).count();
    if finals != 1 || !last.is_final() {
        return Some("there is not one final event at the end");
    }
    None
}

fn check_taken(books: &Books, verdict: &mut Verdict) {
    for (recipient, times) in &books.taken {
        if !books.offered.contains(recipient) {
            verdict.violation(format!("{recipient}: was never offered"));
        }
        if times.iter().any(|taken| !taken.is_whole) {
            verdict.violation(format!("{recipient}: the message is not whole"));
        }
    }
    for (recipient, events) in &books.told {
        let delivered = events.iter().any(|event| event.kind == "Delivery");
        if delivered != books.taken.contains_key(recipient) {
            verdict.violation(format!("{recipient}: the MX and the events disagree"));
        }
    }
}

/// The sender of each message that bounced was told of it once, and of no other.
fn check_reports(books: &Books, verdict: &mut Verdict) {
    verdict.row("senders told of a bounce", books.reported.len());
    for (recipient, deliveries) in &books.reported {
        if deliveries.len() != 1 {
            verdict.violation(format!("{recipient}: {} reports", deliveries.len()));
        }
        if !books.bounced(recipient) {
            verdict.violation(format!("{recipient}: reported without a bounce"));
        }
    }
    for recipient in books.told.keys() {
        if books.bounced(recipient) && !books.reported.contains_key(recipient) {
            verdict.violation(format!("{recipient}: its sender was not told"));
        }
    }
}

fn check_inbound(books: &Books, verdict: &mut Verdict) {
    let inbound = &books.inbound;
    verdict.row("came in and acknowledged", inbound.acknowledged.len());
    verdict.row("came in and told of", inbound.told.len());
    verdict.row("came in and lost", inbound.missing().count());
    for recipient in inbound.missing() {
        verdict.violation(format!("{recipient}: came in and is lost"));
    }
    for (recipient, events) in &inbound.told {
        if events.len() != 1 || events.iter().any(|(_, is_whole)| !is_whole) {
            verdict.violation(format!("{recipient}: came in, and {events:?} are told"));
        }
    }
}

fn check_duplicates(ledgers: &Ledgers, books: &Books, window: Duration, verdict: &mut Verdict) {
    let mut duplicates: u64 = 0;
    let mut longest = Duration::ZERO;
    for (recipient, times) in &books.taken {
        // Every copy but the last was followed by another.
        for taken in &times[..times.len() - 1] {
            duplicates += 1;
            match before_kill(books, taken) {
                Some(time) if time <= window => longest = longest.max(time),
                _ => verdict.violation(format!(
                    "{recipient}: sent again although taken at {:.3?}, not shortly before a kill",
                    ledgers.time_of(taken.at)
                )),
            }
        }
    }
    let open: u64 = books.kills.iter().map(|kill| kill.open_connections).sum();
    verdict.row("sent twice", duplicates);
    verdict.row("the longest before a kill", format!("{longest:.0?}"));
    verdict.row("connections to the MX at the kills, in all", open);
}

/// How long before the next kill this was; zero where it was read just after one.
fn before_kill(books: &Books, taken: &Taken) -> Option<Duration> {
    let mut kills = books.kills.iter();
    let next = kills.find(|kill| kill.at + AFTER_KILL >= taken.at)?;
    Some(next.at.saturating_duration_since(taken.at))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::ledger::Kill;

    fn told(sequence: u64, kind: &str, id: &str) -> Told {
        Told {
            id: id.to_owned(),
            delivery: "d".to_owned(),
            sequence,
            kind: kind.to_owned(),
        }
    }

    fn check(events: &[Told], wanted: Option<&str>) {
        assert_eq!(fault_of(events), wanted, "{events:?}");
    }

    #[test]
    fn a_whole_history_has_no_fault() {
        let (send, delay) = (told(1, "Send", "a"), told(2, "DeliveryDelay", "b"));
        check(&[send.clone(), told(2, "Delivery", "b")], None);
        check(&[send.clone(), delay.clone(), told(3, "Bounce", "c")], None);
        check(&[send, delay, told(7, "Bounce", "c")], None);
    }

    #[test]
    fn faults_are_found() {
        let (send, end) = (told(1, "Send", "a"), told(2, "Delivery", "b"));
        check(&[], Some("nothing was told"));
        let missing = Some("an event is missing");
        check(&[send.clone(), told(3, "Delivery", "b")], missing);
        check(&[told(2, "Send", "a"), told(3, "Delivery", "b")], missing);
        let twice = [send.clone(), told(1, "Send", "x"), end.clone()];
        check(&twice, Some("one event has two ids"));
        let only_end = [told(1, "Delivery", "a")];
        check(&only_end, Some("there is not one Send at the beginning"));
        let unended = Some("there is not one final event at the end");
        check(std::slice::from_ref(&send), unended);
        check(
            &[send.clone(), end.clone(), told(3, "Bounce", "c")],
            unended,
        );
        let mut other = end;
        other.delivery = "e".to_owned();
        check(&[send, other], Some("it is two deliveries"));
    }

    #[test]
    fn duplicates_need_a_kill_that_explains_them() {
        let begin = Instant::now();
        let kill_at = begin + Duration::from_secs(10);
        let verdict_of = |seconds: u64| {
            let ledgers = Ledgers::new(begin);
            {
                let mut books = ledgers.books();
                let mut taken = |at| {
                    let is_whole = true;
                    let times = books.taken.entry("a".to_owned()).or_default();
                    times.push(Taken { at, is_whole });
                };
                taken(begin + Duration::from_secs(seconds));
                taken(begin + Duration::from_secs(20));
                books.kills.push(Kill {
                    at: kill_at,
                    open_connections: 1,
                });
            }
            let mut verdict = Verdict::default();
            let window = Duration::from_secs(1);
            check_duplicates(&ledgers, &ledgers.books(), window, &mut verdict);
            verdict.is_fine()
        };
        assert_eq!([8, 9, 10, 11].map(verdict_of), [false, true, true, false]);
    }

    #[test]
    fn what_was_acknowledged_and_is_nowhere_is_lost() {
        let mut books = Books::default();
        books.acknowledged.insert("a".to_owned());
        books.acknowledged.insert("b".to_owned());
        let bounce = vec![told(1, "Send", "x"), told(2, "Bounce", "y")];
        books.told.insert("b".to_owned(), bounce);
        let mut verdict = Verdict::default();
        check_acknowledged(&books, &mut verdict);
        assert_eq!(verdict.violations, ["lost: a"]);
    }
}
