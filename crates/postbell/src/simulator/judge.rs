//! Which mail simulated addresses don't take, and the texts that say why.

use bytes::Bytes;
use postbell_model::{Address, Simulated};
use postbell_peers::answer::{Answering, Answers, Visit};
use postbell_peers::mx::Judge;

use super::{Missing, Strangers};

/// Knows the names that mean something, and what each needs.
pub(super) struct Names {
    pub(super) strangers: Strangers,
    pub(super) domain: String,
    pub(super) answers: Answers,
}

impl Judge for Names {
    fn refuse_recipient(&self, to: &str) -> Option<String> {
        let simulated = Address::parse(to).ok().and_then(|to| Simulated::of(&to));
        match simulated {
            None if self.strangers == Strangers::Refused => Some(self.unknown()),
            // It ends where it is accepted: what gets here came in and goes on.
            Some(Simulated::Suppressed) if self.strangers == Strangers::Refused => {
                let text = "550 5.7.1 What is forwarded to this address is not suppressed";
                Some(text.to_owned())
            }
            _ => self.refuse_answering(Answering::of(to)?),
        }
    }

    fn refuse_message(&self, to: &[String], message: &Bytes) -> Option<String> {
        let visiting = to.iter().filter_map(|to| Answering::of(to));
        visiting
            .filter(|answering| answering.visits())
            .find_map(|answering| refuse_untracked(answering, message))
    }
}

impl Names {
    fn refuse_answering(&self, answering: Answering) -> Option<String> {
        let doors = self.answers.doors().unwrap_or_default();
        let mut missing = Missing::of(doors).filter(|missing| missing.is_for(answering));
        // RFC 3463 §3.4: X.3.5, system incorrectly configured; X.3.2, not accepting messages.
        if let Some(missing) = missing.next() {
            return Some(format!("550 5.3.5 {}", missing.told()));
        }
        let full = "451 4.3.2 Too many simulated answers are under way, come again";
        (!self.answers.has_room()).then(|| full.to_owned())
    }

    fn unknown(&self) -> String {
        let names: Vec<_> = Simulated::ALL.iter().map(|name| name.name()).collect();
        let (domain, names) = (&self.domain, names.join(", "));
        format!("550 5.1.1 No such user at {domain}; there are {names}")
    }
}

/// Why a message gives nobody a reason to visit the tracking host.
fn refuse_untracked(answering: Answering, message: &Bytes) -> Option<String> {
    let (found, what) = match answering {
        Answering::Open => (Visit::opening(message), "no pixel: opens are not tracked"),
        Answering::Click => (
            Visit::clicking(message),
            "no tracked link: clicks are not tracked, or it has no links",
        ),
        _ => (
            Visit::unsubscribing(message),
            "no List-Unsubscribe-Post: it is of no stream that one unsubscribes from",
        ),
    };
    // RFC 3463 §3.7: X.6.0, other media error.
    found
        .is_none()
        .then(|| format!("554 5.6.0 The message has {what}"))
}
