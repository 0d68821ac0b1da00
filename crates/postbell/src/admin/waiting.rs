//! How much waits of something.

use anyhow::Context;
use postbell_store::{DeliveryFilter, Inspect, SqliteInspector};

use super::desk::Desk;

/// How many deliveries wait that fit.
pub(super) async fn count(desk: &Desk, filter: &DeliveryFilter) -> anyhow::Result<u64> {
    let folder = &desk.config.server.data_dir;
    let inspector = SqliteInspector::open(folder)
        .await
        .with_context(|| format!("the database in {} can't be read", folder.display()))?;
    let lanes = inspector.lanes(filter).await;
    inspector.close().await;
    Ok(lanes?.iter().map(|lane| lane.count).sum())
}

/// `1 recipient`, `7 recipients`
pub(super) fn recipients(count: u32) -> String {
    match count {
        1 => "1 recipient".to_owned(),
        many => format!("{many} recipients"),
    }
}

/// `1 delivery`, `7 deliveries`
pub(super) fn deliveries(count: u64) -> String {
    match count {
        1 => "1 delivery".to_owned(),
        many => format!("{many} deliveries"),
    }
}
