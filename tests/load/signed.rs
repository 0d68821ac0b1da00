//! Signed mail: keys for the sender's domain, their records in the DNS, and a count of the
//! signatures that arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use postbell_peers::dns::{Entry, Table};
use postbell_peers::mx::Moment;
use postbell_tests::installation::{Installation, SENDER_DOMAIN};
use serde_json::Value;

const FIELD: &[u8] = b"DKIM-Signature:";

/// The keys that sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keys {
    /// RSA-2048
    Rsa,
    /// RSA-2048 and Ed25519
    Both,
}

impl Keys {
    /// Signatures of a message.
    pub(crate) const fn count(self) -> u64 {
        match self {
            Self::Rsa => 1,
            Self::Both => 2,
        }
    }

    fn has(self, record: &str) -> bool {
        match self {
            Self::Rsa => record.contains("k=rsa"),
            Self::Both => true,
        }
    }
}

/// Publishes the records of these keys and has the program see them: a key signs from then on.
pub(crate) async fn publish(
    keys: Keys,
    installation: &Installation,
    dns: &Table,
) -> anyhow::Result<()> {
    let show = ["domain", "show", SENDER_DOMAIN, "--json"];
    let shown: Value = serde_json::from_str(&installation.run(&show).await?)?;
    let records = shown["records"]
        .as_array()
        .context("no records are shown")?;
    for record in records {
        let name = record["name"].as_str().unwrap_or_default();
        let value = record["value"].as_str().unwrap_or_default();
        if name.contains("._domainkey.") && keys.has(value) {
            dns.set(name, Entry::txt([value]));
        }
    }
    // It fails, since the other records are not there, after it has looked for all of them.
    let check = ["domain", "check", SENDER_DOMAIN];
    let _others_missing = installation.run(&check).await;
    let shown: Value = serde_json::from_str(&installation.run(&show).await?)?;
    let states = shown["keys"].as_array().into_iter().flatten();
    let active = states.filter(|key| key["state"] == "active").count() as u64;
    ensure!(active == keys.count(), "{active} keys sign: {shown}");
    Ok(())
}

/// Counts the signatures of what an MX takes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Signatures(Arc<AtomicU64>);

impl Signatures {
    /// For the MX.
    pub(crate) fn ledger(&self) -> postbell_peers::mx::Ledger {
        let count = Arc::clone(&self.0);
        Arc::new(move |received, moment| {
            if moment == Moment::BeforeReply {
                count.fetch_add(signatures(&received.body), Ordering::Relaxed);
            }
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Fields that begin a line of the header.
fn signatures(message: &[u8]) -> u64 {
    let lines = message.split(|octet| *octet == b'\n');
    let header = lines.take_while(|line| !matches!(*line, b"" | b"\r"));
    header.filter(|line| line.starts_with(FIELD)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_the_header_are_counted() {
        let mail = b"DKIM-Signature: a;\r\n b\r\nFrom: x\r\nDKIM-Signature: c\r\n\r\nDKIM-Signature: d\r\n";
        assert_eq!(signatures(mail), 2);
        assert_eq!(signatures(b""), 0);
    }
}
