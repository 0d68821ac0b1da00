//! Puts proofs into the store, where every process that serves from it takes them up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postbell_model::{Clock, Domain, Timestamp};
use postbell_net::acme::Prover;
use postbell_store::{Proof, Store};
use tracing::warn;

use super::shower::{LOOK_EVERY, Shower};

// What another process may be late by.
const TAKEN_UP: Duration = Duration::from_millis(500);

/// The proofs of one order.
pub(super) struct OrderProver<'a> {
    pub(super) store: &'a Arc<dyn Store>,
    pub(super) shower: &'a Shower,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) host: &'a Domain,
    pub(super) until: Timestamp,
    tokens: Mutex<Vec<String>>,
}

impl<'a> OrderProver<'a> {
    pub(super) fn new(
        (store, shower, clock): (&'a Arc<dyn Store>, &'a Shower, &'a Arc<dyn Clock>),
        host: &'a Domain,
        until: Timestamp,
    ) -> Self {
        Self {
            store,
            shower,
            clock,
            host,
            until,
            tokens: Mutex::default(),
        }
    }

    /// Shows none of them any longer.
    pub(super) async fn end(self) {
        let tokens = self.tokens.into_inner();
        for token in tokens.unwrap_or_else(PoisonError::into_inner) {
            if let Err(error) = self.store.end_proof(&token).await {
                warn!(
                    host = %self.host,
                    error = &error as &dyn std::error::Error,
                    "a proof is shown until its time is over"
                );
            }
        }
    }

    fn note(&self, token: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.push(token.to_owned());
    }

    async fn put(&self, token: &str, key_authorization: &str) -> anyhow::Result<()> {
        let proof = Proof {
            token: token.to_owned(),
            host: self.host.clone(),
            key_authorization: key_authorization.to_owned(),
            until: self.until,
        };
        self.store.show_proof(proof, self.clock.now()).await?;
        self.note(token);
        self.shower.look().await
    }
}

#[async_trait::async_trait]
impl Prover for OrderProver<'_> {
    async fn show(&self, token: &str, key_authorization: &str) -> Result<(), String> {
        let put = self.put(token, key_authorization).await;
        put.map_err(|error| format!("{error:#}"))?;
        // The authority may come to any of those that serve from the store.
        tokio::time::sleep(LOOK_EVERY + TAKEN_UP).await;
        Ok(())
    }
}
