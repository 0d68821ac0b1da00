//! The parts of the store that the notifier needs, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use postbell_model::{
    ConfigurationSet, ConfigurationSetId, Credential, Destination, DestinationId, DestinationState,
    Secret, SendingDomain, Timestamp, Workspace, WorkspaceId,
};
use postbell_store::{
    Destinations, Directory, EventLog, LoggedEvent, NewConfigurationSet, NewCredential, Page,
    Position, Retry, RetryOutcome, StoreError, TenantError, Tenants,
};
use tokio::sync::watch;

/// What a test can look at and change.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) events: Vec<LoggedEvent>,
    pub(crate) cursors: HashMap<DestinationId, Position>,
    pub(crate) advances: usize,
    pub(crate) retries: BTreeMap<(DestinationId, Position, u32), Retry>,
    pub(crate) dead: Vec<Retry>,
    pub(crate) destinations: Vec<Destination>,
    /// Reading the events of these sets panics, so often.
    pub(crate) panics: HashMap<ConfigurationSetId, u32>,
    /// Events that can't be read.
    pub(crate) corrupt: Vec<Position>,
    /// Writing a cursor fails, so often.
    pub(crate) busy: u32,
}

#[derive(Debug)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    newest: watch::Sender<Position>,
    directory: watch::Sender<u64>,
    changes: watch::Sender<u64>,
}

impl MemoryStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            newest: watch::Sender::default(),
            directory: watch::Sender::default(),
            changes: watch::Sender::default(),
        })
    }

    /// Changes the state, and rings.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap());
        self.changes.send_modify(|number| *number += 1);
        changed
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    /// Changes what operators set up.
    pub(crate) fn set_up(&self, change: impl FnOnce(&mut Vec<Destination>)) {
        self.change(|state| change(&mut state.destinations));
        self.directory.send_modify(|number| *number += 1);
    }

    /// Appends to the log.
    pub(crate) fn log(&self, events: impl IntoIterator<Item = LoggedEvent>) {
        let newest = self.change(|state| {
            for mut event in events {
                event.position = Position(state.events.len() as u64 + 1);
                state.events.push(event);
            }
            Position(state.events.len() as u64)
        });
        self.newest.send_replace(newest);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl EventLog for MemoryStore {
    fn newest(&self) -> watch::Receiver<Position> {
        self.newest.subscribe()
    }

    async fn events_after(
        &self,
        set: ConfigurationSetId,
        after: Position,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let panics = self.change(|state| match state.panics.get_mut(&set) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
        assert!(!panics, "a panic that the test asked for");
        let state = self.state.lock().unwrap();
        let mut page = Page {
            events: Vec::new(),
            read_to: after,
        };
        for event in state.events.iter().filter(|event| event.position > after) {
            if page.events.len() == limit {
                break;
            }
            if state.corrupt.contains(&event.position) {
                return Err(StoreError::Corrupt("flipped".into()));
            }
            page.read_to = event.position;
            if event.message.configuration_set == set {
                page.events.push(event.clone());
            }
        }
        Ok(page)
    }

    async fn event(&self, position: Position) -> Result<Option<LoggedEvent>, StoreError> {
        let state = self.state.lock().unwrap();
        let found = state.events.iter().find(|event| event.position == position);
        Ok(found.cloned())
    }
}

#[async_trait]
impl Destinations for MemoryStore {
    async fn cursor(&self, destination: DestinationId) -> Result<Position, StoreError> {
        let state = self.state.lock().unwrap();
        Ok(state.cursors.get(&destination).copied().unwrap_or_default())
    }

    async fn advance(
        &self,
        destination: DestinationId,
        cursor: Position,
        failed: Vec<Retry>,
    ) -> Result<(), StoreError> {
        self.change(|state| {
            if state.busy > 0 {
                state.busy -= 1;
                return Err(StoreError::Busy);
            }
            let before = state.cursors.insert(destination, cursor);
            assert!(before.unwrap_or_default() <= cursor, "a cursor went back");
            state.advances += 1;
            for retry in failed {
                let key = (destination, retry.position, retry.document);
                assert!(state.retries.insert(key, retry).is_none());
            }
            Ok(())
        })
    }

    async fn retries_due(
        &self,
        destination: DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Retry>, StoreError> {
        let state = self.state.lock().unwrap();
        let mut due: Vec<_> = of(&state, destination)
            .filter(|r| r.next_at <= now)
            .cloned()
            .collect();
        due.sort_by_key(|retry| retry.next_at);
        due.truncate(limit);
        Ok(due)
    }

    async fn next_retry(
        &self,
        destination: DestinationId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let state = self.state.lock().unwrap();
        let next = of(&state, destination).map(|retry| retry.next_at).min();
        Ok(next)
    }

    async fn record_retries(
        &self,
        destination: DestinationId,
        outcomes: Vec<RetryOutcome>,
    ) -> Result<(), StoreError> {
        self.change(|state| {
            for outcome in outcomes {
                let (position, document) = match &outcome {
                    RetryOutcome::Delivered { position, document } => (*position, *document),
                    RetryOutcome::Again(retry) | RetryOutcome::Dead(retry) => {
                        (retry.position, retry.document)
                    }
                };
                state
                    .retries
                    .remove(&(destination, position, document))
                    .expect("a known retry");
                match outcome {
                    RetryOutcome::Delivered { .. } => {}
                    RetryOutcome::Again(retry) => {
                        state
                            .retries
                            .insert((destination, position, document), retry);
                    }
                    RetryOutcome::Dead(retry) => state.dead.push(retry),
                }
            }
        });
        Ok(())
    }

    async fn disable(&self, destination: DestinationId) -> Result<(), StoreError> {
        self.set_up(|destinations| {
            for known in destinations.iter_mut().filter(|d| d.id == destination) {
                known.state = DestinationState::Disabled;
            }
        });
        Ok(())
    }
}

fn of(state: &State, destination: DestinationId) -> impl Iterator<Item = &Retry> {
    let all = state.retries.iter();
    all.filter(move |((owner, ..), _)| *owner == destination)
        .map(|(_, retry)| retry)
}

#[async_trait]
impl Tenants for MemoryStore {
    fn directory(&self) -> Arc<Directory> {
        let destinations = self.state.lock().unwrap().destinations.clone();
        let sets = (1..=3).map(|number| ConfigurationSet {
            id: ConfigurationSetId(number),
            workspace: WorkspaceId(1),
            name: format!("set-{number}"),
            max_retries: None,
            expire_after: None,
            reports: None,
            egress: Default::default(),
            created_at: Timestamp::default(),
        });
        Arc::new(Directory::new([], [], sets, destinations))
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        self.directory.subscribe()
    }

    async fn create_workspace(&self, _: &str, _: Timestamp) -> Result<Workspace, TenantError> {
        Err(TenantError::NoSuchWorkspace(WorkspaceId(0)))
    }

    async fn create_configuration_set(
        &self,
        set: NewConfigurationSet,
        _: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        Err(TenantError::NoSuchWorkspace(set.workspace))
    }

    async fn change_configuration_set(&self, set: ConfigurationSet) -> Result<(), TenantError> {
        Err(TenantError::NoSuchWorkspace(set.workspace))
    }

    async fn add_domain(&self, domain: SendingDomain) -> Result<(), TenantError> {
        Err(TenantError::NoSuchWorkspace(domain.workspace))
    }

    async fn create_destination(&self, destination: Destination) -> Result<(), TenantError> {
        self.set_up(|destinations| destinations.push(destination));
        Ok(())
    }

    async fn create_credential(
        &self,
        _: NewCredential,
        _: Timestamp,
    ) -> Result<Credential, TenantError> {
        unreachable!("webhooks need no credentials")
    }

    async fn revoke_credential(&self, _: &str, _: Timestamp) -> Result<(), TenantError> {
        unreachable!("webhooks need no credentials")
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        Vec::new()
    }
}
