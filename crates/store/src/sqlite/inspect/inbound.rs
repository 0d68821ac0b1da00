//! Mail that came in, for an operator.

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::InboundId;

use crate::{Bodies, BodyRef, InboundFilter, InboundPage, InspectInbound, KeptInbound, StoreError};

use super::super::{inbound, read_body};
use super::SqliteInspector;

#[async_trait]
impl InspectInbound for SqliteInspector {
    async fn inbound_page(
        &self,
        filter: &InboundFilter,
        page: InboundPage,
    ) -> Result<Vec<KeptInbound>, StoreError> {
        inbound::page(&self.pool, filter, page).await
    }

    async fn inbound_one(&self, id: InboundId) -> Result<Option<KeptInbound>, StoreError> {
        inbound::one(&self.pool, id).await
    }
}

#[async_trait]
impl Bodies for SqliteInspector {
    async fn body(&self, body: BodyRef) -> Result<Bytes, StoreError> {
        read_body(&self.bodies, body).await
    }
}
