//! Who mail that comes in is from: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489) and ARC
//! (RFC 8617).
//!
//! What records and signatures say is read by `postbell_mail`; here the DNS is asked, within
//! limits that no record and no message can stretch: 120 questions and 20 seconds a message, 10
//! terms of SPF, 10 signatures, 50 sets of ARC. Keys and their arithmetic are mail-auth's;
//! `docs/decisions/0018-sender-verification.md` says why the rest is not.
//!
//! Nothing is refused here: what follows from the results is the door's affair. Read in this
//! order: `questions`, `spf`, `key`, `dkim`, `arc`, `dmarc`.

mod arc;
mod body;
mod dkim;
mod dmarc;
mod key;
mod questions;
mod spf;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_mail::header::Header;
use postbell_model::authentication::{Authentication, SpfResult};
use postbell_model::{Clock, ReversePath};
use postbell_net::Resolver;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use body::Body;
use key::Keys;
use questions::Questions;

/// How long is looked, and how much is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderOptions {
    /// How long one message may take; what is not known by then is a `temperror`.
    // RFC 7208 §4.6.4: at least 20 seconds.
    pub time_limit: Duration,
    /// How many questions the DNS is asked about one message.
    pub questions: u32,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(20),
            questions: 120,
        }
    }
}

/// Where a message comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client.
    pub ip: IpAddr,
    /// The name that the client gave for itself.
    pub helo: String,
    /// The reverse-path.
    pub mail_from: ReversePath,
}

/// Verifies who messages are from. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct SenderVerifier {
    resolver: Resolver,
    options: SenderOptions,
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
}

impl SenderVerifier {
    /// A verifier that asks this resolver.
    pub fn new(resolver: Resolver, options: SenderOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            resolver,
            options,
            clock,
            keys: Arc::default(),
        }
    }

    /// Everything that can be found out about a message, as it was received: before any field of
    /// ours was put in front of it.
    ///
    /// Takes no longer than the options say and never fails. Costs a look at the body for each
    /// form in which it is signed, at most two, and some 30 µs for each signature; long bodies
    /// are hashed in pieces, so that no other task waits for long.
    pub async fn verify(&self, from: &Origin, message: &Bytes) -> Authentication {
        let deadline = Instant::now() + self.options.time_limit;
        let questions = Questions::new(&self.resolver, self.options.questions);
        let spf = timeout_at(deadline, spf::verify(&questions, from));
        let Ok(header) = Header::find(message) else {
            // Doors take no such message; nothing in it is looked at.
            return Authentication {
                spf: spf.await.unwrap_or_else(|_| spf::undecided(from)),
                ..Authentication::default()
            };
        };
        let body = Body::of(message, header);
        let lookup = key::Lookup {
            questions: &questions,
            keys: &self.keys,
            clock: &*self.clock,
        };
        let authors = dmarc::Authors::of(header);
        let (spf, dkim, arc, policies) = tokio::join!(
            spf,
            timeout_at(deadline, dkim::verify(&lookup, header, &body)),
            timeout_at(deadline, arc::verify(&lookup, header, &body)),
            timeout_at(deadline, authors.policies(&questions)),
        );
        let spf = spf.unwrap_or_else(|_| spf::undecided(from));
        let dkim = dkim.unwrap_or_else(|_| dkim::undecided(header));
        let arc = arc.unwrap_or_else(|_| arc::undecided(header));
        let dmarc = match policies {
            Ok(policies) => dmarc::evaluate(policies, &spf, &dkim),
            Err(_) => authors.undecided(),
        };
        Authentication {
            spf,
            dkim,
            dmarc,
            arc,
        }
    }

    /// SPF alone, of any sender, however malformed: `mail_from` is what stood between the angle
    /// brackets.
    pub async fn spf(&self, ip: IpAddr, helo: &str, mail_from: &str) -> SpfResult {
        let questions = Questions::new(&self.resolver, self.options.questions);
        let deadline = Instant::now() + self.options.time_limit;
        let sender = spf::Sender::of(ip, helo, mail_from);
        timeout_at(deadline, sender.verify(&questions))
            .await
            .unwrap_or_else(|_| sender.undecided())
    }
}
