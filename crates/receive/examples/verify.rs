//! What verifying a sender costs: a message of 10 KB with one RSA-2048 signature, SPF with two
//! includes, DMARC; the DNS answers from memory.
//!
//!     cargo run --release -p postbell-receive --example verify -- 20000

#![expect(clippy::print_stdout, reason = "this program prints a table")]
#![expect(clippy::expect_used, reason = "what fails ends the program")]

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use postbell_mail::dkim::key::{NewKey, SigningKey};
use postbell_mail::dkim::{Signer, record, sign};
use postbell_model::authentication::{Authentication, Verdict};
use postbell_model::clock::Still;
use postbell_model::{Address, Domain, KeyAlgorithm, ReversePath, Timestamp};
use postbell_net::{DnsOptions, Resolver};
use postbell_peers::dns::{self, DnsServer, Entry, Unlisted};
use postbell_receive::{Origin, SenderOptions, SenderVerifier};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Clock ticks of a processor in a second, as Linux tells them to programs.
const TICKS: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let count: u32 = count.unwrap_or(20_000);
    let at = Timestamp::from_micros(1_795_305_600_000_000);
    let stop = CancellationToken::new();
    let dns = dns(&stop).await;
    let resolver = Resolver::new(&DnsOptions {
        servers: vec![dns.addr()],
        ..DnsOptions::default()
    });
    let resolver = resolver.expect("a resolver");
    let clock = Arc::new(Still(at));
    let verifier = SenderVerifier::new(resolver, SenderOptions::default(), clock);
    let message = message(&dns, at);
    let mail_from = Address::parse("bounces@news.example.com").expect("an address");
    let from = Origin {
        ip: [192, 0, 2, 1].into(),
        helo: "mx.example.com".to_owned(),
        mail_from: ReversePath::Mailbox(mail_from),
    };
    check(&verifier.verify(&from, &message).await);
    let before = ticks();
    for _ in 0..count {
        check(&verifier.verify(&from, &message).await);
    }
    let took = (ticks() - before) / TICKS;
    let each = took * 1e6 / f64::from(count);
    println!(
        "{count} messages of {} octets: {each:.1} µs of a processor each, {:.0} a second",
        message.len(),
        f64::from(count) / took
    );
    stop.cancel();
}

async fn dns(stop: &CancellationToken) -> DnsServer {
    let options = dns::DnsOptions {
        unlisted: Unlisted::NoSuchDomain,
        ..dns::DnsOptions::default()
    };
    let dns = DnsServer::start(options, &TaskTracker::new(), stop.clone()).await;
    let dns = dns.expect("a DNS server");
    for (name, text) in [
        ("news.example.com", "v=spf1 include:_spf.example.com -all"),
        (
            "_spf.example.com",
            "v=spf1 include:_a.example.com include:_b.example.com ~all",
        ),
        (
            "_a.example.com",
            "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all",
        ),
        (
            "_b.example.com",
            "v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 ~all",
        ),
        (
            "_dmarc.example.com",
            "v=DMARC1; p=reject; rua=mailto:dmarc@example.com",
        ),
    ] {
        let entry = Entry::txt([text]).valid_for(std::time::Duration::from_secs(3_600));
        dns.table().set(name, entry);
    }
    dns
}

fn message(dns: &DnsServer, at: Timestamp) -> Bytes {
    let algorithm = KeyAlgorithm::Rsa;
    let key = NewKey::generate(algorithm).expect("a key");
    let text = record::text(algorithm, &key.public);
    let entry = Entry::txt([text.as_str()]).valid_for(std::time::Duration::from_secs(3_600));
    dns.table().set("sel._domainkey.example.com", entry);
    let signer = Signer {
        domain: Domain::parse("example.com").expect("a domain"),
        selector: "sel".to_owned(),
        key: SigningKey::from_pkcs8(algorithm, &key.secret).expect("a key"),
    };
    let mut text = String::from(
        "Received: from app.example.com (app.example.com [192.0.2.1])\r\n\tby mx.example.com \
        with ESMTPS; Sun, 22 Nov 2026 00:00:00 +0000\r\nFrom: Ann <ann@news.example.com>\r\n\
        To: bob@example.net\r\nSubject: A message of ten kilobytes\r\nDate: Sun, 22 Nov 2026 \
        00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/html; charset=utf-8\r\n\r\n",
    );
    while text.len() < 10_000 {
        text.push_str("  <p class=\"a\">All work and no play makes Jack a dull boy.</p>\r\n");
    }
    let chunk = Bytes::from(text);
    let fields = sign(std::slice::from_ref(&chunk), [&signer], at).expect("a signature");
    Bytes::from([fields, chunk].concat())
}

fn check(found: &Authentication) {
    let verdicts = (
        found.spf.verdict,
        found.dkim[0].verdict,
        found.dmarc.verdict,
    );
    assert_eq!(verdicts, (Verdict::Pass, Verdict::Pass, Verdict::Pass));
}

/// User and system time of this process, all threads.
fn ticks() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    times.filter_map(|time| time.parse::<f64>().ok()).sum()
}
