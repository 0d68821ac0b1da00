//! Looking at the store beside whoever serves from it: reading connections of its own.

mod events;
mod filter;
mod history;
mod inbound;
mod lanes;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use postbell_model::{DeliveryId, Event, EventId};
use sqlx::sqlite::SqlitePool;

use crate::{
    DeliveryFilter, EventFilter, EventsFound, From, History, Inspect, LaneDepth, Logged,
    MessageOrDelivery, StoreError, Waiting,
};

use super::errors::OpenError;
use super::{BODIES, DATABASE, database, links, unusable};

pub(super) use filter::{Waits, push as push_filter};
pub(super) use lanes::depths;

/// The store of a folder, to be looked at.
#[derive(Debug)]
pub struct SqliteInspector {
    pub(super) pool: SqlitePool,
    bodies: PathBuf,
}

impl SqliteInspector {
    /// Opens the database of a folder, which a server may be using.
    ///
    /// # Errors
    /// There is none, or it can't be used.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        let file = folder.join(DATABASE);
        std::fs::metadata(&file).map_err(|source| unusable(&file, source))?;
        let mut writer = database::writer(&file).await?;
        database::migrate(&mut writer).await?;
        super::close(writer).await;
        Ok(Self {
            pool: database::readers(&file).await?,
            bodies: folder.join(BODIES),
        })
    }

    /// The address of this name that is too long for a token.
    ///
    /// # Errors
    /// The database can't be read.
    pub async fn link(&self, name: [u8; 16]) -> Result<Option<String>, StoreError> {
        links::find(&self.pool, name).await
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Inspect for SqliteInspector {
    async fn lanes(&self, filter: &DeliveryFilter) -> Result<Vec<LaneDepth>, StoreError> {
        depths(&self.pool, filter).await
    }

    async fn oldest(
        &self,
        filter: &DeliveryFilter,
        lane: &LaneDepth,
    ) -> Result<Option<DeliveryId>, StoreError> {
        lanes::oldest(&self.pool, filter, lane).await
    }

    async fn waiting(
        &self,
        filter: &DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        lanes::waiting(&self.pool, filter, limit).await
    }

    async fn latest(&self, delivery: DeliveryId) -> Result<Option<Event>, StoreError> {
        history::latest_event(&self.pool, delivery).await
    }

    async fn history(&self, id: MessageOrDelivery) -> Result<Option<History>, StoreError> {
        history::history(&self.pool, id).await
    }

    async fn events(
        &self,
        filter: &EventFilter,
        from: From,
        limit: usize,
    ) -> Result<EventsFound, StoreError> {
        events::events(&self.pool, filter, from, limit).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Logged>, StoreError> {
        events::one(&self.pool, id).await
    }
}
