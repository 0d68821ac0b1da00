//! Passwords that were right, remembered so that a client with many connections pays once.
//!
//! What is kept is an HMAC (RFC 2104) with a key of this process over username, password and
//! hash: worthless elsewhere, and void as soon as the credential has another hash.

use std::collections::{HashMap, VecDeque};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;
use postbell_model::{Monotonic, Secret};

const KEY_LEN: usize = 32;

/// What stands for one password of one user.
pub(super) type Key = [u8; 32];

pub(super) struct Remembered {
    max: usize,
    /// `None` where there are no random numbers: nothing is remembered then.
    secret: Option<hmac::Key>,
    until: HashMap<Key, Monotonic>,
    /// In the order in which they were kept, which is that in which they end.
    order: VecDeque<Key>,
}

impl Remembered {
    pub(super) fn new(max: usize) -> Self {
        let mut secret = [0; KEY_LEN];
        let filled = rand::fill(&mut secret);
        Self {
            max,
            secret: filled.ok().map(|()| hmac::Key::new(HMAC_SHA256, &secret)),
            until: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The length of each part stands before it, so that no two triples are the same octets.
    pub(super) fn key(&self, username: &str, password: &Secret, hash: &Secret) -> Option<Key> {
        let mut context = hmac::Context::with_key(self.secret.as_ref()?);
        for part in [username.as_bytes(), password.expose(), hash.expose()] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().ok()
    }

    pub(super) fn holds(&self, key: Option<Key>, now: Monotonic) -> bool {
        let until = key.and_then(|key| self.until.get(&key));
        until.is_some_and(|until| now < *until)
    }

    pub(super) fn keep(&mut self, key: Option<Key>, until: Monotonic) {
        let Some(key) = key else {
            return;
        };
        if self.until.insert(key, until).is_some() {
            self.order.retain(|kept| *kept != key);
        }
        self.order.push_back(key);
        while self.order.len() > self.max {
            if let Some(oldest) = self.order.pop_front() {
                self.until.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    fn key(remembered: &Remembered, username: &str, password: &str, hash: &str) -> Option<Key> {
        remembered.key(username, &Secret::new(password), &Secret::new(hash))
    }

    #[test]
    fn a_password_is_remembered_for_a_while() {
        let mut remembered = Remembered::new(10);
        let ada = key(&remembered, "ada", "secret", "hash");
        assert!(ada.is_some() && !remembered.holds(ada, at(0)));
        remembered.keep(ada, at(10));
        assert!(remembered.holds(ada, at(9)) && !remembered.holds(ada, at(10)));
        for (username, password, hash) in [
            ("ada", "secret", "another hash"),
            ("ada", "secrets", "hash"),
            ("adas", "ecret", "hash"),
        ] {
            let other = key(&remembered, username, password, hash);
            assert!(!remembered.holds(other, at(0)));
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let mut remembered = Remembered::new(2);
        let keys = ["a", "b", "c"].map(|name| key(&remembered, name, "", ""));
        remembered.keep(keys[0], at(10));
        remembered.keep(keys[1], at(10));
        remembered.keep(keys[0], at(20));
        remembered.keep(keys[2], at(20));
        assert_eq!(
            keys.map(|k| remembered.holds(k, at(0))),
            [true, false, true]
        );
        assert_eq!((remembered.until.len(), remembered.order.len()), (2, 2));
    }
}
