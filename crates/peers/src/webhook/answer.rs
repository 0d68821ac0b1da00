//! Answers that a test scripts.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a post gets instead of the usual 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// This status, with Retry-After in seconds.
    RetryAfter {
        /// 429 or 503.
        status: u16,
        /// The value of the header field.
        seconds: u64,
    },
    /// 307 with this Location.
    Redirect(String),
    /// The usual, after a while.
    Slow(Duration),
    /// Nothing, until the client leaves or the server's patience ends.
    Stall,
    /// The connection is closed without an answer.
    Drop,
    /// 200 with a body of this many octets.
    Huge(u64),
}

/// The answers that are due.
#[derive(Debug, Default)]
pub(super) struct Answers {
    due: Mutex<Due>,
    /// Whether any was ever set; spares the lock at each post.
    scripted: AtomicBool,
}

#[derive(Debug, Default)]
struct Due {
    next: VecDeque<(u64, Answer)>,
    paths: HashMap<String, Answer>,
}

impl Answers {
    pub(super) fn push(&self, times: u64, answer: Answer) {
        if times > 0 {
            self.lock().next.push_back((times, answer));
            self.scripted.store(true, Ordering::Release);
        }
    }

    pub(super) fn set_path(&self, path: &str, answer: Option<Answer>) {
        let mut due = self.lock();
        match answer {
            Some(answer) => due.paths.insert(path.to_owned(), answer),
            None => due.paths.remove(path),
        };
        self.scripted.store(true, Ordering::Release);
    }

    /// The answer for a post to this path, if it is not the usual one.
    pub(super) fn take(&self, path: &str) -> Option<Answer> {
        if !self.scripted.load(Ordering::Acquire) {
            return None;
        }
        let mut due = self.lock();
        if let Some(answer) = due.paths.get(path) {
            return Some(answer.clone());
        }
        let (left, answer) = due.next.front_mut()?;
        *left -= 1;
        let (left, answer) = (*left, answer.clone());
        if left == 0 {
            due.next.pop_front();
        }
        Some(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_used_up_in_turn() {
        let answers = Answers::default();
        assert_eq!(answers.take("/a"), None);
        answers.push(2, Answer::Status(500));
        answers.push(0, Answer::Drop);
        answers.push(1, Answer::Status(410));
        answers.set_path("/b", Some(Answer::Stall));
        let taken: Vec<_> = ["/a", "/b", "/a", "/a", "/a"]
            .iter()
            .map(|path| answers.take(path))
            .collect();
        assert_eq!(
            taken,
            [
                Some(Answer::Status(500)),
                Some(Answer::Stall),
                Some(Answer::Status(500)),
                Some(Answer::Status(410)),
                None
            ]
        );
        answers.set_path("/b", None);
        assert_eq!(answers.take("/b"), None);
    }
}
