//! Who is it? Usernames and passwords against the credentials in the directory.
//!
//! Argon2id makes a check cost much, so few are made at a time, and a password that was right is
//! remembered for a while under a keyed hash. A name that nobody has costs what a wrong password
//! costs. SCRAM costs nothing here, and tells no more of who there is. Failures are answered late, and an address with many of them is blocked for a time.

mod failures;
mod remembered;
mod scram;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use postbell_model::{Clock, Credential, CredentialId, Reply, Secret, WorkspaceId};
use postbell_store::{Tenants, password};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{error, info};

use failures::Failures;
use remembered::Remembered;

pub(crate) use scram::Challenged;

// How long a client may wait for its turn. Longer than this, the checks of others have no end.
const TURN_LIMIT: Duration = Duration::from_secs(30);

/// How passwords are checked and guessing is slowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginOptions {
    /// Passwords checked at the same time.
    pub max_checks: usize,
    /// How long a password that was right need not be checked again.
    pub remember: Duration,
    /// Passwords remembered.
    pub max_remembered: usize,
    /// How late the first failure of an address is answered; doubles.
    pub failure_delay: Duration,
    /// The longest such delay.
    pub longest_failure_delay: Duration,
    /// Failures of an address within the window after which it is blocked.
    pub max_failures: u32,
    /// For how long failures count.
    pub failure_window: Duration,
    /// How long an address is blocked.
    pub block: Duration,
    /// Addresses whose failures are counted.
    pub max_addresses: usize,
}

/// Who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) workspace: WorkspaceId,
    pub(crate) credential: CredentialId,
    pub(crate) username: String,
}

/// Checks passwords. One for all sessions of a door.
pub(crate) struct Logins {
    options: LoginOptions,
    tenants: Arc<dyn Tenants>,
    clock: Arc<dyn Clock>,
    turns: Arc<Semaphore>,
    remembered: Mutex<Remembered>,
    failures: Mutex<Failures>,
    /// What the salts of names that nobody has are made with.
    nobody: Secret,
}

impl Logins {
    pub(crate) fn new(
        options: LoginOptions,
        tenants: Arc<dyn Tenants>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            nobody: secret_of_nobody(tenants.as_ref()),
            options,
            tenants,
            clock,
            turns: Arc::new(Semaphore::new(options.max_checks)),
            remembered: Mutex::new(Remembered::new(options.max_remembered)),
            failures: Mutex::new(Failures::new(options)),
        }
    }

    /// The user whose password this is; otherwise what the client is told, and not at once.
    pub(crate) async fn check(
        &self,
        ip: IpAddr,
        username: &str,
        password: Secret,
    ) -> Result<User, Reply> {
        self.refuse_blocked(ip)?;
        let directory = self.tenants.directory();
        let credential = directory.credential(username).filter(|c| is_active(c));
        let hash = match credential {
            Some(credential) => credential.password_hash.clone(),
            None => Secret::new(password::NOBODY),
        };
        let key = lock(&self.remembered).key(username, &password, &hash);
        if let Some(credential) = credential
            && lock(&self.remembered).holds(key, self.clock.monotonic())
        {
            return Ok(user(credential));
        }
        let is_right = self.verify(ip, password, hash).await?;
        match credential {
            Some(credential) if is_right => {
                let until = self.clock.monotonic().after(self.options.remember);
                lock(&self.remembered).keep(key, until);
                Ok(user(credential))
            }
            _ => Err(self.failed(ip, credential).await),
        }
    }

    /// Whether the user's credential is still in use.
    pub(crate) fn is_current(&self, user: &User) -> bool {
        let directory = self.tenants.directory();
        let credential = directory.credential(&user.username);
        credential.is_some_and(|c| is_active(c) && c.id == user.credential)
    }

    /// Says what a blocked address is told.
    pub(crate) fn refuse_blocked(&self, ip: IpAddr) -> Result<(), Reply> {
        if lock(&self.failures).is_blocked(ip, self.clock.monotonic()) {
            let text = format!("Too many failed logins from {ip}; try again later");
            return Err(Reply::new(421, 7, 0, text));
        }
        Ok(())
    }

    /// Checks a password where it holds nothing else up. The turn is given back when the check
    /// has ended, even where nobody waits for it any more.
    async fn verify(&self, ip: IpAddr, password: Secret, hash: Secret) -> Result<bool, Reply> {
        let turn = timeout(TURN_LIMIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            error!("a password was not checked within {TURN_LIMIT:?}: too many wait for it");
            return Err(unavailable());
        };
        // Others from there may have failed meanwhile.
        self.refuse_blocked(ip)?;
        let check = move || {
            let is_right = password::verify(password.expose(), &hash);
            drop(turn);
            is_right
        };
        tokio::task::spawn_blocking(check)
            .await
            .map_err(|_| unavailable())
    }

    async fn failed(&self, ip: IpAddr, credential: Option<&Credential>) -> Reply {
        match credential {
            Some(credential) => info!(credential.id = %credential.id, "a password was wrong"),
            None => info!("somebody unknown has tried to log in"),
        }
        let delay = lock(&self.failures).record(ip, self.clock.monotonic());
        self.clock.sleep(delay).await;
        match self.refuse_blocked(ip) {
            Err(blocked) => blocked,
            Ok(()) => Reply::new(535, 7, 8, "Wrong username or password"),
        }
    }
}

/// The oldest of the keys that were made with the database, so that a restart changes no salt.
fn secret_of_nobody(tenants: &dyn Tenants) -> Secret {
    if let Some((_, key)) = tenants.token_keys().into_iter().next() {
        return key;
    }
    let mut octets = [0; 32];
    // Without random numbers nobody logs in by SCRAM at all.
    let _ = rand::fill(&mut octets);
    Secret::new(octets)
}

fn user(credential: &Credential) -> User {
    User {
        workspace: credential.workspace,
        credential: credential.id,
        username: credential.username.clone(),
    }
}

fn is_active(credential: &Credential) -> bool {
    credential.revoked_at.is_none()
}

// RFC 4954 §6
fn unavailable() -> Reply {
    Reply::new(454, 7, 0, "Passwords can't be checked now; try again later")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
