//! Looking addresses up, all of a batch at once.

use std::collections::HashMap;

use postbell_model::suppression::{LocalPart, SuppressedBy};
use postbell_model::{ConfigurationSetId, Message, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use crate::{Claimed, StoreError};

use super::super::errors::read_error;
use super::super::statements::{BatchStatement, Query};
use super::rows::{HOLD_AT, Hold, Key, hold_of, place_of};

/// Whether a message goes to whoever is on the list as well.
///
/// What we send on our own account answers mail of the recipient's own. What came in and is
/// forwarded goes where its owner wants it. Neither is what somebody has had enough of.
pub(in crate::sqlite) fn is_exempt(message: &Message) -> bool {
    is_of_ours(message.configuration_set) || message.forward.is_some()
}

pub(super) fn is_of_ours(set: ConfigurationSetId) -> bool {
    set == ConfigurationSetId::OWN
}

/// What stands on the list of some addresses.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Holds(HashMap<Key, Vec<Hold>>);

impl Holds {
    /// Looks them up in one statement for 256 of them.
    pub(super) async fn look(
        connection: &mut SqliteConnection,
        look: &BatchStatement,
        keys: &[Key],
    ) -> Result<Self, sqlx::Error> {
        let mut holds: HashMap<Key, Vec<Hold>> = HashMap::new();
        let rows: Vec<_> = keys.iter().enumerate().collect();
        let bind = |query: Query<'static>, (at, key): &(usize, &Key)| key.seek(*at, query);
        for query in look.batch(&rows, bind) {
            for row in query.fetch_all(&mut *connection).await? {
                let key = place_of(&row, keys.len()).and_then(|at| keys.get(at));
                let Some(key) = key.filter(|key| key.is_of(&row)) else {
                    continue;
                };
                let hold = hold_of(&row, HOLD_AT);
                holds.entry(key.clone()).or_default().push(hold);
            }
        }
        Ok(Self(holds))
    }

    /// The entry that keeps mail of a stream to an address from being sent at this time.
    pub(super) fn find(
        &self,
        key: &Key,
        stream: Option<&str>,
        at: Timestamp,
    ) -> Option<&SuppressedBy> {
        let holds = self.0.get(key)?;
        let holding = holds.iter().find(|hold| hold.holds(stream, at))?;
        Some(&holding.by)
    }

    /// Whether somebody wished that such mail is not sent.
    pub(super) fn is_wished(&self, key: &Key, stream: Option<&str>, at: Timestamp) -> bool {
        let mut holds = self.0.get(key).into_iter().flatten();
        holds.any(|hold| hold.by.cause.is_wish() && hold.holds(stream, at))
    }

    /// The one that keeps a delivery from being sent.
    pub(in crate::sqlite) fn of_claimed(
        &self,
        claimed: &Claimed,
        (local_part, now): (LocalPart, Timestamp),
    ) -> Option<SuppressedBy> {
        let message = &claimed.message;
        if self.0.is_empty() || is_exempt(message) {
            return None;
        }
        let key = Key::of(message.workspace, &claimed.delivery.recipient, local_part);
        let stream = message.instructions.stream.as_deref();
        self.find(&key, stream, now).cloned()
    }
}

/// Looks up the addresses of what is about to be claimed.
pub(in crate::sqlite) async fn of_lane(
    pool: &SqlitePool,
    look: &BatchStatement,
    keys: &[Key],
) -> Result<Holds, StoreError> {
    let mut reader = pool.acquire().await.map_err(|e| read_error(&e))?;
    let holds = Holds::look(&mut reader, look, keys).await;
    holds.map_err(|error| read_error(&error))
}
