use std::time::Duration;

use postbell_model::{
    ConfigurationSetId, Domain, DomainKey, KeyAlgorithm, KeyState, SeenRecords, SendingDomain,
    Timestamp, WorkspaceId,
};
use postbell_net::{DnsOptions, Resolver};
use postbell_peers::dns::{self, Answer, DnsServer, Entry, Records, Unlisted};
use postbell_store::DomainFound;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;

const HOST: &str = "mx.acme.example";
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A name server that knows what it was told, and a resolver that asks it.
struct Names {
    server: DnsServer,
    stop: CancellationToken,
}

impl Names {
    async fn start() -> Self {
        let stop = CancellationToken::new();
        let options = dns::DnsOptions {
            unlisted: Unlisted::NoSuchDomain,
            ..dns::DnsOptions::default()
        };
        let server = DnsServer::start(options, &TaskTracker::new(), stop.clone()).await;
        let server = server.unwrap();
        let address = Entry::addresses(["192.0.2.7".parse().unwrap()]);
        server.table().set(HOST, address);
        Self { server, stop }
    }

    fn txt(&self, name: &str, texts: &[&str]) {
        let entry = Entry::txt(texts.iter().copied());
        self.server.table().set(name, entry);
    }

    /// The findings of the records of a domain with these keys.
    async fn findings(&self, keys: &[DomainKey], now: Timestamp) -> Vec<Finding> {
        let name = named("acme.example");
        let domain = SendingDomain::new(name, WorkspaceId(1), ConfigurationSetId(1), now);
        let records = records(&Identity {
            domain: &domain,
            keys,
            set: None,
            host: HOST,
            retire_after: WEEK,
            now,
        });
        let options = DnsOptions {
            servers: vec![self.server.addr()],
            ..DnsOptions::default()
        };
        let resolver = Resolver::new(&options).unwrap();
        check(&resolver, &records, HOST).await
    }

    /// The same, each as one line, and whether something that mail needs is not there.
    async fn check(&self, keys: &[DomainKey], now: Timestamp) -> (bool, Vec<String>) {
        let findings = self.findings(keys, now).await;
        let lines = findings
            .iter()
            .map(|f| format!("{} {} {}: {}", f.verdict.name(), f.kind, f.name, f.sentence));
        (failed(&findings), lines.collect())
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn named(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn key(state: KeyState, retired_at: Option<Timestamp>) -> DomainKey {
    DomainKey {
        domain: named("acme.example"),
        selector: "s".to_owned(),
        algorithm: KeyAlgorithm::Ed25519,
        sealed: Vec::new(),
        public: vec![7; 32],
        state,
        created_at: Timestamp::from_micros(0),
        activated_at: None,
        retired_at,
    }
}

fn has(lines: &[String], wanted: &str) {
    assert!(
        lines.iter().any(|line| line.starts_with(wanted)),
        "{wanted}: {lines:#?}"
    );
}

#[tokio::test]
async fn what_is_missing_is_told_record_by_record() {
    let names = Names::start().await;
    let pending = [key(KeyState::Pending, None)];
    let (failed, lines) = names.check(&pending, Timestamp::from_micros(0)).await;
    assert!(failed);
    has(
        &lines,
        "wrong TXT s._domainkey.acme.example: is missing; publish the key",
    );
    has(&lines, "wrong MX bounce.acme.example: is missing");
    has(&lines, "wrong TXT bounce.acme.example: is missing");
    has(&lines, "wrong TXT _dmarc.acme.example: is missing");
    has(&lines, "found A/AAAA mx.acme.example: has an address");
    has(&lines, "wrong PTR mx.acme.example: 192.0.2.7 has no name");
}

#[tokio::test]
async fn what_is_advised_may_be_missing() {
    let names = Names::start().await;
    let active = [key(KeyState::Active, None)];
    let published = records_text(&active[0]);
    names.txt("s._domainkey.acme.example", &[&published]);
    let bounce = Records {
        mx: vec![(10, HOST.to_owned())],
        txt: vec!["v=spf1 a:mx.acme.example -all".to_owned()],
        ..Records::default()
    };
    let bounce = Entry::new(Answer::Records(bounce));
    names.server.table().set("bounce.acme.example", bounce);
    let reply = Entry::mx([(10, HOST)]);
    names.server.table().set("reply.acme.example", reply);
    let pointer = Records {
        ptr: vec![HOST.to_owned()],
        ..Records::default()
    };
    let pointer = Entry::new(Answer::Records(pointer));
    names.server.table().set("7.2.0.192.in-addr.arpa", pointer);
    let (failed, lines) = names.check(&active, Timestamp::from_micros(0)).await;
    assert!(!failed, "{lines:#?}");
    has(&lines, "found TXT s._domainkey.acme.example: is there");
    has(&lines, "found PTR mx.acme.example: 192.0.2.7 leads back");
    has(&lines, "wrong TXT acme.example: is missing");
}

#[tokio::test]
async fn a_domain_is_verified_by_what_its_mail_needs() {
    let names = Names::start().await;
    let now = Timestamp::from_micros(0);
    let active = key(KeyState::Active, None);
    let missing = verdict(&names.findings(std::slice::from_ref(&active), now).await);
    let all_missing = [
        "TXT s._domainkey.acme.example",
        "MX bounce.acme.example",
        "TXT bounce.acme.example",
        "MX reply.acme.example",
    ];
    let all_missing = all_missing.map(str::to_owned).to_vec();
    assert_eq!(missing, DomainFound::Missing(all_missing));

    names.txt("s._domainkey.acme.example", &[&records_text(&active)]);
    let bounce = Records {
        mx: vec![(10, HOST.to_owned())],
        txt: vec!["v=spf1 a:mx.acme.example -all".to_owned()],
        ..Records::default()
    };
    let bounce = Entry::new(Answer::Records(bounce));
    names.server.table().set("bounce.acme.example", bounce);
    let reply = Entry::mx([(10, HOST)]);
    names.server.table().set("reply.acme.example", reply);
    // New keys that nobody has published yet take nothing away.
    let pending = DomainKey {
        selector: "next".to_owned(),
        ..key(KeyState::Pending, None)
    };
    let keys = [active, pending];
    let seen = SeenRecords {
        dkim: true,
        spf: true,
        dmarc: false,
    };
    let found = verdict(&names.findings(&keys, now).await);
    assert_eq!(found, DomainFound::All(seen));
    // No answer is no news.
    let refused = Entry::new(Answer::ServerFailure);
    names.server.table().set("bounce.acme.example", refused);
    let found = verdict(&names.findings(&keys, now).await);
    assert_eq!(found, DomainFound::Unanswered);
}

#[tokio::test]
async fn the_hosts_of_replies_and_links_lead_here() {
    let names = Names::start().await;
    let now = Timestamp::from_micros(0);
    let (_, lines) = names.check(&[], now).await;
    has(&lines, "wrong MX reply.acme.example: is missing");
    has(&lines, "wrong CNAME track.acme.example: is missing");
    let table = names.server.table();
    table.set("reply.acme.example", Entry::mx([(10, "mx.other.example")]));
    let elsewhere = Entry::addresses(["192.0.2.99".parse().unwrap()]);
    table.set("track.acme.example", elsewhere);
    let (_, lines) = names.check(&[], now).await;
    has(
        &lines,
        "wrong MX reply.acme.example: leads elsewhere, so replies",
    );
    has(&lines, "wrong CNAME track.acme.example: leads elsewhere");
    table.set("reply.acme.example", Entry::mx([(10, HOST)]));
    let alias = Records {
        cname: Some(HOST.to_owned()),
        ..Records::default()
    };
    table.set("track.acme.example", Entry::new(Answer::Records(alias)));
    let (_, lines) = names.check(&[], now).await;
    has(&lines, "found MX reply.acme.example: leads to this server");
    has(
        &lines,
        "found CNAME track.acme.example: leads to this server",
    );
}

#[tokio::test]
async fn wrong_records_are_told_from_missing_ones() {
    let names = Names::start().await;
    let active = [key(KeyState::Active, None)];
    let other = records_text(&DomainKey {
        public: vec![8; 32],
        ..active[0].clone()
    });
    for (record, sentence) in [
        (other.as_str(), "another key is published"),
        ("v=DKIM1; k=ed25519; p=", "the record revokes the key"),
        ("verification=1", "what is published is no DKIM key"),
    ] {
        names.txt("s._domainkey.acme.example", &[record]);
        let (_, lines) = names.check(&active, Timestamp::from_micros(0)).await;
        has(
            &lines,
            &format!("wrong TXT s._domainkey.acme.example: {sentence}"),
        );
    }
    names.txt(
        "_dmarc.acme.example",
        &["v=DMARC1; p=none", "v=DMARC1; p=reject"],
    );
    let (_, lines) = names.check(&active, Timestamp::from_micros(0)).await;
    has(&lines, "wrong TXT _dmarc.acme.example: several policies");
}

#[tokio::test]
async fn policies_name_this_server_in_many_ways() {
    let names = Names::start().await;
    names.txt("_spf.acme.example", &["v=spf1 ip4:192.0.2.0/24 ~all"]);
    names
        .server
        .table()
        .set("mail.acme.example", Entry::mx([(10, HOST)]));
    for (policy, verdict) in [
        ("v=spf1 a:mx.acme.example -all", "found"),
        ("v=spf1 +ip4:192.0.2.7 -all", "found"),
        ("v=spf1 include:_spf.acme.example -all", "found"),
        ("v=spf1 redirect=_spf.acme.example", "found"),
        ("v=spf1 mx:mail.acme.example -all", "found"),
        ("v=spf1 -a:mx.acme.example -all", "wrong"),
        (
            "v=spf1 ip4:198.51.100.0/24 include:nowhere.example -all",
            "wrong",
        ),
        ("v=spf1 include:acme.example -all", "wrong"),
        ("v=spf10 a:mx.acme.example", "wrong"),
    ] {
        names.txt("acme.example", &[policy, "other=1"]);
        let (_, lines) = names.check(&[], Timestamp::from_micros(0)).await;
        has(&lines, &format!("{verdict} TXT acme.example: "));
    }
}

#[tokio::test]
async fn a_retired_key_s_record_is_kept_a_week_and_then_removed() {
    let names = Names::start().await;
    let retired = [key(KeyState::Retiring, Some(Timestamp::from_micros(0)))];
    names.txt("s._domainkey.acme.example", &[&records_text(&retired[0])]);
    let now = Timestamp::from_micros(0);
    let (_, lines) = names.check(&retired, now.after(WEEK / 2)).await;
    has(
        &lines,
        "found TXT s._domainkey.acme.example: is there; keep it",
    );
    let (_, lines) = names.check(&retired, now.after(WEEK)).await;
    has(
        &lines,
        "wrong TXT s._domainkey.acme.example: the key has retired",
    );
    names.server.table().remove("s._domainkey.acme.example");
    let (_, lines) = names.check(&retired, now.after(WEEK)).await;
    has(&lines, "found TXT s._domainkey.acme.example: is gone");
}

fn records_text(key: &DomainKey) -> String {
    postbell_mail::dkim::record::text(key.algorithm, &key.public)
}
