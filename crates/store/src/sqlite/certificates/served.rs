//! The same for whoever serves.

use async_trait::async_trait;
use postbell_model::{Domain, Timestamp};

use crate::{
    Certificates, HostCertificate, KeptCertificate, OrderClaim, OrderFailure, Proof, StoreError,
};

use super::super::SqliteStore;

#[async_trait]
impl Certificates for SqliteStore {
    async fn certificates_version(&self) -> Result<u64, StoreError> {
        self.tenants.certificates_version().await
    }

    async fn certificates(&self) -> Result<Vec<HostCertificate>, StoreError> {
        self.tenants.certificates().await
    }

    async fn claim_order(&self, claim: OrderClaim) -> Result<bool, StoreError> {
        self.tenants.claim_order(claim).await
    }

    async fn count_order(
        &self,
        host: &Domain,
        hourly: u32,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.tenants.count_order(host, hourly, now).await
    }

    async fn keep_certificate(
        &self,
        host: &Domain,
        certificate: KeptCertificate,
    ) -> Result<(), StoreError> {
        self.tenants.keep_certificate(host, certificate).await
    }

    async fn fail_order(&self, failure: OrderFailure) -> Result<(), StoreError> {
        self.tenants.fail_order(failure).await
    }

    async fn release_order(&self, host: &Domain, holder: &str) -> Result<(), StoreError> {
        self.tenants.release_order(host, holder).await
    }

    async fn want_certificate(&self, host: &Domain) -> Result<(), StoreError> {
        self.tenants.want_certificate(host).await
    }

    async fn retire_certificates(
        &self,
        hosts: &[Domain],
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.tenants.retire_certificates(hosts, since).await
    }

    async fn forget_certificates(&self, hosts: &[Domain]) -> Result<(), StoreError> {
        self.tenants.forget_certificates(hosts).await
    }

    async fn show_proof(&self, proof: Proof, now: Timestamp) -> Result<(), StoreError> {
        self.tenants.show_proof(proof, now).await
    }

    async fn end_proof(&self, token: &str) -> Result<(), StoreError> {
        self.tenants.end_proof(token).await
    }

    async fn proofs(&self, now: Timestamp) -> Result<Vec<Proof>, StoreError> {
        self.tenants.proofs(now).await
    }

    async fn certificate_account(&self, authority: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.tenants.certificate_account(authority).await
    }

    async fn keep_certificate_account(
        &self,
        authority: &str,
        sealed: Vec<u8>,
        now: Timestamp,
    ) -> Result<Vec<u8>, StoreError> {
        let kept = self
            .tenants
            .keep_certificate_account(authority, sealed, now);
        kept.await
    }

    async fn forget_certificate_account(
        &self,
        authority: &str,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let forgotten = self.tenants.forget_certificate_account(authority, sealed);
        forgotten.await
    }
}
