//! Logging in without telling the password: SCRAM-SHA-256 (RFC 5802 §3).
//!
//! Who has no keys, because nobody has that name or the password has none, gets a salt that stays
//! the same from try to try, and a proof that is never right: nothing tells the names apart.

use std::net::IpAddr;

use postbell_model::{Credential, Reply, ScramKeys};
use postbell_smtp::ScramChallenge;
use postbell_store::scram;

use super::{Logins, User, is_active, unavailable, user};

/// A client was challenged, and its proof is awaited.
#[derive(Debug)]
pub(crate) struct Challenged {
    username: String,
    keys: ScramKeys,
}

impl Logins {
    /// What a client needs for its proof.
    pub(crate) fn challenge(
        &self,
        ip: IpAddr,
        username: String,
    ) -> Result<(ScramChallenge, Challenged), Reply> {
        self.refuse_blocked(ip)?;
        let nonce = scram::nonce().map_err(|_| unavailable())?;
        // Made where it is not needed, too, so that it takes the same time.
        let nobody = scram::nobody(&self.nobody, &username);
        let directory = self.tenants.directory();
        // A revoked credential goes on with its own salt: a new one would tell of it.
        let credential = directory.credential(&username);
        let keys = credential.and_then(|credential| credential.scram.clone());
        let keys = keys.unwrap_or(nobody);
        let challenge = ScramChallenge {
            salt: keys.salt.clone(),
            iterations: keys.iterations,
            nonce,
        };
        Ok((challenge, Challenged { username, keys }))
    }

    /// The user whose proof this is, and our own proof; otherwise what the client is told, and
    /// not at once.
    pub(crate) async fn prove(
        &self,
        ip: IpAddr,
        challenged: Challenged,
        auth_message: &str,
        proof: &[u8; 32],
    ) -> Result<(User, [u8; 32]), Reply> {
        self.refuse_blocked(ip)?;
        let directory = self.tenants.directory();
        let credential = directory.credential(&challenged.username);
        let credential = credential.filter(|c| is_active(c) && has(c, &challenged.keys));
        let signature = scram::prove(&challenged.keys, auth_message.as_bytes(), proof);
        match (credential, signature) {
            (Some(credential), Some(signature)) => Ok((user(credential), signature)),
            (credential, _) => Err(self.failed(ip, credential).await),
        }
    }
}

/// Whether the keys are the credential's, which may have changed since the challenge.
fn has(credential: &Credential, keys: &ScramKeys) -> bool {
    credential.scram.as_ref() == Some(keys)
}
