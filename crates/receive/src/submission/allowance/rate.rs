//! Messages a minute.

use std::time::Duration;

use postbell_model::{Monotonic, Reply};
use postbell_store::Account;

use super::Payer;
use crate::door::buckets::Buckets;

/// What is left of each account's minute.
#[derive(Debug)]
pub(super) struct Rates(Buckets<Account>);

impl Default for Rates {
    fn default() -> Self {
        // There are as many accounts as somebody has made.
        Self(Buckets::new(usize::MAX))
    }
}

impl Rates {
    /// Takes a message out of all buckets, or out of none.
    pub(super) fn take(&mut self, payers: &[Payer], now: Monotonic) -> Result<(), Reply> {
        let mut taken = Vec::with_capacity(payers.len());
        for payer in payers {
            let Some(rate) = payer.limits.rate else {
                continue;
            };
            let left = self.0.after_one(payer.account, rate, now);
            let full_at = left.map_err(|wait| too_fast(payer, rate, wait))?;
            taken.push((payer.account, full_at));
        }
        self.0.take(taken, now);
        Ok(())
    }
}

// RFC 5321 §4.2.3: 450 is for what policy does not allow now; RFC 3463 §3.8: X.7.1.
fn too_fast(payer: &Payer, rate: u32, wait: Duration) -> Reply {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let text = format!(
        "{} may hand in {rate} messages a minute; try again in {seconds} s",
        payer.name
    );
    Reply::new(450, 7, 1, text)
}

#[cfg(test)]
mod tests {
    use postbell_model::{CredentialId, SendingLimits, WorkspaceId};

    use super::*;

    fn payer(account: Account, rate: u32) -> Payer {
        Payer {
            account,
            limits: SendingLimits {
                rate: Some(rate),
                quota: None,
            },
            name: "credential \"shop\"".to_owned(),
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let mut rates = Rates::default();
        let shop = [payer(Account::Credential(CredentialId(1)), 6)];
        for _ in 0..6 {
            assert_eq!(rates.take(&shop, at(100)), Ok(()));
        }
        let refused = rates.take(&shop, at(101)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "450 4.7.1 credential \"shop\" may hand in 6 messages a minute; try again in 9 s"
        );
        assert!(rates.take(&shop, at(109)).is_err());
        assert_eq!(rates.take(&shop, at(110)), Ok(()));
        assert!(rates.take(&shop, at(111)).is_err());
        for _ in 0..6 {
            assert_eq!(rates.take(&shop, at(1000)), Ok(()));
        }
        assert!(rates.take(&shop, at(1000)).is_err());
    }

    #[test]
    fn what_one_refuses_costs_the_other_nothing() {
        let mut rates = Rates::default();
        let credential = Account::Credential(CredentialId(1));
        let both = [
            payer(credential, 100),
            payer(Account::Workspace(WorkspaceId(1)), 1),
        ];
        assert_eq!(rates.take(&both, at(0)), Ok(()));
        let full_at = rates.0.full_at(credential);
        assert!(rates.take(&both, at(0)).is_err());
        assert_eq!(rates.0.full_at(credential), full_at);
    }
}
