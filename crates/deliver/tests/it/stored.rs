//! Bodies that are no longer in memory, with the store that keeps them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::tracking::SetTracking;
use postbell_model::{Audience, Clock, DeliveryId, EventKind, ReportRequest};
use postbell_peers::dns::{self, DnsServer};
use postbell_peers::mx::{MxOptions, MxServer};
use postbell_store::{
    EventLog, Intake, Logged, NewConfigurationSet, NewDelivery, Position, SqliteOptions,
    SqliteStore, Store, Submission, Tenants,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::world::{message, options, start_stage};
use postbell_peers::clock::HandClock;

const OPTIONS: SqliteOptions = SqliteOptions {
    commit_queue: 1_000,
    fresh_deliveries: 1,
    fresh_deliveries_per_lane: 0,
    fresh_octets: 0,
    segment_octets: 1 << 20,
    max_hits_waiting: 1_000_000,
};

#[tokio::test]
async fn bodies_are_read_back_within_their_limit() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mx = MxServer::start(MxOptions::default(), &tasks, stop.clone());
    let mx = mx.await.unwrap();
    let dns = DnsServer::start(dns::DnsOptions::default(), &tasks, stop.clone());
    let dns = dns.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let store = SqliteStore::open(folder.path(), OPTIONS, clock.clone(), &tasks).await;
    let store = Arc::new(store.unwrap());

    let mut options = options(mx.addr().port());
    // Less than two bodies, and less than the largest one.
    options.max_body_octets = 4 * 1024;
    let stage = start_stage(options, &clock, &store, &dns, &tasks, stop.clone());
    let sizes = [100, 10_000, 3_000, 3_000, 50_000, 10];
    for size in sizes {
        accept(&store, &clock, size).await;
    }
    wait_for_deliveries(&store, sizes.len()).await;
    let mut received: Vec<_> = mx
        .messages()
        .iter()
        .map(|message| text_len(&message.body))
        .collect();
    received.sort_unstable();
    assert_eq!(received, [10, 100, 3_000, 3_000, 10_000, 50_000]);

    stop.cancel();
    stage.await.unwrap();
    store.close().await;
    tasks.close();
    tokio::time::timeout(Duration::from_secs(20), tasks.wait())
        .await
        .unwrap();
}

async fn accept(store: &SqliteStore, clock: &HandClock, text: usize) {
    let now = clock.now();
    let workspace = match store.directory().workspaces().first() {
        Some(workspace) => workspace.id,
        None => store.create_workspace("test", now).await.unwrap().id,
    };
    let set = match store.directory().configuration_sets_of(workspace).first() {
        Some(set) => set.id,
        None => {
            let set = NewConfigurationSet {
                workspace,
                name: "default".to_owned(),
                max_retries: None,
                expire_after: None,
                reports: None,
                egress: Default::default(),
                tracking: SetTracking::default(),
            };
            store.create_configuration_set(set, now).await.unwrap().id
        }
    };
    let lines = "12345678\r\n".repeat(text / 10);
    let body = Bytes::from(format!("Subject: stored\r\n\r\n{lines}\r\n"));
    let message = postbell_model::Message {
        workspace,
        configuration_set: set,
        ..message(now, &body)
    };
    let submission = Submission {
        credential: None,
        message: Arc::new(message),
        deliveries: vec![NewDelivery {
            id: DeliveryId::new(now),
            recipient: "bob@example.com".parse().unwrap(),
            retry_at: now.after(Duration::from_secs(300)),
            expires_at: now.after(Duration::from_secs(86_400)),
            report: ReportRequest::default(),
            ends_with: None,
        }],
        body,
        send_at: None,
        idempotency: None,
    };
    let accepted = store.accept(vec![submission]).await;
    assert!(accepted[0].is_ok(), "{accepted:?}");
}

async fn wait_for_deliveries(store: &SqliteStore, count: usize) {
    let mut newest = store.newest();
    let set = store
        .directory()
        .configuration_sets_of(store.directory().workspaces()[0].id)[0]
        .id;
    let delivered = async {
        loop {
            newest.mark_unchanged();
            let page = store
                .events_after(Audience::Set(set), Position(0), 1_000)
                .await
                .unwrap();
            let kinds = page.events.iter().map(Logged::kind);
            if kinds.filter(|kind| *kind == EventKind::Delivery).count() == count {
                return;
            }
            newest.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), delivered)
        .await
        .unwrap();
}

/// How long the text is after the header, without its line end.
fn text_len(message: &[u8]) -> usize {
    let start = message
        .windows(4)
        .position(|octets| octets == b"\r\n\r\n")
        .unwrap();
    message.len() - start - 4 - 2
}
