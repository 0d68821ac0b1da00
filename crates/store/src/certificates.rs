//! Certificates that the program asks for itself (RFC 8555): accounts, certificates, what became of
//! asking, and what proves hosts to be ours meanwhile.
//!
//! They stand in the store so that every process that serves from it shows the same, and answers for
//! what another one has asked. Keys come sealed and are never opened here.

use async_trait::async_trait;
use postbell_model::{Domain, Timestamp};

use crate::StoreError;

/// Certificates of hosts, by their names.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// Counts every change of the certificates and proofs: who sees the number that was seen before has
    /// nothing to read.
    ///
    /// # Errors
    /// The database can't be read.
    async fn certificates_version(&self) -> Result<u64, StoreError>;

    /// The certificates, and what became of asking for them, by host.
    ///
    /// # Errors
    /// The database can't be read.
    async fn certificates(&self) -> Result<Vec<HostCertificate>, StoreError>;

    /// Takes it upon a holder to ask for the certificate of a host: nobody else does until the claim has
    /// ended, or its time is over. Whether it is the holder's: else somebody asks already, or has, or it
    /// is too early.
    ///
    /// # Errors
    /// The store did not take it.
    async fn claim_order(&self, claim: OrderClaim) -> Result<bool, StoreError>;

    /// Counts an order that is about to begin, of which there are so many in an hour at most. When there
    /// is room for one more, where there is none now.
    ///
    /// # Errors
    /// The store did not take it.
    async fn count_order(
        &self,
        host: &Domain,
        hourly: u32,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Keeps a new certificate of a host and ends the claim on it; what has failed before is over.
    ///
    /// # Errors
    /// The store did not take it.
    async fn keep_certificate(
        &self,
        host: &Domain,
        certificate: KeptCertificate,
    ) -> Result<(), StoreError>;

    /// Writes down that asking has failed, and ends the claim. The certificate that is there stays. Of
    /// a holder whose claim is over nothing is written.
    ///
    /// # Errors
    /// The store did not take it.
    async fn fail_order(&self, failure: OrderFailure) -> Result<(), StoreError>;

    /// Ends a claim without anything having come of it.
    ///
    /// # Errors
    /// The store did not take it.
    async fn release_order(&self, host: &Domain, holder: &str) -> Result<(), StoreError>;

    /// Has a certificate asked for at once, whatever became of it before, and however long the one that
    /// is there holds.
    ///
    /// # Errors
    /// The store did not take it.
    async fn want_certificate(&self, host: &Domain) -> Result<(), StoreError>;

    /// Writes down since when no new link is at hosts, unless that was written before; `None`: new ones are.
    ///
    /// # Errors
    /// The store did not take it.
    async fn retire_certificates(
        &self,
        hosts: &[Domain],
        since: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// Forgets hosts: those that are nobody's any more.
    ///
    /// # Errors
    /// The store did not take it.
    async fn forget_certificates(&self, hosts: &[Domain]) -> Result<(), StoreError>;

    /// Shows what proves a host to be ours, until it is over. What was over at `now` is forgotten.
    ///
    /// # Errors
    /// The store did not take it.
    async fn show_proof(&self, proof: Proof, now: Timestamp) -> Result<(), StoreError>;

    /// Shows it no longer.
    ///
    /// # Errors
    /// The store did not take it.
    async fn end_proof(&self, token: &str) -> Result<(), StoreError>;

    /// What is to be shown at `now`.
    ///
    /// # Errors
    /// The database can't be read.
    async fn proofs(&self, now: Timestamp) -> Result<Vec<Proof>, StoreError>;

    /// The sealed account at an authority.
    ///
    /// # Errors
    /// The database can't be read.
    async fn certificate_account(&self, authority: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps an account, unless there is one: the one that is kept.
    ///
    /// # Errors
    /// The store did not take it.
    async fn keep_certificate_account(
        &self,
        authority: &str,
        sealed: Vec<u8>,
        now: Timestamp,
    ) -> Result<Vec<u8>, StoreError>;

    /// Forgets an account that its authority does not know. One that has taken its place stays.
    ///
    /// # Errors
    /// The store did not take it.
    async fn forget_certificate_account(
        &self,
        authority: &str,
        sealed: &[u8],
    ) -> Result<(), StoreError>;
}

/// A host, its certificate, and what became of asking for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCertificate {
    /// The host.
    pub host: Domain,
    /// The last one that was got.
    pub certificate: Option<KeptCertificate>,
    /// How often asking has failed since.
    pub failures: u32,
    /// Why it did, the last time.
    pub fault: Option<OrderFault>,
    /// Nobody asks before.
    pub retry_at: Option<Timestamp>,
    /// Whether an operator wants another one.
    pub is_wanted: bool,
    /// Until when somebody asks for one.
    pub held_until: Option<Timestamp>,
    /// Since when no new link is at the host.
    pub retired_at: Option<Timestamp>,
}

/// A certificate with its sealed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCertificate {
    /// The directory of the authority that gave it.
    pub authority: String,
    /// It and those above it, in PEM, its own first.
    pub chain: String,
    /// Its key, sealed.
    pub sealed: Vec<u8>,
    /// When it came.
    pub issued_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

impl KeptCertificate {
    /// Where the key of a host's certificate is sealed.
    pub fn place(host: &Domain) -> String {
        format!("certificate of {host}")
    }

    /// Where the account at an authority is sealed.
    pub fn account_place(authority: &str) -> String {
        format!("certificate account at {authority}")
    }
}

/// Why there was no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFault {
    /// For an operator.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Somebody is about to ask for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderClaim {
    /// For which host.
    pub host: Domain,
    /// Who.
    pub holder: String,
    /// When the certificate came that is to be replaced: where there is another one meanwhile, there is
    /// nothing to ask for.
    pub instead_of: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
    /// Until when it must be done.
    pub until: Timestamp,
}

/// What has gone wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFailure {
    /// For which host.
    pub host: Domain,
    /// Who has asked.
    pub holder: String,
    /// Why there is none.
    pub fault: OrderFault,
    /// How many failures of the host that makes in a row.
    pub failures: u32,
    /// Nobody asks again before.
    pub retry_at: Timestamp,
}

/// What proves a host to be ours (RFC 8555 §8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// By which it is asked for.
    pub token: String,
    /// The host.
    pub host: Domain,
    /// What is answered.
    pub key_authorization: String,
    /// Until when.
    pub until: Timestamp,
}
