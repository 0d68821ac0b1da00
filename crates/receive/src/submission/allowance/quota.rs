//! Recipients a day, from midnight to midnight in UTC.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postbell_model::{Clock, Reply};
use postbell_store::{Account, Allowances};
use tracing::error;

use super::Payer;

const DAY_SECONDS: u64 = 86_400;
/// As many writes a day, at most.
const PARTS: u32 = 100;

pub(super) struct Quotas {
    allowances: Arc<dyn Allowances>,
    clock: Arc<dyn Clock>,
    /// One for each account that has a quota.
    ledgers: Mutex<HashMap<Account, Arc<Ledger>>>,
}

/// What an account has spent.
#[derive(Debug, Default)]
struct Ledger {
    spent: Mutex<Spent>,
    /// Held while the store is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    /// `None`: the store was not asked yet.
    day: Option<u32>,
    recipients: u64,
    /// What was taken from the store, to be spent.
    granted: u64,
}

/// Recipients of a message that may still be refused. Dropped, they don't count.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Vec<(Arc<Ledger>, u32)>);

/// What a look at a ledger comes to.
enum Look {
    Took,
    /// The quota is spent.
    Empty,
    /// The store is to be asked.
    Ask,
}

impl Quotas {
    pub(super) fn new(allowances: Arc<dyn Allowances>, clock: Arc<dyn Clock>) -> Self {
        Self {
            allowances,
            clock,
            ledgers: Mutex::default(),
        }
    }

    /// Refuses where nothing is left of a quota, as far as it is known without the store.
    pub(super) fn refuse_spent(&self, payers: &[Payer]) -> Result<(), Reply> {
        let day = self.day();
        for payer in payers {
            let Some(quota) = payer.limits.quota else {
                continue;
            };
            let spent = *lock(&self.ledger(payer.account).spent);
            if spent.day == Some(day) && spent.recipients >= u64::from(quota) {
                return Err(self.refusal(payer, quota));
            }
        }
        Ok(())
    }

    /// Takes a recipient out of all quotas, or out of none.
    pub(super) async fn take(
        &self,
        payers: &[Payer],
        reserved: &mut Reserved,
    ) -> Result<(), Reply> {
        let mut taken = Reserved::default();
        for payer in payers {
            if let Some(quota) = payer.limits.quota {
                taken.0.push(self.take_one(payer, quota).await?);
            }
        }
        reserved.0.append(&mut taken.0);
        Ok(())
    }

    async fn take_one(&self, payer: &Payer, quota: u32) -> Result<(Arc<Ledger>, u32), Reply> {
        let (ledger, day) = (self.ledger(payer.account), self.day());
        loop {
            match ledger.look(day, quota) {
                Look::Took => return Ok((ledger, day)),
                Look::Empty => return Err(self.refusal(payer, quota)),
                Look::Ask => self.ask(&ledger, payer.account, day, quota).await?,
            }
        }
    }

    /// Takes the next part from the store, unless somebody else has done so meanwhile.
    async fn ask(
        &self,
        ledger: &Ledger,
        account: Account,
        day: u32,
        quota: u32,
    ) -> Result<(), Reply> {
        let _asking = ledger.asking.lock().await;
        let spent = *lock(&ledger.spent);
        let is_new = spent.day != Some(day);
        if !is_new && spent.recipients < spent.granted {
            return Ok(());
        }
        let count = if is_new { 0 } else { (quota / PARTS).max(1) };
        let granted = match self.allowances.take(account, day, count).await {
            Ok(granted) => granted,
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "a quota can't be looked up"
                );
                return Err(unavailable());
            }
        };
        let mut spent = lock(&ledger.spent);
        if is_new {
            (spent.day, spent.recipients) = (Some(day), granted);
        }
        spent.granted = granted;
        Ok(())
    }

    fn ledger(&self, account: Account) -> Arc<Ledger> {
        let mut ledgers = lock(&self.ledgers);
        Arc::clone(ledgers.entry(account).or_default())
    }

    fn seconds(&self) -> u64 {
        self.clock.now().as_micros().unsigned_abs() / 1_000_000
    }

    fn day(&self) -> u32 {
        u32::try_from(self.seconds() / DAY_SECONDS).unwrap_or(u32::MAX)
    }

    // RFC 3463 §3.6: X.5.3, too many recipients; what is over may be sent another time.
    fn refusal(&self, payer: &Payer, quota: u32) -> Reply {
        let left = DAY_SECONDS - self.seconds() % DAY_SECONDS;
        let text = format!(
            "{} has used up its quota of {quota} recipients a day; it renews at 00:00 UTC, \
             in {} h {} min",
            payer.name,
            left / 3600,
            left % 3600 / 60
        );
        Reply::new(452, 5, 3, text)
    }
}

impl Ledger {
    fn look(&self, day: u32, quota: u32) -> Look {
        let mut spent = lock(&self.spent);
        if spent.day != Some(day) {
            return Look::Ask;
        }
        if spent.recipients >= u64::from(quota) {
            return Look::Empty;
        }
        if spent.recipients >= spent.granted {
            return Look::Ask;
        }
        spent.recipients += 1;
        Look::Took
    }
}

impl Reserved {
    /// The message was accepted: its recipients count.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for (ledger, day) in self.0.drain(..) {
            let mut spent = lock(&ledger.spent);
            // What was taken yesterday is no part of today's.
            if spent.day == Some(day) {
                spent.recipients = spent.recipients.saturating_sub(1);
            }
        }
    }
}

fn unavailable() -> Reply {
    Reply::new(
        451,
        3,
        0,
        "The quota can't be looked up now; try again later",
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
