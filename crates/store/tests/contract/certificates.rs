//! Certificates that are asked for: who asks, what is kept, what is shown meanwhile.

use std::time::Duration;

use postbell_model::{Domain, Timestamp};
use postbell_store::{
    Certificates, HostCertificate, KeptCertificate, OrderClaim, OrderFailure, OrderFault, Proof,
    SqliteTenants, Store,
};

use crate::fixture::{Fixture, NOW};

const MINUTE: Duration = Duration::from_secs(60);

fn host(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn track() -> Domain {
    host("track.acme.example")
}

fn after(minutes: u32) -> Timestamp {
    NOW.after(MINUTE * minutes)
}

/// At `minutes`, for five minutes.
fn claim(holder: &str, minutes: u32) -> OrderClaim {
    OrderClaim {
        host: track(),
        holder: holder.to_owned(),
        instead_of: None,
        now: after(minutes),
        until: after(minutes + 5),
    }
}

fn certificate(minutes: u32) -> KeptCertificate {
    KeptCertificate {
        authority: "https://ca.example/directory".to_owned(),
        chain: format!("chain of minute {minutes}"),
        sealed: vec![1, 2, 3],
        issued_at: after(minutes),
        expires_at: after(minutes + 1_000),
    }
}

fn failure(holder: &str, minutes: u32) -> OrderFailure {
    OrderFailure {
        host: track(),
        holder: holder.to_owned(),
        fault: OrderFault {
            text: "nobody listens there".to_owned(),
            at: after(minutes),
        },
        failures: 1,
        retry_at: after(minutes + 10),
    }
}

async fn claimed(store: &dyn Store, claim: OrderClaim) -> bool {
    store.claim_order(claim).await.unwrap()
}

async fn one(store: &dyn Store) -> HostCertificate {
    let mut all = store.certificates().await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

pub(crate) async fn one_holder_asks_at_a_time(fixture: &Fixture) {
    let store = &*fixture.store;
    assert!(claimed(store, claim("a", 0)).await);
    assert!(!claimed(store, claim("b", 1)).await);
    assert_eq!(one(store).await.held_until, Some(after(5)));
    store.release_order(&track(), "b").await.unwrap();
    assert!(!claimed(store, claim("b", 2)).await);
    store.release_order(&track(), "a").await.unwrap();
    assert!(claimed(store, claim("b", 3)).await);
    // Its process has died.
    assert!(claimed(store, claim("a", 8)).await);
    let other = OrderClaim {
        host: host("other.example"),
        ..claim("b", 8)
    };
    assert!(claimed(store, other).await);
}

pub(crate) async fn what_was_got_is_kept_and_ends_the_claim(fixture: &Fixture) {
    let store = &*fixture.store;
    let version = store.certificates_version().await.unwrap();
    assert!(claimed(store, claim("a", 0)).await);
    store.fail_order(failure("a", 0)).await.unwrap();
    let first = certificate(1);
    store
        .keep_certificate(&track(), first.clone())
        .await
        .unwrap();
    assert!(store.certificates_version().await.unwrap() > version);
    let fixture = fixture.reopened().await;
    let store = &*fixture.store;
    let expected = HostCertificate {
        host: track(),
        certificate: Some(first.clone()),
        failures: 0,
        fault: None,
        retry_at: None,
        is_wanted: false,
        held_until: None,
        retired_at: None,
    };
    assert_eq!(one(store).await, expected);
    // Somebody who has not seen it yet.
    assert!(!claimed(store, claim("b", 2)).await);
    let renewal = OrderClaim {
        instead_of: Some(first.issued_at),
        ..claim("b", 3)
    };
    assert!(claimed(store, renewal).await);
    store
        .keep_certificate(&track(), certificate(4))
        .await
        .unwrap();
    // Whose claim was over long ago.
    store
        .keep_certificate(&track(), certificate(2))
        .await
        .unwrap();
    assert_eq!(one(store).await.certificate, Some(certificate(4)));
    store.forget_certificates(&[track()]).await.unwrap();
    assert!(store.certificates().await.unwrap().is_empty());
    fixture.close().await;
}

pub(crate) async fn a_host_is_retired_once(fixture: &Fixture) {
    let store = &*fixture.store;
    let (first, later) = (certificate(1), certificate(4));
    let (retired, again) = (first.issued_at, later.issued_at);
    store.keep_certificate(&track(), first).await.unwrap();
    let retire = |since| async move {
        let hosts = [track()];
        store.retire_certificates(&hosts, since).await.unwrap();
        one(store).await.retired_at
    };
    assert_eq!(retire(Some(retired)).await, Some(retired));
    assert_eq!(retire(Some(again)).await, Some(retired));
    // What is renewed stays retired.
    store.keep_certificate(&track(), later).await.unwrap();
    assert_eq!(one(store).await.retired_at, Some(retired));
    assert_eq!(retire(None).await, None);
    assert_eq!(retire(Some(again)).await, Some(again));
}

pub(crate) async fn a_failure_leaves_what_is_there(fixture: &Fixture) {
    let store = &*fixture.store;
    store
        .keep_certificate(&track(), certificate(0))
        .await
        .unwrap();
    let renewal = |holder: &str, minutes| OrderClaim {
        instead_of: Some(after(0)),
        ..claim(holder, minutes)
    };
    assert!(claimed(store, renewal("a", 1)).await);
    store.fail_order(failure("b", 1)).await.unwrap();
    assert_eq!(one(store).await.failures, 0, "it was not the holder");
    store.fail_order(failure("a", 1)).await.unwrap();
    let failed = one(store).await;
    assert_eq!(failed.certificate, Some(certificate(0)));
    assert_eq!((failed.failures, failed.held_until), (1, None));
    assert_eq!(failed.fault, Some(failure("a", 1).fault));
    assert!(!claimed(store, renewal("a", 10)).await);
    assert!(claimed(store, renewal("a", 11)).await);
    let second = OrderFailure {
        failures: 2,
        ..failure("a", 11)
    };
    store.fail_order(second).await.unwrap();
    assert_eq!(one(store).await.failures, 2);
}

pub(crate) async fn so_many_an_hour_and_no_more(fixture: &Fixture) {
    let store = &*fixture.store;
    let count = |number: u32, minutes| async move {
        let host = host(&format!("h{number}.example"));
        store.count_order(&host, 2, after(minutes)).await.unwrap()
    };
    assert_eq!(count(1, 0).await, None);
    assert_eq!(count(2, 10).await, None);
    assert_eq!(count(3, 59).await, Some(after(60)));
    assert_eq!(count(3, 60).await, None);
    assert_eq!(count(4, 61).await, Some(after(70)));
    // The clock was set back: what is of the future counts no more.
    assert_eq!(count(5, 5).await, None);
}

pub(crate) async fn an_operator_wants_another_one(fixture: &Fixture) {
    let store = &*fixture.store;
    let command = SqliteTenants::open(fixture.folder()).await.unwrap();
    command.want_certificate(&track()).await.unwrap();
    assert!(one(store).await.is_wanted);
    assert!(claimed(store, claim("a", 0)).await);
    store.fail_order(failure("a", 0)).await.unwrap();
    assert!(!one(store).await.is_wanted);
    assert!(!claimed(store, claim("a", 1)).await);
    command.want_certificate(&track()).await.unwrap();
    assert!(claimed(store, claim("a", 1)).await);
    store
        .keep_certificate(&track(), certificate(1))
        .await
        .unwrap();
    assert!(!one(store).await.is_wanted);
    command.close().await;
}

pub(crate) async fn proofs_are_shown_until_they_are_over(fixture: &Fixture) {
    let store = &*fixture.store;
    let proof = |token: &str, minutes| Proof {
        token: token.to_owned(),
        host: host(&format!("{token}.example")),
        key_authorization: format!("{token}.thumbprint"),
        until: after(minutes),
    };
    let (short, long) = (proof("short", 1), proof("long", 5));
    store.show_proof(short.clone(), NOW).await.unwrap();
    let version = store.certificates_version().await.unwrap();
    store.show_proof(long.clone(), NOW).await.unwrap();
    assert!(store.certificates_version().await.unwrap() > version);
    let fixture = fixture.reopened().await;
    let store = &*fixture.store;
    assert_eq!(
        store.proofs(NOW).await.unwrap(),
        [long.clone(), short.clone()]
    );
    assert_eq!(
        store.proofs(after(1)).await.unwrap(),
        std::slice::from_ref(&long)
    );
    store.end_proof("long").await.unwrap();
    assert_eq!(store.proofs(NOW).await.unwrap(), [short]);
    // It goes when another one comes, and so does an earlier one of the same host.
    store.show_proof(long.clone(), after(1)).await.unwrap();
    assert_eq!(
        store.proofs(NOW).await.unwrap(),
        std::slice::from_ref(&long)
    );
    let again = Proof {
        host: long.host,
        ..proof("again", 6)
    };
    store.show_proof(again.clone(), after(1)).await.unwrap();
    assert_eq!(store.proofs(NOW).await.unwrap(), [again]);
    fixture.close().await;
}

pub(crate) async fn the_first_account_stays(fixture: &Fixture) {
    let store = &*fixture.store;
    let (ours, other) = ("https://ca.example/directory", "https://other.example/");
    assert_eq!(store.certificate_account(ours).await.unwrap(), None);
    let kept = store.keep_certificate_account(ours, vec![1], NOW).await;
    assert_eq!(kept.unwrap(), [1]);
    let kept = store.keep_certificate_account(ours, vec![2], NOW).await;
    assert_eq!(kept.unwrap(), [1]);
    let kept = store.keep_certificate_account(other, vec![3], NOW).await;
    assert_eq!(kept.unwrap(), [3]);
    // Who has used another account forgets that one alone.
    let forget = |sealed: &'static [u8]| store.forget_certificate_account(ours, sealed);
    forget(&[9]).await.unwrap();
    assert_eq!(
        store.certificate_account(ours).await.unwrap(),
        Some(vec![1])
    );
    forget(&[1]).await.unwrap();
    assert_eq!(store.certificate_account(ours).await.unwrap(), None);
    assert_eq!(
        store.certificate_account(other).await.unwrap(),
        Some(vec![3])
    );
}
