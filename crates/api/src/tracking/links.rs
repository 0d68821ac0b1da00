//! Where links go that are too long for a token: the store knows it, and those that were asked for
//! lately are remembered. A name is made of what it names, so what is remembered is never wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use postbell_store::{Links, StoreError};

/// Octets of addresses that are remembered, in each of two halves.
const REMEMBERED: usize = 4 << 20;

type Name = [u8; 16];

/// Long links.
pub(super) struct LongLinks {
    store: Arc<dyn Links>,
    remembered: Mutex<Halves>,
}

/// What was asked for lately, and what was so before that: where the one half is full, the other is
/// forgotten.
#[derive(Debug, Default)]
struct Halves {
    late: HashMap<Name, Arc<str>>,
    octets: usize,
    before: HashMap<Name, Arc<str>>,
}

impl Halves {
    fn find(&mut self, name: Name) -> Option<Arc<str>> {
        if let Some(url) = self.late.get(&name) {
            return Some(Arc::clone(url));
        }
        let url = self.before.remove(&name)?;
        self.remember(name, Arc::clone(&url));
        Some(url)
    }

    fn remember(&mut self, name: Name, url: Arc<str>) {
        if self.octets + url.len() > REMEMBERED {
            self.before = std::mem::take(&mut self.late);
            self.octets = 0;
        }
        self.octets += url.len();
        self.late.insert(name, url);
    }
}

impl LongLinks {
    pub(super) fn new(store: Arc<dyn Links>) -> Self {
        Self {
            store,
            remembered: Mutex::default(),
        }
    }

    /// The address of this name, where it was asked for lately.
    pub(super) fn remembered(&self, name: Name) -> Option<Arc<str>> {
        self.halves().find(name)
    }

    /// The address that the store has of this name.
    pub(super) async fn look_up(&self, name: Name) -> Result<Option<Arc<str>>, StoreError> {
        let Some(url) = self.store.link(name).await? else {
            return Ok(None);
        };
        let url: Arc<str> = url.into();
        self.halves().remember(name, Arc::clone(&url));
        Ok(Some(url))
    }

    fn halves(&self) -> std::sync::MutexGuard<'_, Halves> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut halves = Halves::default();
        let long: Arc<str> = "x".repeat(16 << 10).into();
        halves.remember([0; 16], Arc::clone(&long));
        for number in 0..2_000_u16 {
            let mut name = [1; 16];
            name[..2].copy_from_slice(&number.to_be_bytes());
            halves.remember(name, Arc::clone(&long));
            assert!(halves.find([0; 16]).is_some(), "{number}");
        }
        let held = halves.late.len() + halves.before.len();
        assert!(held * long.len() <= 2 * REMEMBERED, "{held}");
        assert_eq!(halves.find([9; 16]), None);
    }
}
