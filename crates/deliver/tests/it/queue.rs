//! A store in memory: a queue that keeps what was settled, and one workspace with one domain.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postbell_model::consequence::consequence;
use postbell_model::suppression::{Cause, Scope, SuppressedBy};
use postbell_model::tracking::{DomainTracking, SetTracking};
use postbell_model::{
    ConfigurationSet, ConfigurationSetId, Credential, DeliveryId, DeliveryState, Destination,
    Domain, DomainKey, Egress, Fact, Lane, LeftQueue, Secret, Sender, Sending, SendingDomain,
    Timestamp, Workspace, WorkspaceId,
};
use postbell_store::{
    Bodies, BodyRef, Claimed, Directory, NewConfigurationSet, NewCredential, Queue, SettleError,
    Settlement, StoreError, TenantError, Tenants,
};
use tokio::sync::{mpsc, watch};

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(7);
pub(crate) const SET: ConfigurationSetId = ConfigurationSetId(3);
pub(crate) const KEY: [u8; 32] = [9; 32];

#[derive(Debug)]
pub(crate) struct MemoryQueue {
    rows: Mutex<Rows>,
    offers: mpsc::Sender<Claimed>,
    offered: Mutex<Option<mpsc::Receiver<Claimed>>>,
    queued: watch::Sender<u64>,
    changed: watch::Sender<u64>,
    directory: Mutex<Arc<Directory>>,
}

/// What goes wrong next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The next settlement finds the store busy.
    Busy,
    /// The next delivery that is given back finds the store full.
    FullAtRelease,
    /// The next settlement finds the store stopped.
    Stopped,
    /// The next settlement panics.
    PanicAtSettle,
    /// The next look but one at the directory panics.
    Panic,
    /// The next one does.
    PanicNext,
}

#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<DeliveryId, Row>,
    batches: usize,
    trouble: Option<Trouble>,
    /// Deliveries whose recipient is on the suppression list.
    suppressed: HashSet<DeliveryId>,
}

#[derive(Debug)]
struct Row {
    claimed: Claimed,
    state: DeliveryState,
    due: Timestamp,
    in_flight: bool,
    facts: Vec<Fact>,
}

impl Row {
    /// Ends it where its recipient is on the suppression list.
    fn unless_suppressed(&mut self, suppressed: &HashSet<DeliveryId>) -> Option<&mut Self> {
        if suppressed.contains(&self.claimed.delivery.id) {
            self.state = DeliveryState::Suppressed;
            self.facts.push(Fact::Suppressed(Box::new(SuppressedBy {
                scope: Scope::All,
                cause: Cause::Manual,
                since: self.due,
                event: None,
            })));
            return None;
        }
        Some(self)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.state == DeliveryState::Queued && !self.in_flight && self.due <= now
    }

    fn lane(&self) -> Lane {
        Lane {
            workspace: self.claimed.message.workspace,
            domain: self.claimed.delivery.recipient.domain().clone(),
        }
    }
}

impl MemoryQueue {
    pub(crate) fn new(now: Timestamp, max_retries: Option<u32>, egress: Egress) -> Self {
        let (offers, offered) = mpsc::channel(10_000);
        Self {
            rows: Mutex::default(),
            offers,
            offered: Mutex::new(Some(offered)),
            queued: watch::Sender::new(0),
            changed: watch::Sender::new(0),
            directory: Mutex::new(Arc::new(directory(now, max_retries, egress))),
        }
    }

    /// Queues a delivery and offers it.
    pub(crate) fn accept(&self, claimed: Claimed, now: Timestamp) {
        self.insert(claimed.clone(), now, true);
        self.offers.try_send(claimed).expect("there is room");
    }

    /// Queues a delivery that is left to the index.
    pub(crate) fn accept_silently(&self, claimed: Claimed, now: Timestamp) {
        self.insert(claimed, now, false);
        self.queued.send_modify(|rung| *rung += 1);
    }

    fn insert(&self, claimed: Claimed, now: Timestamp, in_flight: bool) {
        let row = Row {
            state: DeliveryState::Queued,
            due: now,
            in_flight,
            facts: Vec::new(),
            claimed,
        };
        self.lock().rows.insert(row.claimed.delivery.id, row);
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    /// Puts the recipient of a delivery on the suppression list, for this one.
    pub(crate) fn suppress(&self, delivery: DeliveryId) {
        self.lock().suppressed.insert(delivery);
    }

    /// Has mail of the workspace sent, or not.
    pub(crate) fn set_sending(&self, sending: Sending) {
        let all = [(Sender::Workspace(WORKSPACE), sending)];
        let changed = Directory::clone(&self.known()).with_sending(all);
        *self.directory.lock().unwrap() = Arc::new(changed);
        self.queued.send_modify(|rung| *rung += 1);
    }

    /// Has these keys sign from now on.
    pub(crate) fn set_keys(&self, keys: Vec<DomainKey>) {
        let changed = Directory::clone(&self.known()).with_domain_keys(keys);
        *self.directory.lock().unwrap() = Arc::new(changed);
    }

    /// Has this tracked from now on.
    pub(crate) fn set_tracking(&self, of_domain: DomainTracking, of_set: SetTracking) {
        self.change(|domain, set| (domain.tracking, set.tracking) = (of_domain, of_set));
    }

    /// Changes the domain and the configuration set.
    pub(crate) fn change(&self, change: impl FnOnce(&mut SendingDomain, &mut ConfigurationSet)) {
        let known = self.known();
        let name = Domain::parse("sender.example").unwrap();
        let mut domain = known.domain(&name).unwrap().clone();
        let mut set = known.configuration_set(SET).unwrap().clone();
        change(&mut domain, &mut set);
        let keys = known.domain_keys(&name).to_vec();
        let changed = Directory::new([], [domain], [set], []).with_domain_keys(keys);
        *self.directory.lock().unwrap() = Arc::new(changed);
    }

    fn known(&self) -> Arc<Directory> {
        self.directory.lock().unwrap().clone()
    }

    pub(crate) fn make_trouble(&self, trouble: Trouble) {
        self.lock().trouble = Some(trouble);
    }

    pub(crate) fn has_trouble(&self) -> bool {
        self.lock().trouble.is_some()
    }

    /// Whether this trouble is made now.
    fn meets(&self, trouble: Trouble) -> bool {
        self.lock()
            .trouble
            .take_if(|made| *made == trouble)
            .is_some()
    }

    /// What was settled of a delivery so far.
    pub(crate) fn facts(&self, delivery: DeliveryId) -> Vec<Fact> {
        self.lock().rows[&delivery].facts.clone()
    }

    pub(crate) fn state(&self, delivery: DeliveryId) -> DeliveryState {
        self.lock().rows[&delivery].state
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.lock()
            .rows
            .values()
            .filter(|row| row.in_flight)
            .count()
    }

    pub(crate) fn batches(&self) -> usize {
        self.lock().batches
    }

    /// Waits until this holds of the queue.
    pub(crate) async fn wait_until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = changed.wait_for(|_| holds(self));
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("it does not take so long")
            .expect("the queue outlives its users");
    }

    pub(crate) async fn wait_for_facts(&self, delivery: DeliveryId, count: usize) -> Vec<Fact> {
        self.wait_until(|queue| queue.facts(delivery).len() >= count)
            .await;
        self.facts(delivery)
    }

    fn settle_one(&self, settlement: Settlement) -> Result<(), SettleError> {
        if self.meets(Trouble::Busy) {
            return Err(StoreError::Busy.into());
        }
        assert!(!self.meets(Trouble::PanicAtSettle), "a panic on purpose");
        if self.meets(Trouble::Stopped) {
            return Err(StoreError::Stopped("on purpose".into()).into());
        }
        let mut rows = self.lock();
        let row = rows
            .rows
            .get_mut(&settlement.delivery)
            .expect("it was accepted");
        assert!(row.in_flight, "only what is in flight is settled");
        row.in_flight = false;
        let follows =
            consequence(row.state, &settlement.fact).map_err(|_| SettleError::NotQueued)?;
        row.state = follows.state;
        if let Some(next) = follows.next_attempt_at {
            row.due = next;
            row.claimed.delivery.attempt += 1;
        }
        row.facts.push(settlement.fact);
        Ok(())
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn fresh(&self) -> Option<mpsc::Receiver<Claimed>> {
        self.offered.lock().unwrap().take()
    }

    async fn lanes_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Lane>, StoreError> {
        if self.known().pause_of_workspace(WORKSPACE).is_some() {
            return Ok(Vec::new());
        }
        let rows = self.lock();
        let mut lanes: Vec<_> = rows
            .rows
            .values()
            .filter(|row| row.is_due(now))
            .map(Row::lane)
            .collect();
        lanes.sort();
        lanes.dedup();
        lanes.truncate(limit);
        Ok(lanes)
    }

    async fn send_scheduled(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.lock();
        let waiting = rows
            .rows
            .values()
            .filter(|row| row.state == DeliveryState::Queued && !row.in_flight);
        Ok(waiting.map(|row| row.due).min())
    }

    fn queued(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }

    async fn claim(
        &self,
        lane: &Lane,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut rows = self.lock();
        let Rows {
            rows, suppressed, ..
        } = &mut *rows;
        let due = rows
            .values_mut()
            .filter(|row| row.is_due(now) && row.lane() == *lane)
            .filter_map(|row| row.unless_suppressed(suppressed));
        let claimed = due
            .take(limit)
            .map(|row| {
                row.in_flight = true;
                row.claimed.clone()
            })
            .collect();
        self.changed.send_modify(|changes| *changes += 1);
        Ok(claimed)
    }

    async fn settle(&self, batch: Vec<Settlement>) -> Vec<Result<(), SettleError>> {
        let results = batch
            .into_iter()
            .map(|settlement| self.settle_one(settlement));
        let results = results.collect();
        self.lock().batches += 1;
        self.changed.send_modify(|changes| *changes += 1);
        self.queued.send_modify(|rung| *rung += 1);
        results
    }

    fn suppressed_meanwhile(&self, claimed: &Claimed) -> bool {
        self.lock().suppressed.contains(&claimed.delivery.id)
    }

    async fn release(&self, claims: Vec<DeliveryId>, at: Timestamp) -> Result<(), StoreError> {
        if self.meets(Trouble::FullAtRelease) {
            self.changed.send_modify(|changes| *changes += 1);
            return Err(StoreError::Full);
        }
        for delivery in claims {
            let mut rows = self.lock();
            let row = rows.rows.get_mut(&delivery).expect("it was accepted");
            assert!(row.in_flight, "only what is in flight is given back");
            (row.in_flight, row.due) = (false, at);
        }
        self.changed.send_modify(|changes| *changes += 1);
        self.queued.send_modify(|rung| *rung += 1);
        Ok(())
    }
}

#[async_trait]
impl Bodies for MemoryQueue {
    async fn body(&self, _: BodyRef) -> Result<Bytes, StoreError> {
        Err(StoreError::Corrupt("all bodies are in memory here".into()))
    }
}

#[async_trait]
impl Tenants for MemoryQueue {
    fn directory(&self) -> Arc<Directory> {
        assert!(!self.meets(Trouble::PanicNext), "a panic on purpose");
        // The first look is that of the claim, and no attempt's.
        if self.meets(Trouble::Panic) {
            self.make_trouble(Trouble::PanicNext);
        }
        self.known()
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }

    async fn create_workspace(&self, _: &str, _: Timestamp) -> Result<Workspace, TenantError> {
        unreachable!("delivery sets nothing up")
    }

    async fn create_configuration_set(
        &self,
        _: NewConfigurationSet,
        _: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        unreachable!("delivery sets nothing up")
    }

    async fn change_configuration_set(&self, _: ConfigurationSet) -> Result<(), TenantError> {
        unreachable!("delivery sets nothing up")
    }

    async fn add_domain(&self, _: SendingDomain) -> Result<(), TenantError> {
        unreachable!("delivery sets nothing up")
    }

    async fn create_destination(&self, _: Destination) -> Result<(), TenantError> {
        unreachable!("delivery sets nothing up")
    }

    async fn create_credential(
        &self,
        _: NewCredential,
        _: Timestamp,
    ) -> Result<Credential, TenantError> {
        unreachable!("delivery sets nothing up")
    }

    async fn revoke_credential(
        &self,
        _: &str,
        _: LeftQueue,
        _: Timestamp,
    ) -> Result<(), TenantError> {
        unreachable!("delivery sets nothing up")
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        vec![(0, Secret::new(KEY))]
    }
}

fn directory(now: Timestamp, max_retries: Option<u32>, egress: Egress) -> Directory {
    let name = Domain::parse("sender.example").unwrap();
    let domain = SendingDomain {
        return_path_host: Domain::parse("rp.sender.example").unwrap(),
        ..SendingDomain::new(name, WORKSPACE, SET, now)
    };
    let set = ConfigurationSet {
        id: SET,
        workspace: WORKSPACE,
        name: "default".to_owned(),
        max_retries,
        expire_after: None,
        reports: None,
        egress,
        tracking: SetTracking::default(),
        created_at: now,
    };
    Directory::new([], [domain], [set], [])
}
