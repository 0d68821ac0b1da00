use postbell_mail::dkim::key::NewKey;
use postbell_model::message::Received;
use postbell_model::{
    ConfigurationSetId, DomainKey, Instructions, KeyAlgorithm, KeyState, MessageId, ReversePath,
    SendingDomain, Timestamp, WorkspaceId,
};

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

fn sealing() -> Arc<SealingKey> {
    let text = SealingKey::new_text().unwrap();
    Arc::new(SealingKey::parse(&text).unwrap())
}

fn named(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn key(sealing: &SealingKey, domain: &str, selector: &str, state: KeyState) -> DomainKey {
    let pair = NewKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let mut key = DomainKey {
        domain: named(domain),
        selector: selector.to_owned(),
        algorithm: pair.algorithm,
        sealed: Vec::new(),
        public: pair.public,
        state,
        created_at: NOW,
        activated_at: None,
        retired_at: None,
    };
    key.sealed = sealing.seal(&key.record_name(), &pair.secret).unwrap();
    key
}

fn directory(keys: impl IntoIterator<Item = DomainKey>) -> Directory {
    let domain = |name, workspace| {
        let workspace = WorkspaceId(workspace);
        SendingDomain::new(named(name), workspace, ConfigurationSetId(1), NOW)
    };
    let domains = [domain("acme.example", 1), domain("operator.example", 2)];
    Directory::new([], domains, [], []).with_domain_keys(keys)
}

fn message(source: &str, workspace: u32) -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        workspace: WorkspaceId(workspace),
        configuration_set: ConfigurationSetId(1),
        mail_from: ReversePath::Null,
        source: source.to_owned(),
        subject: String::new(),
        header_message_id: String::new(),
        accepted_at: NOW,
        size: 0,
        eight_bit: false,
        smtputf8: false,
        received: Received {
            helo: String::new(),
            peer: None,
            with: String::new(),
        },
        reports: false,
        instructions: Instructions::default(),
        forward: None,
    }
}

fn signing(sealing: Arc<SealingKey>, operator: Option<&str>) -> Signing {
    let options = SigningOptions {
        operator_domain: operator.map(named),
        threads: Some(2),
    };
    Signing::new(options, sealing)
}

fn selectors(signing: &Signing, directory: &Directory, message: &Message) -> Vec<String> {
    let signers = signing.signers(directory, message).unwrap();
    signers
        .iter()
        .map(|signer| signer.selector.clone())
        .collect()
}

#[test]
fn the_keys_in_use_of_the_author_s_domain_sign() {
    let sealing = sealing();
    let first = key(&sealing, "acme.example", "first", KeyState::Active);
    let next = key(&sealing, "acme.example", "next", KeyState::Pending);
    let operator = key(&sealing, "operator.example", "operator", KeyState::Active);
    let signing = signing(sealing, None);
    let before = directory([first.clone(), next.clone(), operator.clone()]);
    let mail = message("ann@acme.example", 1);
    assert_eq!(selectors(&signing, &before, &mail), ["first"]);
    for (source, workspace) in [("ann@acme.example", 2), ("ann@other.example", 1), ("", 1)] {
        let nobodys = message(source, workspace);
        assert!(
            selectors(&signing, &before, &nobodys).is_empty(),
            "{source}"
        );
    }
    let retired = DomainKey {
        state: KeyState::Retiring,
        ..first
    };
    let in_use = DomainKey {
        state: KeyState::Active,
        ..next
    };
    let after = directory([retired, in_use, operator]);
    assert_eq!(selectors(&signing, &after, &mail), ["next"]);
    assert!(selectors(&signing, &directory([]), &mail).is_empty());
}

#[test]
fn the_operator_signs_beside_the_author_and_not_twice() {
    let sealing = sealing();
    let author = key(&sealing, "acme.example", "author", KeyState::Active);
    let operator = key(&sealing, "operator.example", "operator", KeyState::Active);
    let signing = signing(sealing, Some("operator.example"));
    let both = directory([author, operator]);
    let check = |source, workspace, expected: &[&str]| {
        let mail = message(source, workspace);
        assert_eq!(selectors(&signing, &both, &mail), expected, "{source}");
    };
    check("ann@acme.example", 1, &["author", "operator"]);
    check("ann@operator.example", 2, &["operator"]);
    check("", 1, &["operator"]);
}

#[test]
fn a_key_that_was_sealed_with_another_secret_is_not_passed_over() {
    let strange = key(&sealing(), "acme.example", "strange", KeyState::Active);
    let ours = sealing();
    let key = key(&ours, "acme.example", "ours", KeyState::Active);
    let signing = signing(ours, None);
    let mail = message("ann@acme.example", 1);
    let with_both = directory([key.clone(), strange]);
    for _ in 0..2 {
        assert_eq!(signing.signers(&with_both, &mail).err(), Some(Unreadable));
    }
    assert_eq!(selectors(&signing, &directory([key]), &mail), ["ours"]);
}

#[tokio::test]
async fn more_messages_than_may_wait_are_all_signed() {
    let sealing = sealing();
    let author = key(&sealing, "acme.example", "author", KeyState::Active);
    let signing = signing(sealing, None);
    let directory = directory([author]);
    let mail = message("ann@acme.example", 1);
    let signed = (0..200).map(|_| {
        let chunks = vec![Bytes::from_static(
            b"From: ann@acme.example\r\n\r\nHello.\r\n",
        )];
        let signers = signing.signers(&directory, &mail).unwrap();
        signing
            .pool
            .run(move || sign(&chunks, signers.iter().map(AsRef::as_ref), NOW))
    });
    for fields in futures_util::future::join_all(signed).await {
        let fields = fields.unwrap().unwrap();
        assert!(fields.starts_with(b"DKIM-Signature: v=1; a=ed25519-sha256;"));
    }
}
