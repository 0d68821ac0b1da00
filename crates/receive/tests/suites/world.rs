//! A DNS server, a verifier that asks it, and where the collections lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::authentication::Authentication;
use postbell_model::clock::Still;
use postbell_model::{Address, ReversePath, Timestamp};
use postbell_net::{DnsOptions, Resolver};
use postbell_peers::dns::{self, DnsServer, Entry, Unlisted};
use postbell_receive::{Origin, SenderOptions, SenderVerifier};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The 22nd of November 2026.
const NOW: i64 = 1_795_305_600_000_000;

/// A folder of the collections, where it is there.
pub(crate) fn collection(folder: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let path = shared.join(folder);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// The files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What a door would have made of a text with line feeds.
pub(crate) fn with_crlf(text: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    Bytes::from(text.replace('\n', "\r\n"))
}

/// Ends with the test.
pub(crate) struct World {
    pub(crate) dns: DnsServer,
    pub(crate) verifier: SenderVerifier,
    _stop: DropGuard,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(SenderOptions::default()).await
    }

    pub(crate) async fn with(options: SenderOptions) -> Self {
        let stop = CancellationToken::new();
        let dns_options = dns::DnsOptions {
            unlisted: Unlisted::NoSuchDomain,
            ..dns::DnsOptions::default()
        };
        let dns = DnsServer::start(dns_options, &TaskTracker::new(), stop.clone())
            .await
            .unwrap();
        let resolver = Resolver::new(&DnsOptions {
            servers: vec![dns.addr()],
            timeout: Duration::from_secs(5),
            attempts: 2,
        })
        .unwrap();
        let clock = Arc::new(Still(Timestamp::from_micros(NOW)));
        Self {
            dns,
            verifier: SenderVerifier::new(resolver, options, clock),
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn txt(&self, name: &str, text: &str) {
        self.dns.table().set(name, Entry::txt([text]));
    }

    /// What is found out about a message from `192.0.2.1`.
    pub(crate) async fn verify(&self, mail_from: &str, message: &Bytes) -> Authentication {
        let mail_from = match mail_from {
            "" => ReversePath::Null,
            some => ReversePath::Mailbox(Address::parse(some).unwrap()),
        };
        let from = Origin {
            ip: [192, 0, 2, 1].into(),
            helo: "mx.example.com".to_owned(),
            mail_from,
        };
        self.verifier.verify(&from, message).await
    }
}

/// Counts cases, and tells which did not come out as they should.
#[derive(Debug)]
pub(crate) struct Tally {
    suite: &'static str,
    passed: usize,
    excepted: usize,
    missed: Vec<String>,
}

impl Tally {
    pub(crate) const fn of(suite: &'static str) -> Self {
        Self {
            suite,
            passed: 0,
            excepted: 0,
            missed: Vec::new(),
        }
    }

    /// A case, by name; `except` has the reason why the suite is not followed.
    pub(crate) fn case(&mut self, name: &str, holds: bool, found: &str, except: Option<&str>) {
        match (holds, except) {
            (true, _) => self.passed += 1,
            (false, Some(reason)) => {
                self.excepted += 1;
                println!("{} {name}: {found}, since {reason}", self.suite);
            }
            (false, None) => self.missed.push(format!("{name}: {found}")),
        }
    }

    /// Prints the counts; every case passes or is excepted, and there are not fewer than this.
    pub(crate) fn end(self, floor: usize) {
        let all = self.passed + self.excepted + self.missed.len();
        println!(
            "{} {}/{all}, {} excepted",
            self.suite, self.passed, self.excepted
        );
        assert!(
            self.missed.is_empty(),
            "{} misses {}:\n{}",
            self.suite,
            self.missed.len(),
            self.missed.join("\n")
        );
        assert!(self.passed >= floor, "{} has {all} cases", self.suite);
    }
}
