//! Which hosts are asked for TLS (RFC 3207), and which have shown that theirs does not work.
//!
//! Where nothing says that a host must be secured, mail is worth more than secrecy that nobody
//! asked for. A host that refuses STARTTLS goes on in plaintext on the same connection. One whose
//! handshake fails is dialled again at once, without TLS, and is not asked again for a while.
//! Either is told with the try. What is not forgiven is more than a reply to STARTTLS: somebody
//! in between may have put it there, and the host is left for another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use postbell_model::{Domain, Monotonic};
use serde::Deserialize;

use crate::plan::Target;

/// How long a host is not asked for TLS after its handshake failed.
const BROKEN_FOR: Duration = Duration::from_hours(1);
/// Hosts remembered; those beyond are asked again each time.
const MAX_BROKEN: usize = 10_000;

/// Whether mail goes out under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsPolicy {
    /// Where the host offers it and it works, whatever its certificate.
    Opportunistic,
    /// Never: for tests, and for networks that are private.
    Off,
}

/// The hosts whose handshake failed.
#[derive(Debug, Default)]
pub(crate) struct BrokenTls {
    until: Mutex<HashMap<(Domain, IpAddr), Monotonic>>,
}

impl BrokenTls {
    pub(crate) fn remember(&self, target: &Target, now: Monotonic) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= MAX_BROKEN {
            until.retain(|_, end| *end > now);
        }
        if until.len() < MAX_BROKEN {
            until.insert(key(target), now.after(BROKEN_FOR));
        }
    }

    pub(crate) fn has(&self, target: &Target, now: Monotonic) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        match until.get(&key(target)) {
            Some(end) if *end > now => true,
            Some(_) => {
                until.remove(&key(target));
                false
            }
            None => false,
        }
    }
}

fn key(target: &Target) -> (Domain, IpAddr) {
    (target.host.clone(), target.ip)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn target(number: u32) -> Target {
        Target {
            preference: 10,
            host: Domain::parse("mx.example.com").unwrap(),
            ip: Ipv4Addr::from_bits(number).into(),
            relay: None,
            named_port: None,
        }
    }

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let (broken, now) = (BrokenTls::default(), Monotonic::default());
        broken.remember(&target(1), now);
        assert!(broken.has(&target(1), now));
        assert!(!broken.has(&target(2), now));
        assert!(!broken.has(&target(1), now.after(BROKEN_FOR)));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (broken, now) = (BrokenTls::default(), Monotonic::default());
        let many = u32::try_from(MAX_BROKEN).unwrap();
        for number in 0..=many {
            broken.remember(&target(number), now);
        }
        assert!(broken.has(&target(0), now));
        assert!(!broken.has(&target(many), now));
        let later = now.after(BROKEN_FOR);
        broken.remember(&target(many), later);
        assert!(broken.has(&target(many), later));
    }
}
