//! Orders at an authority that says what a test has written, and what is shown of certificates.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use postbell_model::clock::Still;
use postbell_model::{Clock, Domain, Secret, Timestamp};
use postbell_peers::authority::{Said, ScriptedAuthority};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::{DnsOptions, Guard, HttpClient, HttpError, HttpOptions, Resolver};

const LIMIT: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// An order or an authorization of this state, with a challenge where it is one.
fn state(status: &str) -> Said {
    let body = format!(
        r#"{{"status": "{status}", "authorizations": ["BASE/authorization"],
        "finalize": "BASE/finalize", "identifiers": [],
        "identifier": {{"type": "dns", "value": "track.acme.example"}},
        "challenges": [{{"type": "http-01", "url": "BASE/challenge", "token": "tok",
            "status": "pending"}}]}}"#
    );
    Said::new(200, body)
}

/// An authority that takes orders, and goes no further.
async fn patient() -> ScriptedAuthority {
    let tasks = TaskTracker::new();
    let started = ScriptedAuthority::start(&tasks, CancellationToken::new());
    let ca = started.await.unwrap();
    ca.say("/new-order", [state("pending").at("BASE/order")]);
    ca.say("/order", [state("pending")]);
    ca.say("/authorization", [state("pending")]);
    let challenge = r#"{"type": "http-01", "url": "BASE/challenge", "token": "tok",
        "status": "processing"}"#;
    ca.say("/challenge", [Said::new(200, challenge)]);
    ca
}

fn authority(ca: &ScriptedAuthority, guard: Guard) -> Authority {
    let resolver = Resolver::new(&DnsOptions::default()).unwrap();
    let http = HttpClient::new(resolver, guard, &HttpOptions::default());
    let clock: Arc<dyn Clock> = Arc::new(Still(NOW));
    Authority::new(format!("{}/directory", ca.base()), http, clock)
}

/// Asks for a certificate: why there is none, and what was shown.
async fn ask(ca: &ScriptedAuthority, limit: Duration) -> (AcmeError, Vec<(String, String)>) {
    let loopback = "127.0.0.0/8".parse().unwrap();
    let authority = authority(ca, Guard::new(vec![loopback]));
    let account = authority.register(&[], LIMIT).await.unwrap();
    let prover = Notes::default();
    let host = Domain::parse("track.acme.example").unwrap();
    let asked = Asked {
        host: &host,
        challenge: ChallengeKind::Http01,
        limit,
    };
    let failed = authority.order(&account, asked, &prover).await.unwrap_err();
    (failed, prover.0.into_inner().unwrap())
}

/// Keeps what was to be shown.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, String)>>);

#[async_trait]
impl Prover for Notes {
    async fn show(&self, token: &str, key_authorization: &str) -> Result<(), String> {
        let shown = (token.to_owned(), key_authorization.to_owned());
        self.0.lock().unwrap().push(shown);
        Ok(())
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_until_when_to_wait() {
    let ca = patient().await;
    let limited = Said::problem(429, "rateLimited", "too many").again_after("120");
    ca.say("/new-order", [limited]);
    let (failed, shown) = ask(&ca, LIMIT).await;
    let expected = "the authority says: too many (rateLimited)";
    assert_eq!(failed.to_string(), expected);
    assert_eq!(failed.retry_after(), Some(Duration::from_secs(120)));
    assert!(shown.is_empty());
}

#[tokio::test]
async fn a_nonce_that_is_refused_is_followed_by_another() {
    let ca = patient().await;
    let nonce = Said::problem(400, "badNonce", "old");
    let caa = Said::problem(403, "caa", "forbidden");
    ca.say("/new-order", [nonce.clone(), nonce, caa]);
    let (failed, _) = ask(&ca, LIMIT).await;
    assert_eq!(failed.reason(), "caa");
    assert_eq!(ca.times("/new-order"), 3);
}

#[tokio::test]
async fn what_the_authority_has_found_at_the_host_is_told() {
    let ca = patient().await;
    let found = r#"{"status": "invalid", "identifier": {"type": "dns", "value": "x"},
        "challenges": [{"type": "http-01", "url": "BASE/challenge", "token": "tok",
        "status": "invalid", "error": {"type": "urn:ietf:params:acme:error:connection",
        "detail": "127.0.0.1: connection refused"}}]}"#;
    ca.say("/authorization", [state("pending"), Said::new(200, found)]);
    ca.say("/order", [state("pending"), state("invalid")]);
    let (failed, shown) = ask(&ca, LIMIT).await;
    let expected = "the authority says: 127.0.0.1: connection refused (connection)";
    assert_eq!(failed.to_string(), expected);
    assert!(!failed.is_of_all_hosts());
    let [(token, answer)] = &shown[..] else {
        panic!("{shown:?}");
    };
    assert_eq!(token, "tok");
    assert!(answer.starts_with("tok."), "{answer}");
    assert_eq!(ca.times("/challenge"), 1);
}

#[tokio::test]
async fn an_order_that_leads_nowhere_ends() {
    let ca = patient().await;
    let limit = Duration::from_millis(800);
    let (failed, shown) = ask(&ca, limit).await;
    assert_eq!(failed, AcmeError::TimedOut(limit));
    assert_eq!(shown.len(), 1);
}

#[tokio::test]
async fn an_authority_without_our_challenge_is_told() {
    let ca = patient().await;
    let other = state("pending").body.replace("http-01", "dns-01");
    ca.say("/authorization", [Said::new(200, other)]);
    let (failed, _) = ask(&ca, LIMIT).await;
    assert_eq!(failed, AcmeError::NoChallenge("http-01"));
}

#[tokio::test]
async fn an_authority_in_our_network_is_asked_where_it_is_allowed_alone() {
    let ca = patient().await;
    let authority = authority(&ca, Guard::default());
    let refused = authority.register(&[], LIMIT).await.unwrap_err();
    assert!(
        matches!(&refused, AcmeError::Unreachable(HttpError::Forbidden(_))),
        "{refused}"
    );
    assert!(refused.advice().contains("guard.allow_acme"));
    assert!(refused.is_of_all_hosts());
    assert_eq!(ca.times("/directory"), 0);
}

#[tokio::test]
async fn what_is_no_acme_is_told() {
    let ca = patient().await;
    ca.say("/new-order", [Said::new(500, "<html>Oops</html>")]);
    let (failed, _) = ask(&ca, LIMIT).await;
    assert_eq!(failed.reason(), "nonsense");
}

fn dev() -> IssuedCertificate {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs"));
    let read = |name| std::fs::read(folder.join(name)).unwrap();
    let chain = String::from_utf8(read("dev.pem")).unwrap();
    IssuedCertificate::read(chain, Secret::new(read("dev-key.pem"))).unwrap()
}

#[test]
fn a_certificate_is_for_the_hosts_that_it_names() {
    let issued = dev();
    let fits = |host| issued.check_host(&Domain::parse(host).unwrap()).is_ok();
    assert!(fits("localhost"));
    assert!(!fits("track.acme.example"));
    assert!(issued.expires_at() > NOW);
}

#[test]
fn what_belongs_not_together_is_refused() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs"));
    let read = |name| std::fs::read_to_string(folder.join(name)).unwrap();
    let try_read = |chain: &str, key: &str| {
        let key = Secret::new(key.as_bytes().to_vec());
        IssuedCertificate::read(chain.to_owned(), key).map(drop)
    };
    assert!(try_read(&read("dev.pem"), &read("ca-key.pem")).is_err());
    assert!(try_read("", &read("dev-key.pem")).is_err());
    assert!(try_read(&read("dev.pem"), "").is_err());
}

#[test]
fn proofs_are_answered_while_they_are_shown() {
    let issued = IssuedCertificates::default();
    let proof = ShownProof {
        host: Domain::parse("track.acme.example").unwrap(),
        token: "tok".to_owned(),
        key_authorization: "tok.print".to_owned(),
    };
    assert!(issued.prove(std::slice::from_ref(&proof)).is_empty());
    assert_eq!(
        issued.key_authorization("tok").as_deref(),
        Some("tok.print")
    );
    assert_eq!(issued.key_authorization("other"), None);
    assert!(issued.prove(&[]).is_empty());
    assert_eq!(issued.key_authorization("tok"), None);
}

#[test]
fn a_host_without_a_proof_under_tls_holds_up_no_other() {
    let issued = IssuedCertificates::default();
    let proof = |host: &str, token: &str| ShownProof {
        host: Domain::parse(host).unwrap(),
        token: token.to_owned(),
        key_authorization: format!("{token}.print"),
    };
    let [bad, good] = [
        proof("bad.example", "first"),
        proof("good.example", "second"),
    ];
    let shown = [bad.clone(), good];
    let failed = issued.prove_by(&shown, |host, authorization| match host.as_str() {
        "bad.example" => Err("no such name".to_owned()),
        _ => proof::certificate(host, authorization),
    });
    let failed: Vec<_> = failed.iter().map(|(host, _)| host.as_str()).collect();
    assert_eq!(failed, ["bad.example"]);
    assert!(!issued.proves(&bad.host));
    assert!(issued.proves(&Domain::parse("good.example").unwrap()));
    for (token, answer) in [("first", "first.print"), ("second", "second.print")] {
        assert_eq!(issued.key_authorization(token).as_deref(), Some(answer));
    }
}
