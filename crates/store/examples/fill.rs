//! Fills a data folder with a long queue and a long log, to measure what an operator's commands
//! take. It is to be looked at, not served from: its bodies are those of the first block alone.
//!
//! ```text
//! cargo run --release -p postbell-store --example fill -- FOLDER [QUEUED [EVENTS]]
//! ```
//!
//! The first block is written by the store itself, delivery by delivery. The others are the same
//! rows with later times, other ids and other domains, copied by the database.
#![expect(clippy::print_stdout, reason = "what the program is for")]

#[path = "fill/block.rs"]
mod block;
#[path = "fill/copies.rs"]
mod copies;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postbell_model::clock::Still;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    ConfigurationSetId, Destination, DestinationId, DestinationSettings, DestinationState, Secret,
    Timestamp, WorkspaceId,
};
use postbell_store::{
    NewConfigurationSet, Position, Progress, Retry, SqliteOptions, SqliteStore, Store,
};
use tokio_util::task::TaskTracker;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Workspaces.
const WORKSPACES: u32 = 20;
/// How long ago the first mail was accepted.
const AGE: Duration = Duration::from_hours(96);

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("fill FOLDER [QUEUED [EVENTS]]")?;
    let folder = PathBuf::from(folder);
    let queued: u64 = words.next().map_or(Ok(1_000_000), |word| word.parse())?;
    let events: u64 = words.next().map_or(Ok(10_000_000), |word| word.parse())?;
    let blocks = queued.div_ceil(block::QUEUED).max(1);
    let begin = Timestamp::from_micros(now()).before(AGE);
    let apart = AGE / u32::try_from(blocks)?;
    let ended = block::ended(events.div_ceil(blocks));

    let (store, tasks) = open(&folder, begin).await?;
    let tenants = set_up(&*store, begin).await?;
    block::write(&*store, &tenants, (begin, apart), ended).await?;
    close(&*store, tasks).await;
    copies::write(&folder, (blocks, apart), |done| {
        println!("{done} of {blocks} blocks");
    })
    .await?;

    let (store, tasks) = open(&folder, begin).await?;
    tell(&*store).await?;
    close(&*store, tasks).await;
    for line in copies::samples(&folder).await? {
        println!("{line}");
    }
    Ok(())
}

async fn open(folder: &Path, at: Timestamp) -> Outcome<(Arc<dyn Store>, TaskTracker)> {
    let tasks = TaskTracker::new();
    let options = SqliteOptions {
        commit_queue: 4_096,
        fresh_deliveries: 1 << 18,
        fresh_deliveries_per_lane: 1 << 18,
        fresh_octets: 1 << 30,
        segment_octets: 1 << 30,
        max_hits_waiting: 1_000_000,
    };
    let store = SqliteStore::open(folder, options, Arc::new(Still(at)), &tasks).await?;
    Ok((Arc::new(store), tasks))
}

async fn close(store: &dyn Store, tasks: TaskTracker) {
    store.close().await;
    tasks.close();
    tasks.wait().await;
}

/// Workspaces, each with its configuration set and a destination of it.
async fn set_up(
    store: &dyn Store,
    at: Timestamp,
) -> Outcome<Vec<(WorkspaceId, ConfigurationSetId)>> {
    let mut tenants = Vec::new();
    for number in 0..WORKSPACES {
        let workspace = store
            .create_workspace(&format!("tenant{number}"), at)
            .await?
            .id;
        let set = NewConfigurationSet {
            workspace,
            name: "default".to_owned(),
            max_retries: None,
            expire_after: None,
            reports: None,
            egress: Default::default(),
            tracking: SetTracking::default(),
        };
        let set = store.create_configuration_set(set, at).await?.id;
        let destination = Destination {
            id: DestinationId::new(at),
            workspace,
            configuration_set: Some(set),
            name: "hook".to_owned(),
            url: "https://tenant.example/events".to_owned(),
            secret: Secret::new(vec![7; 24]),
            previous_secret: None,
            matching_event_types: Vec::new(),
            format: "postbell".to_owned(),
            settings: DestinationSettings::default(),
            replays: 0,
            state: DestinationState::Active,
            created_at: at,
        };
        store.create_destination(destination).await?;
        tenants.push((workspace, set));
    }
    Ok(tenants)
}

/// The destinations have heard all but the last events, and a few calls have failed.
async fn tell(store: &dyn Store) -> Outcome<()> {
    let newest = store.newest().borrow().0;
    for destination in store.directory().destinations() {
        let failed = |n: u64| Retry {
            position: Position(newest - 10_000 - n * 7),
            document: 0,
            attempts: 3,
            next_at: Timestamp::from_micros(now()).after(Duration::from_secs(n)),
            last_error: "It answered 503 Service Unavailable".to_owned(),
        };
        let progress = Progress {
            cursor: Position(newest - 1_000),
            failed: (0..500).map(failed).collect(),
            calls: Vec::new(),
        };
        store.advance(destination.id, progress).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program of its own")]
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or_default())
}
