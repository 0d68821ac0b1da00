//! Mail of our own making: what we sign and seal is verified, by us and by mail-auth.

use std::time::Duration;

use bytes::Bytes;
use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};
use postbell_mail::arc::{SealError, seal};
use postbell_mail::authentication::{field, without};
use postbell_mail::dkim::key::{NewKey, SigningKey};
use postbell_mail::dkim::{Signer, record, sign};
use postbell_model::authentication::{Authentication, DkimAlgorithm, Verdict};
use postbell_model::{Domain, KeyAlgorithm, Timestamp};
use postbell_peers::dns::DnsServer;

use crate::world::World;

// The white space at its end is what mail-auth reads otherwise than RFC 6376 §3.4.4.
const MESSAGE: &str = "From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject:  Hello \r\n \
    again\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\n\r\nHello  Bob \t\r\n\r\n.\r\n\r\n";

fn at() -> Timestamp {
    Timestamp::from_micros(1_795_305_000_000_000)
}

/// A new key, and its record in the DNS of the world.
fn signer(world: &World, domain: &str, algorithm: KeyAlgorithm) -> Signer {
    let key = NewKey::generate(algorithm).unwrap();
    let selector = algorithm.name().to_owned();
    world.txt(
        &format!("{selector}._domainkey.{domain}"),
        &record::text(algorithm, &key.public),
    );
    Signer {
        domain: Domain::parse(domain).unwrap(),
        selector,
        key: SigningKey::from_pkcs8(algorithm, &key.secret).unwrap(),
    }
}

fn signed(message: &str, signers: &[Signer]) -> Bytes {
    let chunk = Bytes::copy_from_slice(message.as_bytes());
    let fields = sign(std::slice::from_ref(&chunk), signers, at()).unwrap();
    Bytes::from([fields, chunk].concat())
}

fn sealed(message: &Bytes, signer: &Signer, found: &Authentication) -> Result<Bytes, SealError> {
    let host = Domain::parse("mx.forwarder.example").unwrap();
    let set = seal(std::slice::from_ref(message), signer, &host, found, at())?;
    Ok(Bytes::from([set, message.clone()].concat()))
}

/// mail-auth, with the DNS of the world.
fn mail_auth(dns: &DnsServer) -> MessageAuthenticator {
    let mut udp = ConnectionConfig::udp();
    udp.port = dns.addr().port();
    let server = NameServerConfig::new(dns.addr().ip(), true, vec![udp]);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    MessageAuthenticator(resolver.build().unwrap())
}

#[tokio::test]
async fn what_we_sign_passes() {
    let world = World::new().await;
    world.txt("_dmarc.example.com", "v=DMARC1; p=reject");
    let signers = [
        signer(&world, "example.com", KeyAlgorithm::Rsa),
        signer(&world, "news.example.com", KeyAlgorithm::Ed25519),
    ];
    let message = signed(MESSAGE, &signers);
    let found = world.verify("", &message).await;
    let verdicts: Vec<_> = found
        .dkim
        .iter()
        .map(|one| (one.verdict, one.algorithm))
        .collect();
    assert_eq!(
        verdicts,
        [
            (Verdict::Pass, Some(DkimAlgorithm::RsaSha256)),
            (Verdict::Pass, Some(DkimAlgorithm::Ed25519Sha256))
        ]
    );
    assert_eq!(found.dmarc.verdict, Verdict::Pass);
    assert_eq!(found.dmarc.aligned.len(), 2);
    let authenticator = mail_auth(&world.dns);
    let parsed = AuthenticatedMessage::parse(&message).unwrap();
    for output in authenticator.verify_dkim(&parsed).await {
        assert_eq!(output.result(), &DkimResult::Pass);
    }
}

#[tokio::test]
async fn what_was_changed_does_not() {
    let world = World::new().await;
    world.txt("_dmarc.example.com", "v=DMARC1; p=reject");
    let signers = [signer(&world, "example.com", KeyAlgorithm::Rsa)];
    let message = signed(MESSAGE, &signers);
    let text = String::from_utf8(message.to_vec()).unwrap();
    for (from, to, expected, reason) in [
        ("Hello  Bob", "Hello Bob", Verdict::Pass, None),
        (".\r\n\r\n", ".\r\n \t\r\n\r\n", Verdict::Pass, None),
        (
            "Hello  Bob",
            "Hello Eve",
            Verdict::Fail,
            Some("the body was changed"),
        ),
        (
            "To: bob@",
            "Cc: eve@example.net\r\nTo: bob@",
            Verdict::Fail,
            Some("the signature is not of this header"),
        ),
        (
            "s=rsa",
            "s=other",
            Verdict::PermError,
            Some("there is no key"),
        ),
        (
            "t=1795305000",
            "t=1; x=2",
            Verdict::Policy,
            Some("the signature has expired"),
        ),
        (
            "rsa-sha256",
            "ed25519-sha256",
            Verdict::PermError,
            Some("the key is of another algorithm"),
        ),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let found = world.verify("", &Bytes::from(changed)).await;
        assert_eq!(found.dkim[0].verdict, expected, "{from} {to}");
        assert_eq!(found.dkim[0].reason.as_deref(), reason);
        let aligned = expected == Verdict::Pass;
        assert_eq!(found.dmarc.verdict == Verdict::Pass, aligned);
    }
}

#[tokio::test]
async fn what_we_seal_holds_hop_after_hop() {
    let world = World::new().await;
    let signers = [signer(&world, "example.com", KeyAlgorithm::Rsa)];
    let first = signer(&world, "one.example", KeyAlgorithm::Rsa);
    let second = signer(&world, "two.example", KeyAlgorithm::Rsa);
    let mut message = signed(MESSAGE, &signers);
    let authenticator = mail_auth(&world.dns);
    for (index, sealer) in [first, second].iter().enumerate() {
        let found = world.verify("", &message).await;
        message = sealed(&message, sealer, &found).unwrap();
        let again = world.verify("", &message).await;
        assert_eq!(again.arc.verdict, Verdict::Pass);
        assert_eq!(usize::from(again.arc.sets), index + 1);
        assert_eq!(again.arc.sealer.as_ref(), Some(&sealer.domain));
        assert_eq!(again.dkim[0].verdict, Verdict::Pass);
        let parsed = AuthenticatedMessage::parse(&message).unwrap();
        let output = authenticator.verify_arc(&parsed).await;
        assert_eq!(output.result(), &DkimResult::Pass);
        assert_eq!(output.sets().len(), index + 1);
    }
    let text = String::from_utf8(message.to_vec()).unwrap();
    for (from, to) in [
        ("Hello  Bob", "Hello Eve"),
        ("dkim=pass", "dkim=fail"),
        ("cv=pass", "cv=none"),
        ("i=2", "i=3"),
    ] {
        let changed = Bytes::from(text.replacen(from, to, 1));
        let found = world.verify("", &changed).await;
        assert_eq!(found.arc.verdict, Verdict::Fail, "{from}");
        let sealer = signer(&world, "three.example", KeyAlgorithm::Rsa);
        assert_eq!(sealed(&changed, &sealer, &found), Err(SealError::Broken));
    }
}

#[tokio::test]
async fn what_nobody_could_make_anything_of_is_not_sealed() {
    let world = World::new().await;
    let message = Bytes::from_static(MESSAGE.as_bytes());
    let mut found = world.verify("", &message).await;
    let ed25519 = signer(&world, "example.com", KeyAlgorithm::Ed25519);
    assert_eq!(
        sealed(&message, &ed25519, &found),
        Err(SealError::Algorithm)
    );
    let rsa = signer(&world, "example.com", KeyAlgorithm::Rsa);
    let mut other = found.clone();
    other.arc.verdict = Verdict::Pass;
    other.arc.sets = 1;
    assert_eq!(sealed(&message, &rsa, &other), Err(SealError::Unverified));
    let mut chain = message;
    for sets in 1..=50 {
        chain = sealed(&chain, &rsa, &found).unwrap();
        found.arc.verdict = Verdict::Pass;
        found.arc.sets = sets;
    }
    let found = world.verify("", &chain).await;
    assert_eq!((found.arc.verdict, found.arc.sets), (Verdict::Pass, 50));
    assert_eq!(sealed(&chain, &rsa, &found), Err(SealError::Full));
}

#[tokio::test]
async fn long_bodies_are_hashed_in_pieces() {
    let world = World::new().await;
    let signers = [signer(&world, "example.com", KeyAlgorithm::Ed25519)];
    let body = "All work and no play  makes Jack a dull boy.\t\r\n".repeat(20_000);
    let message = signed(&format!("From: a@example.com\r\n\r\n{body}"), &signers);
    let found = tokio::time::timeout(Duration::from_secs(60), world.verify("", &message)).await;
    assert_eq!(found.unwrap().dkim[0].verdict, Verdict::Pass);
}

#[tokio::test]
async fn results_are_put_in_front_where_nobody_else_has() {
    let world = World::new().await;
    let ours = Domain::parse("mx.example.net").unwrap();
    let forged = "Authentication-Results: mx.example.net; dmarc=pass\r\n";
    let message = Bytes::from(format!("{forged}{MESSAGE}"));
    let found = world.verify("ann@example.com", &message).await;
    let cleaned = without(&message, &ours).unwrap();
    assert_eq!(cleaned, MESSAGE);
    let written = field(&ours, None, &found);
    assert!(written.contains("spf=none smtp.mailfrom=example.com"));
    assert!(written.contains("dmarc=none header.from=example.com"));
}
