//! Public keys in the DNS (RFC 6376 §3.6), for DKIM and ARC alike.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use postbell_mail::authentication::tags::{Tags, items};
use postbell_model::authentication::{DkimAlgorithm, Verdict};
use postbell_model::{Clock, Domain, Monotonic};
use postbell_net::RecordKind;

use super::questions::{NoAnswer, Questions, texts};

/// Keys that are remembered.
const KEYS_MAX: usize = 10_000;
/// The longest that one is, whatever its record says: it may be revoked.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// Records of one name that are looked at (RFC 6376 §3.6.2.2: there should be one).
const RECORDS_MAX: usize = 4;
/// A longer record is not read: an RSA key of 4096 bits has 700 octets.
const RECORD_MAX: usize = 4_096;
/// RFC 8463 §4.2
const ED25519_LEN: usize = 32;
// RFC 8301 §3.2: a shorter key proves nothing.
const RSA_BITS_MIN: usize = 1_024;
// And a longer one than anybody has to verify with takes long.
const RSA_BITS_MAX: usize = 4_096;

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) verdict: Verdict,
    pub(super) reason: &'static str,
}

pub(super) const fn fault(verdict: Verdict, reason: &'static str) -> Fault {
    Fault { verdict, reason }
}

/// A key, and what its record says about its use.
pub(super) struct PublicKey {
    key: DomainKey,
    is_ed25519: bool,
    /// `t=s`: the identity is in the domain itself.
    pub(super) is_exact: bool,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("is_ed25519", &self.is_ed25519)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a record.
    pub(super) fn read(record: &[u8]) -> Result<Self, Fault> {
        const MALFORMED: Fault = fault(Verdict::PermError, "the key record is malformed");
        if record.len() > RECORD_MAX {
            return Err(MALFORMED);
        }
        let tags = Tags::read(record).map_err(|_| MALFORMED)?;
        // RFC 6376 §3.6.1: the version comes first, if there is one.
        if tags.names().skip(1).any(|name| name == "v")
            || tags.get("v").is_some_and(|version| version != "DKIM1")
        {
            return Err(MALFORMED);
        }
        if tags.get("p").is_some_and(str::is_empty) {
            return Err(fault(Verdict::PermError, "the key was revoked"));
        }
        let is_listed = |tag: &str, words: &[&str]| {
            tags.get(tag).is_none_or(|list| {
                items(list).any(|item| words.iter().any(|word| item.eq_ignore_ascii_case(word)))
            })
        };
        if !is_listed("h", &["sha256"]) || !is_listed("s", &["*", "email"]) {
            return Err(fault(Verdict::PermError, "the key is for something else"));
        }
        let is_ed25519 = tags.get("k").is_some_and(|kind| kind == "ed25519");
        let key = DomainKey::parse(record).map_err(|_| MALFORMED)?;
        if is_ed25519 && !has_length(tags.get("p"), ED25519_LEN) {
            return Err(MALFORMED);
        }
        let flags = tags.get("t").unwrap_or_default();
        Ok(Self {
            key,
            is_ed25519,
            is_exact: items(flags).any(|flag| flag == "s"),
        })
    }

    /// Whether it made this signature of these octets.
    pub(super) fn verify(
        &self,
        algorithm: DkimAlgorithm,
        octets: &[u8],
        signature: &[u8],
    ) -> Result<(), Fault> {
        const OTHER: Fault = fault(Verdict::PermError, "the key is of another algorithm");
        let algorithm = match (algorithm, self.is_ed25519) {
            (DkimAlgorithm::RsaSha256, false) => Algorithm::RsaSha256,
            (DkimAlgorithm::Ed25519Sha256, true) => Algorithm::Ed25519Sha256,
            _ => return Err(OTHER),
        };
        if !self.is_ed25519 {
            match self.key.p.public_key_bits() {
                ..RSA_BITS_MIN => return Err(fault(Verdict::Policy, "the key is too short")),
                RSA_BITS_MIN..=RSA_BITS_MAX => {}
                _ => return Err(fault(Verdict::Policy, "the key is too long")),
            }
        }
        self.key
            .p
            .verify_bytes(octets, signature, algorithm)
            .map_err(|_| fault(Verdict::Fail, "the signature is not of this header"))
    }
}

fn has_length(base64: Option<&str>, octets: usize) -> bool {
    let digits = |c: &char| !c.is_ascii_whitespace() && *c != '=';
    let count = base64.unwrap_or_default().chars().filter(digits).count();
    count * 6 / 8 == octets
}

/// Finds keys, for one message.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    pub(super) questions: &'a Questions<'a>,
    pub(super) keys: &'a Keys,
    pub(super) clock: &'a dyn Clock,
}

impl Lookup<'_> {
    /// The key of a selector.
    pub(super) async fn key(
        &self,
        selector: &str,
        domain: &Domain,
    ) -> Result<Arc<PublicKey>, Fault> {
        let name = format!("{selector}._domainkey.{domain}");
        let now = self.clock.monotonic();
        if let Some(key) = self.keys.get(&name, now) {
            return Ok(key);
        }
        let answer = match self.questions.ask(&name, RecordKind::Txt).await {
            Ok(answer) => answer,
            Err(NoAnswer::Nothing) => return Err(fault(Verdict::PermError, "there is no key")),
            Err(NoAnswer::Unknown) => {
                return Err(fault(Verdict::TempError, "the key could not be looked up"));
            }
        };
        let valid_for = answer.valid_for.min(REMEMBERED);
        let mut worst = fault(Verdict::PermError, "there is no key");
        for record in texts(answer).iter().take(RECORDS_MAX) {
            match PublicKey::read(record) {
                Ok(key) => {
                    let key = Arc::new(key);
                    self.keys.keep(name, &key, now, valid_for);
                    return Ok(key);
                }
                Err(fault) => worst = fault,
            }
        }
        Err(worst)
    }
}

/// Keys that were looked up, for as long as their records are valid.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashMap<String, (Arc<PublicKey>, Monotonic)>>);

impl Keys {
    fn get(&self, name: &str, now: Monotonic) -> Option<Arc<PublicKey>> {
        let keys = self.lock();
        let (key, until) = keys.get(name)?;
        (now < *until).then(|| Arc::clone(key))
    }

    fn keep(&self, name: String, key: &Arc<PublicKey>, now: Monotonic, valid_for: Duration) {
        if valid_for.is_zero() {
            return;
        }
        let mut keys = self.lock();
        if keys.len() >= KEYS_MAX {
            keys.retain(|_, (_, until)| now < *until);
        }
        if keys.len() >= KEYS_MAX {
            // All at once: to look for the oldest each time would cost more than to ask again.
            keys.clear();
        }
        keys.insert(name, (Arc::clone(key), now.after(valid_for)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Arc<PublicKey>, Monotonic)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn check(record: &str, expected: Result<(), &str>) {
        let read = PublicKey::read(record.as_bytes());
        let read = read.as_ref().map(|_| ()).map_err(|fault| fault.reason);
        assert_eq!(read, expected, "{record}");
    }

    #[test]
    fn records_are_read() {
        check(&format!("v=DKIM1; k=ed25519; {ED25519}"), Ok(()));
        check(
            &format!("k=ed25519; h=sha1:SHA256; s=other:email; {ED25519};"),
            Ok(()),
        );
        let malformed = Err("the key record is malformed");
        check(&format!("k=ed25519; v=DKIM1; {ED25519}"), malformed);
        check(&format!("v=DKIM2; k=ed25519; {ED25519}"), malformed);
        check("v=DKIM1; k=ed25519; p=AQID", malformed);
        check("v=DKIM1; k=ed25519", malformed);
        check("v=spf1 -all", malformed);
        check(&format!("k=dsa; {ED25519}"), malformed);
        check(&"a=b;".repeat(2_000), malformed);
        check("v=DKIM1; p=", Err("the key was revoked"));
        let other = Err("the key is for something else");
        check(&format!("k=ed25519; h=sha1; {ED25519}"), other);
        check(&format!("k=ed25519; s=tlsrpt; {ED25519}"), other);
    }

    #[test]
    fn keys_are_remembered_for_a_while() {
        let keys = Keys::default();
        let key = Arc::new(PublicKey::read(format!("k=ed25519; {ED25519}").as_bytes()).unwrap());
        let at = |seconds| Monotonic(Duration::from_secs(seconds));
        keys.keep("a".to_owned(), &key, at(0), Duration::from_secs(60));
        assert!(keys.get("a", at(59)).is_some());
        assert!(keys.get("a", at(60)).is_none());
        keys.keep("b".to_owned(), &key, at(0), Duration::ZERO);
        assert!(keys.get("b", at(0)).is_none());
        for n in 0..2 * KEYS_MAX {
            keys.keep(n.to_string(), &key, at(0), Duration::from_secs(60));
            assert!(keys.lock().len() <= KEYS_MAX);
        }
    }
}
