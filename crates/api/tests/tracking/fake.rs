//! A store that has what a test puts into it, and takes as much as the test lets it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use postbell_model::engagement::Hit;
use postbell_model::inbound::UnsubscribeMethod;
use postbell_model::token::{Claim, stored_link};
use postbell_model::{
    ConfigurationSet, Credential, DeliveryId, Destination, LeftQueue, Secret, SendingDomain,
    Timestamp, Workspace,
};
use postbell_store::{
    Directory, Engagements, Links, NewConfigurationSet, NewCredential, StoreError, TenantError,
    Tenants, ToldVisit, Unsubscribed, Unsubscribing, Visited, VisitsBefore,
};
use tokio::sync::{Semaphore, watch};

/// Everything is in memory.
pub(crate) struct FakeStore {
    state: Mutex<State>,
    directory: Mutex<Arc<Directory>>,
    noted: watch::Sender<u64>,
    changed: watch::Sender<u64>,
    /// A permit for each commit of hits.
    pub(crate) commits: Semaphore,
    /// A permit for each look-up of a link.
    pub(crate) look_ups: Semaphore,
    /// Nothing is taken, and nothing can be read.
    pub(crate) is_down: AtomicBool,
    /// It has stopped for good.
    pub(crate) has_stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    hits: Vec<(u64, Hit)>,
    next: u64,
    told: Vec<ToldVisit>,
    delivered: HashMap<DeliveryId, Timestamp>,
    subscriptions: HashMap<DeliveryId, Unsubscribing>,
    unsubscribed: Vec<(DeliveryId, UnsubscribeMethod)>,
    links: HashMap<[u8; 16], String>,
}

impl FakeStore {
    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            state: Mutex::default(),
            directory: Mutex::new(Arc::new(directory)),
            noted: watch::Sender::new(0),
            changed: watch::Sender::new(0),
            commits: Semaphore::new(Semaphore::MAX_PERMITS),
            look_ups: Semaphore::new(Semaphore::MAX_PERMITS),
            is_down: AtomicBool::new(false),
            has_stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.state()
            .hits
            .iter()
            .map(|(_, hit)| hit.clone())
            .collect()
    }

    pub(crate) fn told(&self) -> Vec<ToldVisit> {
        self.state().told.clone()
    }

    pub(crate) fn unsubscribed(&self) -> Vec<(DeliveryId, UnsubscribeMethod)> {
        self.state().unsubscribed.clone()
    }

    pub(crate) fn delivered(&self, delivery: DeliveryId, at: Timestamp) {
        self.state().delivered.insert(delivery, at);
    }

    pub(crate) fn subscribed(&self, delivery: DeliveryId, subscription: Unsubscribing) {
        self.state().subscriptions.insert(delivery, subscription);
    }

    pub(crate) fn keep_link(&self, url: &str) -> [u8; 16] {
        let name = stored_link(url);
        self.state().links.insert(name, url.to_owned());
        name
    }

    pub(crate) fn set_directory(&self, directory: Directory) {
        *self.directory.lock().unwrap() = Arc::new(directory);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn stands(&self) -> Result<(), StoreError> {
        if self.has_stopped.load(Ordering::SeqCst) {
            return Err(StoreError::Stopped("a test said so".into()));
        }
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Busy);
        }
        Ok(())
    }
}

#[async_trait]
impl Engagements for FakeStore {
    async fn keep_hits(&self, hits: &[Hit]) -> Result<(), StoreError> {
        self.commits.acquire().await.unwrap().forget();
        self.stands()?;
        let mut state = self.state();
        for hit in hits {
            state.next += 1;
            let number = state.next;
            state.hits.push((number, hit.clone()));
        }
        self.noted.send_modify(|count| *count += 1);
        Ok(())
    }

    fn hits_noted(&self) -> watch::Receiver<u64> {
        self.noted.subscribe()
    }

    fn hits_waiting(&self) -> u64 {
        self.state().hits.len() as u64
    }

    async fn hits_due(&self, before: Timestamp, _: usize) -> Result<Vec<Visited>, StoreError> {
        self.stands()?;
        let state = self.state();
        let mut due: Vec<Visited> = Vec::new();
        for (number, hit) in &state.hits {
            match due
                .iter_mut()
                .find(|visited| visited.delivery == hit.delivery)
            {
                Some(visited) => visited.hits.push((*number, hit.clone())),
                None => due.push(Visited {
                    delivery: hit.delivery,
                    hits: vec![(*number, hit.clone())],
                    delivered_at: state.delivered.get(&hit.delivery).copied(),
                    before: Some(VisitsBefore::default()),
                }),
            }
        }
        due.retain(|visited| visited.hits[0].1.at < before);
        Ok(due)
    }

    async fn tell_hits(&self, told: Vec<ToldVisit>) -> Result<(), StoreError> {
        self.stands()?;
        let mut state = self.state();
        let numbers: Vec<_> = told.iter().flat_map(|one| one.hits.clone()).collect();
        state.hits.retain(|(number, _)| !numbers.contains(number));
        state.told.extend(told);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        claim: Claim,
        method: UnsubscribeMethod,
        _: Timestamp,
    ) -> Result<Unsubscribed, StoreError> {
        self.stands()?;
        let mut state = self.state();
        let Some(subscription) = state.subscriptions.get_mut(&claim.delivery) else {
            return Ok(Unsubscribed::Unknown);
        };
        if subscription.is_done {
            return Ok(Unsubscribed::Already);
        }
        subscription.is_done = true;
        state.unsubscribed.push((claim.delivery, method));
        Ok(Unsubscribed::Now)
    }

    async fn unsubscribing(&self, claim: Claim) -> Result<Option<Unsubscribing>, StoreError> {
        self.stands()?;
        Ok(self.state().subscriptions.get(&claim.delivery).cloned())
    }
}

#[async_trait]
impl Links for FakeStore {
    async fn keep_links(&self, urls: Vec<String>, _: Timestamp) -> Result<(), StoreError> {
        for url in urls {
            self.keep_link(&url);
        }
        Ok(())
    }

    async fn link(&self, name: [u8; 16]) -> Result<Option<String>, StoreError> {
        self.look_ups.acquire().await.unwrap().forget();
        self.stands()?;
        Ok(self.state().links.get(&name).cloned())
    }
}

/// The door only looks.
#[async_trait]
impl Tenants for FakeStore {
    fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.lock().unwrap())
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn create_workspace(&self, _: &str, _: Timestamp) -> Result<Workspace, TenantError> {
        unreachable!()
    }

    async fn create_configuration_set(
        &self,
        _: NewConfigurationSet,
        _: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        unreachable!()
    }

    async fn change_configuration_set(&self, _: ConfigurationSet) -> Result<(), TenantError> {
        unreachable!()
    }

    async fn add_domain(&self, _: SendingDomain) -> Result<(), TenantError> {
        unreachable!()
    }

    async fn create_destination(&self, _: Destination) -> Result<(), TenantError> {
        unreachable!()
    }

    async fn create_credential(
        &self,
        _: NewCredential,
        _: Timestamp,
    ) -> Result<Credential, TenantError> {
        unreachable!()
    }

    async fn revoke_credential(
        &self,
        _: &str,
        _: LeftQueue,
        _: Timestamp,
    ) -> Result<(), TenantError> {
        unreachable!()
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        unreachable!()
    }
}
