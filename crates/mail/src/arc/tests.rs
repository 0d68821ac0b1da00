use bytes::Bytes;
use postbell_model::authentication::{Authentication, Verdict};
use postbell_model::{Domain, KeyAlgorithm, Timestamp};

use super::*;
use crate::authentication::signature::{ChainState, SignatureError};
use crate::dkim::Signer;
use crate::dkim::key::{NewKey, SigningKey};
use crate::header::Header;

fn set(instance: u8, state: &str) -> String {
    format!(
        "ARC-Seal: i={instance}; a=rsa-sha256; cv={state}; d=example.com; s=a; b=AQID\r\n\
         ARC-Message-Signature: i={instance}; d=example.com; b=AQID\r\n\
         ARC-Authentication-Results: i={instance}; mx.example.com; none\r\n"
    )
}

fn find(header: &str) -> Result<usize, ChainError> {
    let chain = Chain::find(Header::find(header.as_bytes()).unwrap());
    chain.map(|chain| chain.map_or(0, |chain| chain.sets.len()))
}

#[test]
fn a_chain_is_found_in_any_order() {
    assert_eq!(find("From: a@example.com\r\n"), Ok(0));
    assert_eq!(find(&set(1, "none")), Ok(1));
    assert_eq!(find(&(set(2, "pass") + &set(1, "none"))), Ok(2));
    assert_eq!(find(&(set(1, "none") + &set(2, "Pass"))), Ok(2));
}

// RFC 8617 §5.2
#[test]
fn what_can_not_hold_is_no_chain() {
    let first = set(1, "none");
    assert_eq!(find(&set(2, "pass")), Err(ChainError::Incomplete));
    assert_eq!(
        find(&first.replace("ARC-Seal: ", "X: ")),
        Err(ChainError::Incomplete)
    );
    assert_eq!(find(&(first.clone() + &first)), Err(ChainError::Incomplete));
    assert_eq!(find(&set(1, "pass")), Err(ChainError::Broken));
    assert_eq!(find(&set(1, "fail")), Err(ChainError::Broken));
    assert_eq!(
        find(&(first.clone() + &set(2, "none"))),
        Err(ChainError::Broken)
    );
    assert_eq!(
        find(&(first + &set(51, "pass"))),
        Err(ChainError::Malformed(SignatureError::Value("i")))
    );
}

#[test]
fn a_seal_covers_what_came_before() {
    let header = set(2, "pass") + &set(1, "none");
    let chain = Chain::find(Header::find(header.as_bytes()).unwrap());
    let chain = chain.unwrap().unwrap();
    let covered = |index: usize| String::from_utf8_lossy(chain.covered(index)).into_owned();
    let first = "arc-authentication-results:i=1; mx.example.com; none\r\n\
        arc-message-signature:i=1; d=example.com; b=AQID\r\n";
    assert_eq!(covered(0), first);
    let seal = "arc-seal:i=1; a=rsa-sha256; cv=none; d=example.com; s=a; b=AQID\r\n";
    let second = first.replace("i=1", "i=2");
    assert_eq!(covered(1), format!("{first}{seal}{second}"));
    assert_eq!(chain.newest().sealed.chain, ChainState::Pass);
}

#[test]
fn three_fields_are_put_in_front() {
    let key = NewKey::generate(KeyAlgorithm::Rsa).unwrap();
    let signer = Signer {
        domain: Domain::parse("example.net").unwrap(),
        selector: "sel".to_owned(),
        key: SigningKey::from_pkcs8(key.algorithm, &key.secret).unwrap(),
    };
    let message = Bytes::from_static(
        b"DKIM-Signature: v=1; d=example.com\r\nFrom: a@example.com\r\n\r\nHello\r\n",
    );
    let host = Domain::parse("mx.example.net").unwrap();
    let at = Timestamp::from_micros(1_000_000);
    let mut found = Authentication::default();
    let fields = seal(std::slice::from_ref(&message), &signer, &host, &found, at).unwrap();
    let header = Header::find(&fields).unwrap();
    let names: Vec<_> = header.fields().map(|field| field.name().to_vec()).collect();
    let expected = [
        "ARC-Seal",
        "ARC-Message-Signature",
        "ARC-Authentication-Results",
    ];
    assert_eq!(names, expected.map(|name| name.as_bytes().to_vec()));
    let text = String::from_utf8_lossy(&fields);
    assert!(text.contains("i=1; a=rsa-sha256; cv=none;"));
    assert!(text.contains("DKIM-Signature"), "it is covered as well");
    assert!(text.contains("i=1; mx.example.net;\r\n\tspf=none;"));
    assert_eq!(find(&text), Ok(1));
    for (verdict, expected) in [
        (Verdict::Fail, SealError::Broken),
        (Verdict::TempError, SealError::Unverified),
        (Verdict::Pass, SealError::Unverified),
    ] {
        found.arc.verdict = verdict;
        let sealed = seal(std::slice::from_ref(&message), &signer, &host, &found, at);
        assert_eq!(sealed, Err(expected));
    }
}
