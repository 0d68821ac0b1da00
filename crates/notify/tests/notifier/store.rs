//! The parts of the store that the notifier needs, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use postbell_model::tracking::SetTracking;
use postbell_model::{
    Audience, ConfigurationSet, ConfigurationSetId, Credential, Destination, DestinationId,
    DestinationState, DisableReason, LeftQueue, Secret, SendingDomain, Timestamp, Workspace,
    WorkspaceId,
};
use postbell_store::{
    Call, Destinations, Directory, EventLog, Logged, LoggedEvent, NewConfigurationSet,
    NewCredential, Page, Position, Progress, Retry, RetryOutcome, StoreError, TenantError, Tenants,
};
use tokio::sync::watch;

/// What a test can look at and change.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) events: Vec<Logged>,
    pub(crate) cursors: HashMap<DestinationId, Position>,
    pub(crate) advances: usize,
    pub(crate) retries: BTreeMap<(DestinationId, Position, u32), Retry>,
    pub(crate) dead: Vec<Retry>,
    /// The log of calls, without its bound.
    pub(crate) calls: Vec<(DestinationId, Call)>,
    pub(crate) disabled: Vec<(DestinationId, DisableReason)>,
    /// How far beyond its cursor each destination's events were ever handed out.
    pub(crate) furthest: u64,
    pub(crate) destinations: Vec<Destination>,
    /// Reading the events of these audiences panics, so often.
    pub(crate) panics: HashMap<Audience, u32>,
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
        self.log_any(events.into_iter().map(Logged::Delivery));
    }

    /// Appends events of any kind to the log.
    pub(crate) fn log_any(&self, events: impl IntoIterator<Item = Logged>) {
        let newest = self.change(|state| {
            for mut event in events {
                let place = Position(state.events.len() as u64 + 1);
                match &mut event {
                    Logged::Delivery(logged) => logged.position = place,
                    Logged::Workspace(logged) => logged.position = place,
                }
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
        audience: Audience,
        after: Position,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let panics = self.change(|state| match state.panics.get_mut(&audience) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
        assert!(!panics, "a panic that the test asked for");
        let mut state = self.state.lock().unwrap();
        let mut page = Page {
            events: Vec::new(),
            read_to: after,
        };
        let behind = usize::try_from(after.0).unwrap();
        for event in state.events.iter().skip(behind) {
            if page.events.len() == limit {
                break;
            }
            if state.corrupt.contains(&event.position()) {
                return Err(StoreError::Corrupt("flipped".into()));
            }
            page.read_to = event.position();
            if hears(audience, event) {
                page.events.push(event.clone());
            }
        }
        let slowest = state.cursors.values().map(|at| at.0).min().unwrap_or(0);
        state.furthest = state
            .furthest
            .max(page.read_to.0 - slowest.min(page.read_to.0));
        Ok(page)
    }

    async fn event(&self, position: Position) -> Result<Option<Logged>, StoreError> {
        let state = self.state.lock().unwrap();
        let found = state
            .events
            .iter()
            .find(|event| event.position() == position);
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
        progress: Progress,
    ) -> Result<(), StoreError> {
        let Progress {
            cursor,
            failed,
            calls,
        } = progress;
        self.change(|state| {
            if state.busy > 0 {
                state.busy -= 1;
                return Err(StoreError::Busy);
            }
            let before = state.cursors.insert(destination, cursor);
            assert!(before.unwrap_or_default() <= cursor, "a cursor went back");
            state.advances += 1;
            log_calls(state, destination, calls);
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
        calls: Vec<Call>,
    ) -> Result<(), StoreError> {
        self.change(|state| {
            log_calls(state, destination, calls);
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

    async fn disable(
        &self,
        destination: DestinationId,
        reason: DisableReason,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(|state| state.disabled.push((destination, reason)));
        self.set_up(|destinations| {
            for known in destinations.iter_mut().filter(|d| d.id == destination) {
                known.state = DestinationState::Disabled;
            }
        });
        Ok(())
    }
}

fn log_calls(state: &mut State, destination: DestinationId, calls: Vec<Call>) {
    let calls = calls.into_iter().map(|call| (destination, call));
    state.calls.extend(calls);
}

fn hears(audience: Audience, event: &Logged) -> bool {
    match (audience, event) {
        (Audience::Set(set), Logged::Delivery(logged)) => logged.message.configuration_set == set,
        (Audience::Set(_), Logged::Workspace(_)) => false,
        (Audience::Workspace(id), Logged::Delivery(logged)) => logged.message.workspace == id,
        (Audience::Workspace(id), Logged::Workspace(logged)) => logged.event.workspace == id,
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
            tracking: SetTracking::default(),
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

    async fn revoke_credential(
        &self,
        _: &str,
        _: LeftQueue,
        _: Timestamp,
    ) -> Result<(), TenantError> {
        unreachable!("webhooks need no credentials")
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        Vec::new()
    }
}
