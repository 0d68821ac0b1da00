//! A store to measure, and mail that is enough for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::message::Received;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Address, Clock, ConfigurationSetId, DeliveryId, Instructions, Message, MessageId,
    ReportRequest, ReversePath, Timestamp, WorkspaceId,
};
use postbell_store::{
    NewConfigurationSet, NewDelivery, SqliteOptions, SqliteStore, Store, Submission,
};
use tokio_util::task::TaskTracker;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Opens a store that offers nothing in memory.
pub(crate) async fn open(
    folder: &Path,
    clock: Arc<dyn Clock>,
    tasks: &TaskTracker,
    max_hits_waiting: u64,
) -> Outcome<Arc<dyn Store>> {
    let options = SqliteOptions {
        commit_queue: 4_096,
        fresh_deliveries: 16,
        fresh_deliveries_per_lane: 16,
        fresh_octets: 1 << 20,
        segment_octets: 64 << 20,
        max_hits_waiting,
    };
    let store = SqliteStore::open(folder, options, clock, tasks).await?;
    Ok(Arc::new(store))
}

/// A new workspace with one configuration set.
pub(crate) async fn workspace_and_set(
    store: &dyn Store,
    name: &str,
    now: Timestamp,
) -> Outcome<(WorkspaceId, ConfigurationSetId)> {
    let workspace = store.create_workspace(name, now).await?.id;
    let set = NewConfigurationSet {
        workspace,
        name: "default".to_owned(),
        max_retries: None,
        expire_after: None,
        reports: None,
        egress: Default::default(),
        tracking: SetTracking::default(),
    };
    let set = store.create_configuration_set(set, now).await?.id;
    Ok((workspace, set))
}

/// A message of one octet with so many deliveries.
pub(crate) fn submission(
    (workspace, configuration_set): (WorkspaceId, ConfigurationSetId),
    now: Timestamp,
    deliveries: usize,
) -> Outcome<Submission> {
    let message = Message {
        id: MessageId::new(now),
        workspace,
        configuration_set,
        mail_from: ReversePath::Null,
        source: "app@example.org".to_owned(),
        subject: "hello".to_owned(),
        header_message_id: "<1@example.org>".to_owned(),
        accepted_at: now,
        size: 1,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: "client.example".to_owned(),
            peer: None,
            with: "ESMTP".to_owned(),
        },
        reports: false,
        forward: None,
        instructions: Instructions::default(),
    };
    let recipient = Address::parse("bob@example.com")?;
    let delivery = || NewDelivery {
        id: DeliveryId::new(now),
        recipient: recipient.clone(),
        retry_at: now.after(Duration::from_hours(1)),
        expires_at: now.after(Duration::from_hours(100)),
        report: ReportRequest::default(),
        ends_with: None,
    };
    Ok(Submission {
        message: Arc::new(message),
        credential: None,
        deliveries: (0..deliveries).map(|_| delivery()).collect(),
        body: Bytes::from_static(b"x"),
        send_at: None,
        idempotency: None,
    })
}
