//! A process that dies around a forward, at each point where it can.

use std::sync::Arc;

use async_trait::async_trait;
use postbell_accept::Forwarder;
use postbell_accept::forwarder::{ForwarderError, Progress};
use postbell_model::{Audience, EventKind, ForwardTo, InboundId};
use postbell_peers::clock::HandClock;
use postbell_store::{ForwardDue, Forwards, Position, Store, StoreError};
use tokio::sync::watch;

use super::{address, body, reception};
use crate::reports::world::{gate, open, set_up};

/// A list that can be read, from which nothing is taken any more.
struct DiesBeforeTheEnd(Arc<dyn Store>);

#[async_trait]
impl Forwards for DiesBeforeTheEnd {
    fn forwards_noted(&self) -> watch::Receiver<u64> {
        self.0.forwards_noted()
    }

    async fn forwards_due(&self, limit: usize) -> Result<Vec<ForwardDue>, StoreError> {
        self.0.forwards_due(limit).await
    }

    async fn end_forwards(&self, _: Vec<InboundId>) -> Result<(), StoreError> {
        Err(StoreError::Stopped("the process died".into()))
    }
}

fn forwarder(store: &Arc<dyn Store>, forwards: Arc<dyn Forwards>) -> Forwarder {
    let clock = Arc::new(HandClock::default());
    let gate = Arc::new(gate(store, clock.clone()));
    Forwarder::new(gate, forwards, store.clone(), clock)
}

async fn sent(store: &Arc<dyn Store>) -> usize {
    let directory = store.directory();
    let workspace = directory.workspaces()[0].id;
    let set = directory.configuration_sets_of(workspace)[0].id;
    let page = store.events_after(Audience::Set(set), Position(0), 100);
    let kinds = page.await.unwrap().events.into_iter().map(|e| e.kind());
    kinds.filter(|kind| *kind == EventKind::Send).count()
}

#[tokio::test]
async fn a_message_goes_on_once_wherever_the_process_dies() {
    let folder = tempfile::tempdir().unwrap();
    // After it came in and before it goes on.
    let store = open(folder.path()).await;
    let (workspace, _) = set_up(&*store).await;
    let to = ForwardTo::Address(address("bob@recipient.test"));
    let clock = HandClock::default();
    let reception = reception(workspace, &clock, to, body());
    store.receive(vec![reception]).await.remove(0).unwrap();
    store.close().await;

    // After it was submitted and before it is off the list, twice.
    for _ in 0..2 {
        let store = open(folder.path()).await;
        let dying = Arc::new(DiesBeforeTheEnd(store.clone()));
        let died = forwarder(&store, dying).step().await;
        assert!(matches!(
            died,
            Err(ForwarderError::Store(StoreError::Stopped(_)))
        ));
        assert_eq!(sent(&store).await, 1);
        store.close().await;
    }

    // And then it does not die.
    let store = open(folder.path()).await;
    let forwarder = forwarder(&store, store.clone());
    assert_eq!(forwarder.step().await.unwrap(), Progress::Done);
    assert!(store.forwards_due(10).await.unwrap().is_empty());
    assert_eq!(sent(&store).await, 1);
    store.close().await;
}
