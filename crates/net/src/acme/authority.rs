//! A certificate authority: the account there, and orders by it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use instant_acme::{Account, AccountCredentials, NewAccount};
use postbell_model::{Clock, Domain, Secret};
use tokio::time::timeout;

use super::error::AcmeError;
use super::exchange::Exchange;
use super::issued::IssuedCertificate;
use super::options::ChallengeKind;
use super::order;
use crate::HttpClient;

/// Puts proofs where an authority looks for them.
#[async_trait]
pub trait Prover: Send + Sync {
    /// Shows a proof; when it answers it is seen wherever the host leads.
    ///
    /// # Errors
    /// It can't be shown.
    async fn show(&self, token: &str, key_authorization: &str) -> Result<(), String>;
}

/// A certificate that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// For which host.
    pub host: &'a Domain,
    /// How it is proved to be ours.
    pub challenge: ChallengeKind,
    /// How long it may take.
    pub limit: Duration,
}

/// An authority, by its directory.
#[derive(Debug, Clone)]
pub struct Authority {
    directory: String,
    http: HttpClient,
    clock: Arc<dyn Clock>,
}

impl Authority {
    /// The authority of this directory.
    pub fn new(directory: String, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory,
            http,
            clock,
        }
    }

    /// The address of its directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Makes an account with a key of its own, whose owner agrees to the authority's terms (RFC 8555
    /// §7.3): what has to be kept of it.
    ///
    /// # Errors
    /// There is none.
    pub async fn register(&self, contact: &[String], limit: Duration) -> Result<Secret, AcmeError> {
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let exchange = self.exchange();
        let builder = Account::builder_with_http(Box::new(exchange.clone()));
        let made = timeout(limit, builder.create(&new, self.directory.clone(), None)).await;
        let made = made.map_err(|_| AcmeError::TimedOut(limit))?;
        let (_, credentials) =
            made.map_err(|error| AcmeError::of(error, exchange.retry_after()))?;
        let text = serde_json::to_vec(&credentials);
        text.map(Secret::new)
            .map_err(|error| AcmeError::BadAccount(error.to_string()))
    }

    /// Asks for a certificate by an account that [`Authority::register`] has made. What was shown may
    /// be taken away when it answers.
    ///
    /// # Errors
    /// There is none.
    pub async fn order(
        &self,
        account: &Secret,
        asked: Asked<'_>,
        prover: &dyn Prover,
    ) -> Result<IssuedCertificate, AcmeError> {
        let ordered = async {
            let exchange = self.exchange();
            let account = self::account(account, &exchange).await?;
            order::order(&account, &exchange, asked, prover).await
        };
        let ordered = timeout(asked.limit, ordered).await;
        ordered.unwrap_or(Err(AcmeError::TimedOut(asked.limit)))
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(self.http.clone(), Arc::clone(&self.clock))
    }
}

async fn account(kept: &Secret, exchange: &Exchange) -> Result<Account, AcmeError> {
    let credentials: AccountCredentials = serde_json::from_slice(kept.expose())
        .map_err(|error| AcmeError::BadAccount(error.to_string()))?;
    let builder = Account::builder_with_http(Box::new(exchange.clone()));
    let account = builder.from_credentials(credentials).await;
    account.map_err(|error| AcmeError::of(error, exchange.retry_after()))
}
