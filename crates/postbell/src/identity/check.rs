//! Whether the DNS has the records of a domain, and what to change where it doesn't.

use std::net::IpAddr;

use postbell_mail::dkim::record::{Published, published};
use postbell_model::{Domain, DomainKey, KeyState, SeenRecords};
use postbell_net::{LookupError, Resolver};
use postbell_store::DomainFound;

use super::records::{Expected, Importance, Record, name_of};
use super::spf::{self, Server, Spf};

/// What was found in the place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What was expected.
    Found,
    /// Nothing, or not what was expected.
    Wrong,
    /// The DNS gave no answer.
    Unknown,
}

impl Verdict {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of one record.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) importance: Importance,
    pub(crate) verdict: Verdict,
    /// What it says, or what to change, in a sentence.
    pub(crate) sentence: String,
    pub(crate) expected: String,
    pub(crate) found: Vec<String>,
    role: Role,
}

/// What a record is for, as far as it counts for whether a domain is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Dkim,
    Spf,
    Dmarc,
    Other,
}

impl Role {
    fn of(record: &Record) -> Self {
        match record.expected {
            Expected::Key(_) => Self::Dkim,
            Expected::Spf if record.importance == Importance::Required => Self::Spf,
            Expected::Dmarc => Self::Dmarc,
            Expected::NoKey(_) | Expected::Mx(_) | Expected::Spf | Expected::Host => Self::Other,
        }
    }
}

/// Whether something that mail needs is not there.
pub(crate) fn failed(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| {
        finding.importance == Importance::Required && finding.verdict != Verdict::Found
    })
}

/// Whether the DNS has all that a domain's mail needs.
pub(crate) fn verdict(findings: &[Finding]) -> DomainFound {
    let required = findings
        .iter()
        .filter(|finding| finding.importance == Importance::Required);
    let lacking: Vec<_> = required.filter(|f| f.verdict != Verdict::Found).collect();
    let missing = lacking.iter().filter(|f| f.verdict == Verdict::Wrong);
    let missing: Vec<_> = missing.map(|f| format!("{} {}", f.kind, f.name)).collect();
    if !missing.is_empty() {
        return DomainFound::Missing(missing);
    }
    if !lacking.is_empty() {
        return DomainFound::Unanswered;
    }
    let is_seen = |role| {
        let mut of_role = findings.iter().filter(|finding| finding.role == role);
        of_role.any(|finding| finding.verdict == Verdict::Found)
    };
    DomainFound::All(SeenRecords {
        dkim: is_seen(Role::Dkim),
        spf: is_seen(Role::Spf),
        dmarc: is_seen(Role::Dmarc),
    })
}

/// Looks each record up, and what is said of this server itself.
pub(crate) async fn check(resolver: &Resolver, records: &[Record], host: &str) -> Vec<Finding> {
    let (mut findings, addresses) = check_server(resolver, host).await;
    let server = Server {
        host,
        addresses: &addresses,
    };
    let mut of_domain = Vec::new();
    for record in records {
        of_domain.push(check_record(resolver, record, &server).await);
    }
    of_domain.append(&mut findings);
    of_domain
}

async fn check_record(resolver: &Resolver, record: &Record, server: &Server<'_>) -> Finding {
    let (verdict, sentence, found) = match name_of(record) {
        None => (
            Verdict::Unknown,
            "the name is none that the DNS can have".to_owned(),
            Vec::new(),
        ),
        Some(name) => look(resolver, record, &name, server).await,
    };
    Finding {
        name: record.name.clone(),
        kind: record.kind,
        importance: record.importance,
        verdict,
        sentence,
        expected: record.value.clone(),
        found,
        role: Role::of(record),
    }
}

type Looked = (Verdict, String, Vec<String>);

async fn look(resolver: &Resolver, record: &Record, name: &Domain, server: &Server<'_>) -> Looked {
    match &record.expected {
        Expected::Key(key) => match resolver.txt(name).await {
            Ok(texts) => key_found(key, texts),
            Err(error) => nothing(
                &error,
                "publish the key: without it no mail is signed with it",
            ),
        },
        Expected::NoKey(_) => match resolver.txt(name).await {
            Ok(texts) => {
                let sentence = "the key has retired, and nothing that it signed is under way any \
                                more: remove the record";
                (Verdict::Wrong, sentence.to_owned(), texts)
            }
            Err(LookupError::Temporary(why)) => unknown(&why),
            Err(_) => (
                Verdict::Found,
                "is gone, as it should be".to_owned(),
                Vec::new(),
            ),
        },
        Expected::Mx(what) => mx(resolver, name, server, what).await,
        Expected::Host => leads_here(resolver, (name, record), server).await,
        Expected::Spf => spf(resolver, name, server).await,
        Expected::Dmarc => dmarc(resolver, name).await,
    }
}

fn key_found(key: &DomainKey, texts: Vec<String>) -> Looked {
    let read = |text: &String| published(text, key.algorithm, &key.public);
    let all: Vec<_> = texts.iter().map(read).collect();
    let (verdict, sentence) = match all.as_slice() {
        [Published::Same] => (
            Verdict::Found,
            match key.state {
                KeyState::Pending => "is there: the key is taken into use",
                KeyState::Active => "is there",
                KeyState::Retiring => "is there; keep it for mail that is under way",
            },
        ),
        all if all.contains(&Published::Same) => (
            Verdict::Wrong,
            "the key is there beside other records, of which verifiers may take any: remove those",
        ),
        all if all.contains(&Published::Revoked) => (
            Verdict::Wrong,
            "the record revokes the key: its p= is empty",
        ),
        all if all.contains(&Published::Other) => (
            Verdict::Wrong,
            "another key is published, or a part of this one is missing: publish it anew",
        ),
        _ => (
            Verdict::Wrong,
            "what is published is no DKIM key: publish the key",
        ),
    };
    (verdict, sentence.to_owned(), texts)
}

async fn mx(resolver: &Resolver, name: &Domain, server: &Server<'_>, what: &str) -> Looked {
    match resolver.mx(name).await {
        Ok(mx) => {
            let hosts = mx.hosts.iter();
            let found: Vec<_> = hosts.map(|(p, host)| format!("{p} {host}")).collect();
            if mx
                .hosts
                .iter()
                .any(|(_, host)| host.as_str() == server.host)
            {
                return (Verdict::Found, "leads to this server".to_owned(), found);
            }
            let sentence = format!(
                "leads elsewhere, so {what} don't come here: name {}",
                server.host
            );
            (Verdict::Wrong, sentence, found)
        }
        Err(error) => nothing(
            &error,
            &format!("publish it: without it {what} don't come here"),
        ),
    }
}

/// Whether a host has an address of this server, by an alias or by itself.
async fn leads_here(
    resolver: &Resolver,
    (name, record): (&Domain, &Record),
    server: &Server<'_>,
) -> Looked {
    let how = match record.kind {
        "CNAME" => "make it an alias of",
        _ => "give it the addresses of",
    };
    match resolver.addresses(name).await {
        Ok(addresses) => {
            let found = addresses.ips.iter().map(ToString::to_string).collect();
            let is_ours = |ip: &IpAddr| server.addresses.contains(ip);
            if addresses.ips.iter().any(is_ours) {
                return (Verdict::Found, "leads to this server".to_owned(), found);
            }
            let sentence = format!(
                "leads elsewhere, and so do links that are tracked: {how} {}",
                server.host
            );
            (Verdict::Wrong, sentence, found)
        }
        Err(error) => nothing(&error, "publish it, or links that are tracked lead nowhere"),
    }
}

async fn spf(resolver: &Resolver, name: &Domain, server: &Server<'_>) -> Looked {
    let looked = spf::look(resolver, name, server).await;
    let texts = resolver.txt(name).await.unwrap_or_default();
    let found: Vec<_> = texts
        .into_iter()
        .filter(|text| spf::is_policy(text))
        .collect();
    let host = server.host;
    match looked {
        Ok(Spf::Named) => (Verdict::Found, "names this server".to_owned(), found),
        Ok(Spf::NotNamed) => {
            let sentence = format!("does not name this server: add a:{host} before its \"all\"");
            (Verdict::Wrong, sentence, found)
        }
        Ok(Spf::Several) => {
            let sentence =
                format!("several policies are as good as none: make them one, with a:{host}");
            (Verdict::Wrong, sentence, found)
        }
        Ok(Spf::Absent) => {
            let sentence = "there are TXT records, but no SPF policy: publish it";
            (Verdict::Wrong, sentence.to_owned(), found)
        }
        Err(error) => nothing(
            &error,
            "publish it: without it SPF says nothing for this server",
        ),
    }
}

async fn dmarc(resolver: &Resolver, name: &Domain) -> Looked {
    match resolver.txt(name).await {
        // RFC 7489 §6.6.3: what doesn't begin with the version is no policy, and neither are two.
        Ok(texts) => {
            let is_policy = |text: &&String| text.trim_start().starts_with("v=DMARC1");
            let (verdict, sentence) = match texts.iter().filter(is_policy).count() {
                0 => (
                    Verdict::Wrong,
                    "there is no DMARC policy in it: publish one",
                ),
                1 => (Verdict::Found, "there is a policy"),
                _ => (
                    Verdict::Wrong,
                    "several policies are as good as none: keep one",
                ),
            };
            (verdict, sentence.to_owned(), texts)
        }
        Err(error) => nothing(&error, "publish one: large receivers ask for it"),
    }
}

/// The addresses of this server, and whether they lead back to its name.
async fn check_server(resolver: &Resolver, host: &str) -> (Vec<Finding>, Vec<IpAddr>) {
    let finding = |kind, verdict, sentence: String, expected: &str, found| Finding {
        name: host.to_owned(),
        kind,
        importance: Importance::Advised,
        verdict,
        sentence,
        expected: expected.to_owned(),
        found,
        role: Role::Other,
    };
    let address = "the address that mail leaves from";
    let addresses = match Domain::parse(host) {
        Ok(name) => resolver.addresses(&name).await,
        Err(_) => Err(LookupError::NoSuchDomain),
    };
    let ips = match addresses {
        Ok(addresses) => addresses.ips,
        Err(error) => {
            let (verdict, sentence, found) = nothing(
                &error,
                "give this server's name (server.hostname) an address, which SPF relies on",
            );
            return (
                vec![finding("A/AAAA", verdict, sentence, address, found)],
                Vec::new(),
            );
        }
    };
    let found = ips.iter().map(ToString::to_string).collect();
    let mut findings = vec![finding(
        "A/AAAA",
        Verdict::Found,
        "has an address".to_owned(),
        address,
        found,
    )];
    for ip in &ips {
        let (verdict, sentence, found) = ptr(resolver, *ip, host).await;
        findings.push(finding("PTR", verdict, sentence, host, found));
    }
    (findings, ips)
}

async fn ptr(resolver: &Resolver, ip: IpAddr, host: &str) -> Looked {
    match resolver.names(ip).await {
        Ok(names) => {
            let found: Vec<_> = names.iter().map(ToString::to_string).collect();
            if found.iter().any(|name| name == host) {
                return (
                    Verdict::Found,
                    format!("{ip} leads back to this name"),
                    found,
                );
            }
            let sentence = format!("{ip} has another name: have its owner set {host}");
            (Verdict::Wrong, sentence, found)
        }
        Err(LookupError::Temporary(why)) => unknown(&why),
        Err(_) => {
            let sentence = format!(
                "{ip} has no name, for which many receivers refuse mail: have its owner set {host}"
            );
            (Verdict::Wrong, sentence, Vec::new())
        }
    }
}

fn nothing(error: &LookupError, advice: &str) -> Looked {
    match error {
        LookupError::Temporary(why) => unknown(why),
        LookupError::NoSuchDomain | LookupError::NoData => {
            (Verdict::Wrong, format!("is missing; {advice}"), Vec::new())
        }
    }
}

fn unknown(why: &str) -> Looked {
    (
        Verdict::Unknown,
        format!("DNS gave no answer: {why}; try again"),
        Vec::new(),
    )
}
