#![expect(clippy::indexing_slicing, reason = "a test fails where it stands")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use postbell_model::{KeyAlgorithm, Secret};
use proptest::prelude::*;

use super::canonical::Canonical;
use super::key::NewKey;
use super::*;

const MAIL: &str = "Received: by postbell.test\r\nX-Postbell-Delivery: token\r\n\
    From: Ann <ann@acme.example>\r\nto:bob@example.org,\r\n\tcarol@example.org\r\n\
    Subject:   An  order \r\nList-Unsubscribe: <https://acme.example/u>\r\n\r\n\
    Hello  there \t\r\n.\r\n \r\n\r\n";

fn body(chunks: &[&[u8]]) -> Vec<u8> {
    let mut canonical = Canonical::default();
    for chunk in chunks {
        canonical.write(chunk);
    }
    canonical.finish();
    canonical.out
}

/// RFC 6376 §3.4.4, said another way.
fn reference(body: &[u8]) -> Vec<u8> {
    let text: String = body.iter().map(|&octet| char::from(octet)).collect();
    let lines: Vec<String> = text
        .split("\r\n")
        .map(|line| {
            let line = line.trim_end_matches([' ', '\t']);
            let mut words = line.split([' ', '\t']).enumerate();
            words.by_ref().fold(String::new(), |mut out, (at, word)| {
                if at > 0 && !out.ends_with(' ') {
                    out.push(' ');
                }
                out.push_str(word);
                out
            })
        })
        .collect();
    let joined = lines.join("\r\n");
    let mut kept = joined.as_str();
    while let Some(shorter) = kept.strip_suffix("\r\n") {
        kept = shorter;
    }
    if kept.is_empty() {
        return Vec::new();
    }
    let whole = format!("{kept}\r\n");
    whole
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

// RFC 6376 §3.4.5, and the lines of white space alone that end many a mail.
#[test]
fn bodies_in_canonical_form() {
    let check = |raw: &str, expected: &str| {
        assert_eq!(body(&[raw.as_bytes()]), expected.as_bytes(), "{raw:?}");
        assert_eq!(reference(raw.as_bytes()), expected.as_bytes(), "{raw:?}");
    };
    check(" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n");
    check("", "");
    check("\r\n\r\n", "");
    check(" \r\n\t\r\n", "");
    check("abc\r\n \r\n", "abc\r\n");
    check("abc\r\n \r\nd", "abc\r\n\r\nd\r\n");
    check("abc", "abc\r\n");
    check("a\rb\r", "a\rb\r\r\n");
}

// RFC 6376 §3.4.5
#[test]
fn fields_in_canonical_form() {
    let check = |name: &str, value: &str, expected: &str| {
        let mut out = Vec::new();
        relaxed_field(name.as_bytes(), value.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check("A", " X ", "a:X");
    check("B", " Y\t\r\n\tZ  ", "b:Y Z");
    check("SUBJECT", "", "subject:");
}

proptest! {
    #[test]
    fn chunks_may_be_cut_anywhere(raw in "[ab \t\r\n]{0,60}", cut in 0..60_usize, next in 0..60_usize) {
        let raw = raw.as_bytes();
        let (front, back) = raw.split_at(cut.min(raw.len()));
        let (middle, back) = back.split_at(next.min(back.len()));
        prop_assert_eq!(body(&[front, middle, back]), reference(raw));
    }

    #[test]
    fn signatures_do_not_depend_on_the_chunks(cuts in proptest::collection::vec(0..MAIL.len(), 0..6)) {
        let signer = signer(KeyAlgorithm::Ed25519).0;
        let sign = |chunks: &[Bytes]| sign(chunks, [&signer], Timestamp::from_micros(0)).unwrap();
        let whole = sign(&[Bytes::from_static(MAIL.as_bytes())]);
        let mut cuts = cuts;
        cuts.extend([0, MAIL.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| Bytes::from_static(&MAIL.as_bytes()[pair[0]..pair[1]]));
        let pieces: Vec<_> = pieces.collect();
        prop_assert_eq!(sign(&pieces), whole);
    }
}

fn signer(algorithm: KeyAlgorithm) -> (Signer, NewKey) {
    let pair = NewKey::generate(algorithm).unwrap();
    let signer = Signer {
        domain: Domain::parse("acme.example").unwrap(),
        selector: pair.selector("202611"),
        key: SigningKey::from_pkcs8(algorithm, &pair.secret).unwrap(),
    };
    (signer, pair)
}

/// Verifies what our own signatures are like; programs of others verify in tests/outside.
fn verifies(mail: &str, signature: &str, pair: &NewKey) -> bool {
    let tag = |name: &str| {
        let tags = signature.split(';').filter_map(|tag| tag.split_once('='));
        let mut found = tags.filter(|(tag, _)| tag.trim() == name);
        let value = found.next().unwrap().1;
        value.split_ascii_whitespace().collect::<String>()
    };
    let (head, body_part) = mail.split_once("\r\n\r\n").unwrap();
    let head = format!("{head}\r\n");
    if tag("bh") != BASE64.encode(digest(&SHA256, &reference(body_part.as_bytes())).as_ref()) {
        return false;
    }
    let mut fields: Vec<_> = Header::of(head.as_bytes()).fields().collect();
    let mut signed = Vec::new();
    for name in tag("h").split(':') {
        if let Some(at) = fields.iter().rposition(|field| field.is(name)) {
            let field = fields.remove(at);
            relaxed_field(field.name(), field.value(), &mut signed);
            signed.extend_from_slice(b"\r\n");
        }
    }
    let end = signature.rfind("\tb=").unwrap() + 3;
    relaxed_field(
        b"DKIM-Signature",
        value(&signature[..end]).as_bytes(),
        &mut signed,
    );
    let octets = BASE64.decode(tag("b").as_bytes()).unwrap();
    match pair.algorithm {
        KeyAlgorithm::Rsa => {
            // The key within its SubjectPublicKeyInfo.
            let key = &pair.public[24..];
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
            key.verify(&signed, &octets).is_ok()
        }
        KeyAlgorithm::Ed25519 => {
            let key = UnparsedPublicKey::new(&ED25519, &pair.public);
            key.verify(digest(&SHA256, &signed).as_ref(), &octets)
                .is_ok()
        }
    }
}

#[test]
fn both_algorithms_sign_what_stands_there() {
    let pairs = KeyAlgorithm::ALL.map(signer);
    let signers = pairs.iter().map(|(signer, _)| signer);
    let chunks = [Bytes::from_static(MAIL.as_bytes())];
    let at = Timestamp::from_micros(1_700_000_000_999_999);
    let fields = sign(&chunks, signers, at).unwrap();
    let fields = std::str::from_utf8(&fields).unwrap();
    let second = fields.rfind("DKIM-Signature").unwrap();
    let (first, second) = fields.split_at(second);
    for (field, (_, pair)) in [first, second].into_iter().zip(&pairs) {
        assert!(field.ends_with("\r\n"));
        assert!(field.lines().all(|line| line.len() <= 78), "{field}");
        assert!(field.contains("t=1700000000;"), "{field}");
        assert!(verifies(MAIL, field, pair), "{field}");
        for (part, other) in [
            ("Ann", "Eve"),
            ("Hello  there", "Hello again"),
            ("example.org,\r\n", "example.org,\r\n x@"),
            ("To", "From: eve@evil.example\r\nTo"),
            ("From:", "Subject: Two\r\nFrom:"),
            ("List-Un", "Content-Type: text/html\r\nList-Un"),
            ("X-Postbell-Delivery: t", "X-Postbell-Delivery: T"),
        ] {
            let forged = MAIL.replace("to:", "To:").replacen(part, other, 1);
            assert_ne!(forged, MAIL.replace("to:", "To:"), "{part}");
            assert!(!verifies(&forged, field, pair), "{part} {other}");
        }
        let refolded = MAIL
            .replace(",\r\n\tcarol", ", carol")
            .replace("  there \t", " there");
        assert!(verifies(&refolded, field, pair));
        assert!(verifies(
            &format!("List-Archive: <x>\r\n{MAIL}"),
            field,
            pair
        ));
    }
}

// RFC 8463 §A.2, with the key of its example.
#[test]
fn an_ed25519_key_signs_the_digest() {
    let seed = BASE64
        .decode(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
        .unwrap();
    let mut pkcs8 = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    pkcs8.extend(seed);
    let key = SigningKey::from_pkcs8(KeyAlgorithm::Ed25519, &Secret::new(pkcs8)).unwrap();
    let public = BASE64
        .decode(b"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
        .unwrap();
    let signature = key.sign(b"signed").unwrap();
    let verifying = UnparsedPublicKey::new(&ED25519, &public);
    verifying
        .verify(digest(&SHA256, b"signed").as_ref(), &signature)
        .unwrap();
}

#[test]
fn what_is_no_key_is_refused() {
    for algorithm in KeyAlgorithm::ALL {
        let read = SigningKey::from_pkcs8(algorithm, &Secret::new(b"no key".as_slice()));
        assert_eq!(read.map(|_| ()), Err(KeyError::Unreadable));
    }
}

#[test]
fn a_message_may_be_a_header_alone_and_no_longer_than_one() {
    let (signer, _) = signer(KeyAlgorithm::Ed25519);
    let sign = |text: String| sign(&[Bytes::from(text)], [&signer], Timestamp::from_micros(0));
    assert!(sign(String::new()).is_ok());
    assert!(sign("From: a@b.example\r\n".to_owned()).is_ok());
    let long = "To: x\r\n".repeat(HEAD_MAX / 7);
    let field = sign(format!("{long}\r\n")).unwrap();
    assert!(field.len() < 2048, "{}", field.len());
    assert_eq!(
        sign(format!("{long}{long}\r\n")),
        Err(SignError::Header(HeaderError::TooLong))
    );
}
