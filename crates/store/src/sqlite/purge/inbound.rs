//! Mail that came in: first its octets by the file, then the rest of it.

use postbell_model::InboundId;

use crate::retention::PurgePart;
use crate::{KeptSince, Purged, StoreError};

use super::super::SqliteStore;
use super::super::errors::read_error;
use super::super::rows::{self, blob};
use super::{Leaving, PAGE};

impl SqliteStore {
    pub(super) async fn purge_files(
        &self,
        since: KeptSince,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let next = PurgePart::Inbound(None);
        let Some(before) = since.inbound else {
            return Ok((Purged::default(), next));
        };
        let sql = "SELECT COUNT(*) FROM segment WHERE kept_at < ?";
        let files: i64 = sqlx::query_scalar(sql)
            .bind(before.as_micros())
            .fetch_one(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        let purged = Purged {
            files: files.unsigned_abs(),
            ..Purged::default()
        };
        let leaving = Leaving {
            kept_before: Some(before),
            ..Leaving::default()
        };
        self.remove_some(leaving, purged).await?;
        Ok((purged, next))
    }

    /// What is kept beside the octets stays for as long as these, and while it is to be forwarded.
    pub(super) async fn purge_inbound(
        &self,
        since: KeptSince,
        after: Option<InboundId>,
    ) -> Result<(Purged, PurgePart), StoreError> {
        let Some(before) = since.messages else {
            return Ok((Purged::default(), PurgePart::Links));
        };
        let sql = "SELECT i.id FROM inbound i LEFT JOIN segment s ON s.id = i.body_segment \
            WHERE i.id > ? AND i.id < ? AND s.kept_at IS NULL AND NOT EXISTS \
            (SELECT 1 FROM forward_due f WHERE f.inbound_id = i.id) ORDER BY i.id LIMIT ?";
        let found = sqlx::query(sql)
            .bind(after.map_or_else(Vec::new, |id| blob(id.as_bytes())))
            .bind(blob(InboundId::lowest_at(before).as_bytes()))
            .bind(PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| read_error(&error))?;
        let ids = found.iter().map(|row| rows::octets(row, 0, "inbound.id"));
        let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
        let inbound: Vec<_> = ids.into_iter().map(InboundId::from_bytes).collect();
        let Some(last) = inbound.last().copied() else {
            return Ok((Purged::default(), PurgePart::Links));
        };
        let purged = Purged {
            inbound: inbound.len() as u64,
            ..Purged::default()
        };
        let leaving = Leaving {
            inbound,
            ..Leaving::default()
        };
        self.remove_some(leaving, purged).await?;
        Ok((purged, PurgePart::Inbound(Some(last))))
    }
}
