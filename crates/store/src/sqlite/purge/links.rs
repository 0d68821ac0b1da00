//! Addresses of links, some time after the last message that has them.

use crate::retention::PurgePart;
use crate::{KeptSince, Purged, StoreError};

use super::super::SqliteStore;
use super::super::errors::read_error;
use super::super::links::AGAIN;
use super::super::rows::{self, RowError};
use super::super::work::Change;
use super::{Leaving, PAGE};

impl SqliteStore {
    pub(super) async fn purge_links(
        &self,
        since: KeptSince,
    ) -> Result<(Purged, PurgePart), StoreError> {
        // A click is told of a delivery that is known, be it by its slim record alone.
        let Some((slim, messages)) = since.slim.zip(since.messages) else {
            return Ok((Purged::default(), PurgePart::Over));
        };
        // The last that wanted one kept may have come so much later than was written down.
        let before = slim.min(messages).before(AGAIN);
        let sql = "SELECT name FROM link WHERE kept_at < ? ORDER BY kept_at LIMIT ?";
        let found = sqlx::query(sql)
            .bind(before.as_micros())
            .bind(PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        if found.is_empty() {
            return Ok((Purged::default(), PurgePart::Over));
        }
        let names = found.iter().map(|row| rows::octets(row, 0, "link.name"));
        let names: Result<Vec<_>, RowError> = names.collect();
        let leaving = Leaving {
            links: names?,
            links_before: Some(before),
            ..Leaving::default()
        };
        let purged = Purged {
            links: self.changed(Change::Purge(leaving)).await?,
            ..Purged::default()
        };
        Ok((purged, PurgePart::Links))
    }
}
