//! seal: a message that came in and goes on with our ARC set in front (RFC 8617), in the place of
//! DKIM signatures: it is not ours to sign.
//!
//! The key is that of the domain which sends it on; where that has none, the operator's. A message
//! that can't be sealed so that anybody could make something of it goes on without: its chain was
//! broken before, or there is no RSA key.

use std::sync::Arc;

use bytes::Bytes;
use postbell_mail::arc::{SealError, seal};
use postbell_mail::dkim::Signer;
use postbell_model::{Domain, Forward, KeyAlgorithm, Message};
use postbell_store::Directory;

use super::ring::Unreadable;
use super::{PATIENCE, Signing, unsigned};
use crate::render::Unready;
use crate::stage::Stage;

impl Signing {
    /// What seals mail that this message's owner sends on.
    fn sealer(
        &self,
        directory: &Directory,
        message: &Message,
        forward: &Forward,
    ) -> Result<Option<Arc<Signer>>, Unreadable> {
        let own = directory.domain(forward.via.domain());
        let own = own.filter(|domain| domain.workspace == message.workspace);
        let own = own.map(|domain| &domain.name);
        for domain in own.into_iter().chain(&self.operator_domain) {
            let signers = self.ring.signers(directory, domain)?;
            // RFC 8617 §4.1.2: a=rsa-sha256 alone.
            let rsa = |signer: &Arc<Signer>| signer.key.algorithm() == KeyAlgorithm::Rsa;
            if let Some(signer) = signers.into_iter().find(rsa) {
                return Ok(Some(signer));
            }
        }
        Ok(None)
    }
}

impl Stage {
    /// The octets of a message that goes on, sealed where that is of use.
    pub(super) async fn seal(
        &self,
        signing: &Signing,
        (message, forward): (&Message, &Forward),
        mut chunks: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, Unready> {
        let signer = signing.sealer(&self.tenants.directory(), message, forward);
        let signer = signer.map_err(|_| unsigned("The keys of its domain can't be read"))?;
        let (Some(signer), Ok(us)) = (signer, Domain::parse(&self.options.hostname)) else {
            return Ok(chunks);
        };
        let (octets, found) = (chunks.clone(), forward.authentication.clone());
        let at = self.clock.now();
        let sealing = signing
            .pool
            .run(move || seal(&octets, &signer, &us, &found, at));
        match tokio::time::timeout(PATIENCE, sealing).await {
            Ok(Some(Ok(fields))) => {
                chunks.insert(0, fields);
                Ok(chunks)
            }
            Ok(Some(Err(SealError::Key(error)))) => {
                Err(unsigned(&format!("It can't be sealed: {error}")))
            }
            Ok(Some(Err(why))) => {
                tracing::debug!(message.id = %message.id, "goes on without a seal: {why}");
                Ok(chunks)
            }
            Ok(None) => Err(unsigned("It can't be sealed")),
            Err(_) => Err(Unready::NoRoom),
        }
    }
}
