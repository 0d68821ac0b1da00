//! Scripts: what a connection, or a recipient, does at each stage instead of the usual.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

/// Where in the conversation a step of a script applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before the 220.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// In place of the TLS handshake: whatever is scripted, the connection is closed after it.
    Handshake,
    /// A login that is right.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The final dot.
    Message,
    /// QUIT.
    Quit,
}

/// What happens instead of the usual reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The usual; so that a later step can mean the second RCPT.
    Pass,
    /// This text and CRLF. A code of class 2 or 3 moves the conversation on as usual.
    Reply(String),
    /// As `Reply`, then the connection is closed.
    ReplyAndClose(String),
    /// The connection is closed without a word.
    Drop,
    /// The connection is reset (RST).
    Reset,
    /// Nothing is said until the client leaves or the server's patience ends.
    Stall,
    /// These octets, as they are; the command counts as refused.
    Garbage(Bytes),
    /// This text and CRLF, an octet at a time.
    Drip {
        /// The reply.
        text: String,
        /// The time between two octets.
        gap: Duration,
    },
    /// The usual, after a while.
    Wait(Duration),
}

/// Steps that are used up one by one: the first step left for a stage applies there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    steps: VecDeque<(Stage, Action)>,
}

impl Script {
    /// A script without steps: all as usual.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, stage: Stage, action: Action) -> Self {
        self.steps.push_back((stage, action));
        self
    }

    /// Adds a reply.
    #[must_use]
    pub fn reply(self, stage: Stage, text: &str) -> Self {
        self.then(stage, Action::Reply(text.to_owned()))
    }

    /// Takes the step for this stage, if one is left.
    pub(super) fn take(&mut self, stage: Stage) -> Option<Action> {
        let index = self.steps.iter().position(|(at, _)| *at == stage)?;
        self.steps.remove(index).map(|(_, action)| action)
    }
}

/// The scripts that connections and recipients will follow.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    queued: Mutex<Queued>,
    /// Whether there is any script for an address; spares the lock at each RCPT.
    has_addresses: AtomicBool,
}

#[derive(Debug, Default)]
struct Queued {
    next: VecDeque<Script>,
    always: Script,
    addresses: HashMap<String, Script>,
}

impl Scripts {
    pub(super) fn push(&self, script: Script) {
        self.lock().next.push_back(script);
    }

    pub(super) fn set_always(&self, script: Script) {
        self.lock().always = script;
    }

    pub(super) fn set_address(&self, address: &str, script: Script) {
        self.lock().addresses.insert(address.to_owned(), script);
        self.has_addresses.store(true, Ordering::Release);
    }

    /// The script of a new connection.
    pub(super) fn of_connection(&self) -> Script {
        let mut queued = self.lock();
        queued
            .next
            .pop_front()
            .unwrap_or_else(|| queued.always.clone())
    }

    /// Takes the step for this stage of the first of these recipients that has one.
    pub(super) fn take_for<'a>(
        &self,
        recipients: impl IntoIterator<Item = &'a str>,
        stage: Stage,
    ) -> Option<Action> {
        if !self.has_addresses.load(Ordering::Acquire) {
            return None;
        }
        let mut queued = self.lock();
        recipients
            .into_iter()
            .find_map(|address| queued.addresses.get_mut(address)?.take(stage))
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_used_up_stage_by_stage() {
        let mut script = Script::new()
            .then(Stage::Rcpt, Action::Pass)
            .then(Stage::Message, Action::Drop)
            .reply(Stage::Rcpt, "452 4.5.3 Enough");
        assert_eq!(script.take(Stage::Greeting), None);
        assert_eq!(script.take(Stage::Rcpt), Some(Action::Pass));
        assert_eq!(
            script.take(Stage::Rcpt),
            Some(Action::Reply("452 4.5.3 Enough".to_owned()))
        );
        assert_eq!(script.take(Stage::Rcpt), None);
        assert_eq!(script.take(Stage::Message), Some(Action::Drop));
    }

    #[test]
    fn connections_take_turns_and_then_the_usual_script() {
        let scripts = Scripts::default();
        let (first, always) = (
            Script::new().then(Stage::Quit, Action::Drop),
            Script::new().then(Stage::Ehlo, Action::Reset),
        );
        scripts.push(first.clone());
        scripts.set_always(always.clone());
        assert_eq!(scripts.of_connection(), first);
        assert_eq!(scripts.of_connection(), always);
        assert_eq!(scripts.of_connection(), always);
    }
}
