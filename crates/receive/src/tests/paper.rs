//! What is behind a door, on paper.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::BASE64;
use postbell_model::clock::Sleep;
use postbell_model::{
    Clock, ConfigurationSet, Credential, Destination, LeftQueue, Monotonic, Secret, SendingDomain,
    Timestamp, Workspace,
};
use postbell_store::{Directory, NewConfigurationSet, NewCredential, TenantError, Tenants};
use tokio::sync::watch;

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_777_811_697_456_123);

pub(super) struct PaperTenants(pub(super) Mutex<Arc<Directory>>);

#[async_trait]
impl Tenants for PaperTenants {
    fn directory(&self) -> Arc<Directory> {
        self.0.lock().unwrap().clone()
    }

    fn directory_changed(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn create_workspace(&self, _: &str, _: Timestamp) -> Result<Workspace, TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn create_configuration_set(
        &self,
        _: NewConfigurationSet,
        _: Timestamp,
    ) -> Result<ConfigurationSet, TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn change_configuration_set(&self, _: ConfigurationSet) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn add_domain(&self, _: SendingDomain) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn create_destination(&self, _: Destination) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn create_credential(
        &self,
        _: NewCredential,
        _: Timestamp,
    ) -> Result<Credential, TenantError> {
        unreachable!("a door makes nothing")
    }

    async fn revoke_credential(
        &self,
        _: &str,
        _: LeftQueue,
        _: Timestamp,
    ) -> Result<(), TenantError> {
        unreachable!("a door makes nothing")
    }

    fn token_keys(&self) -> Vec<(u8, Secret)> {
        Vec::new()
    }
}

/// A clock that is turned by hand, and on which every sleep ends at once.
#[derive(Debug, Default)]
pub(crate) struct RestlessClock {
    slept: Mutex<Vec<Duration>>,
    pub(super) since: Mutex<Duration>,
}

impl RestlessClock {
    /// How long it was slept, each time.
    pub(super) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Clock for RestlessClock {
    fn now(&self) -> Timestamp {
        NOW.after(*self.since.lock().unwrap())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(*self.since.lock().unwrap())
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep<'_> {
        let slept = at.since(self.monotonic());
        self.slept.lock().unwrap().push(slept);
        Box::pin(std::future::ready(()))
    }
}

pub(super) fn base64(octets: &[u8]) -> String {
    BASE64.encode(octets)
}

pub(super) fn from_base64(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).unwrap()
}
