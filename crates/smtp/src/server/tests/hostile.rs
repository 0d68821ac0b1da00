//! The sessions of `corpora/smtp/hostile.jsonl`, which lies beside the repository: each must go
//! as its label says, however its octets are cut.

use std::path::Path;

use super::*;
use crate::data;

/// What depends on more than this machine, and where it is decided.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "rcptto-10",
        "what a mailbox stands for is its own host's affair",
    ),
    ("double-from", "header fields are read by the gate"),
];

/// The codes after the greeting, where the label says them.
const CODES: &[(&str, &[u16])] = &[
    ("pipeline-ok", &[250, 250, 250, 354, 250, 250, 250, 354]),
    ("starttls-injection", &[250, 421]),
    ("auth-cancel", &[250, 334, 501]),
    ("auth-bad-b64", &[250, 501, 334, 501]),
    ("auth-during-mail", &[250, 250, 503]),
    ("mailfrom-01", &[250, 500, 221]),
    ("mailfrom-02", &[250, 500, 221]),
    ("mailfrom-05", &[250, 501, 221]),
    ("mailfrom-06", &[250, 552, 221]),
    ("mailfrom-09", &[250, 501, 221]),
    ("mailfrom-10", &[250, 501, 221]),
    ("mailfrom-11", &[250, 250, 221]),
    ("mailfrom-15", &[250, 250, 221]),
    ("mailfrom-16", &[250, 250, 221]),
    ("mailfrom-18", &[250, 501, 221]),
    ("mailfrom-19", &[250, 501, 221]),
    ("mailfrom-20", &[250, 501, 221]),
    ("mailfrom-23", &[250, 501, 221]),
    ("rcptto-02", &[250, 250, 250, 221]),
    ("rcptto-03", &[250, 250, 501, 221]),
    ("rcptto-05", &[250, 250, 553, 221]),
    ("rcptto-06", &[250, 250, 553, 221]),
    ("rcptto-07", &[250, 250, 501, 221]),
    ("rcptto-08", &[250, 250, 250, 221]),
    ("rcptto-09", &[250, 250, 250, 221]),
    ("rcptto-12", &[250, 250, 501, 221]),
    ("long-body-line", &[250, 250, 250, 354, 250]),
    ("header-only", &[250, 250, 250, 354, 250]),
    ("dot-stuffing", &[250, 250, 250, 354, 250]),
    ("bdat-01", &[250, 502]),
    ("bdat-02", &[250, 250, 250, 502]),
    ("bdat-04", &[250, 250, 250, 502]),
    ("bdat-05", &[250, 250, 250, 502, 500, 500, 502]),
    ("proto-01", &[421]),
    ("proto-03", &[500, 250]),
    ("proto-04", &[500]),
    ("proto-05", &[501]),
    ("proto-07", &[501]),
    ("proto-09", &[501]),
    ("proto-14", &[250, 250, 503]),
    ("proto-15", &[221]),
];

/// All that there is, so that each session finds what it is about.
const TERMS: Terms = Terms {
    tls: Tls::Offered,
    login: Login::Optional,
    cleartext_login: true,
    reports: Reports::Offered,
};

struct Hostile {
    id: String,
    class: String,
    bytes: Vec<u8>,
}

#[test]
fn hostile_sessions_go_as_labelled() {
    let Some(sessions) = corpus() else {
        println!("skipped: the corpus is not there");
        return;
    };
    assert!(!sessions.is_empty());
    for session in &sessions {
        for bare in [BareLineEnds::Refuse, BareLineEnds::Normalise] {
            check_one(session, bare);
        }
    }
}

fn corpus() -> Option<Vec<Hostile>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/smtp/hostile.jsonl");
    let text = std::fs::read_to_string(path).ok()?;
    let session = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| value[name].as_str().unwrap().to_owned();
        Hostile {
            id: field("id"),
            class: field("class"),
            // Latin-1: a character is an octet.
            bytes: field("bytes")
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect(),
        }
    };
    Some(text.lines().map(session).collect())
}

fn check_one(hostile: &Hostile, bare: BareLineEnds) {
    let id = hostile.id.as_str();
    let whole = play(&[&hostile.bytes], bare);
    // Sessions of a hundred kilobytes are cut at forty places, others at each.
    let length = hostile.bytes.len();
    let step = if length > 2_000 { length / 40 } else { 1 };
    for at in (0..length).step_by(step) {
        let (head, tail) = hostile.bytes.split_at(at);
        let cut = play(&[head, tail], bare);
        if hostile.class == "starttls" {
            check_injection(id, &cut);
            continue;
        }
        assert_eq!(cut.said, whole.said, "{id} cut at {at}");
        assert_eq!(cut.messages, whole.messages, "{id} cut at {at}");
    }
    let octets: Vec<_> = hostile.bytes.chunks(1).collect();
    let by_octets = play(&octets, bare);
    match hostile.class.as_str() {
        "starttls" => check_injection(id, &by_octets),
        _ => assert_eq!(by_octets.said, whole.said, "{id} by octets"),
    }
    check_messages(hostile, bare, &whole);
    if let Some((_, reason)) = ELSEWHERE.iter().find(|(name, _)| *name == id) {
        println!("{id}: not all is checked here: {reason}");
    }
    match CODES.iter().find(|(name, _)| *name == id) {
        Some((_, codes)) => assert_eq!(whole.codes()[1..], **codes, "{id}"),
        None if id == "rcpt-flood" => check_flood(&whole),
        None => println!("{id}: only what holds for all sessions is checked"),
    }
    if id == "dot-stuffing" {
        let body = &whole.messages[0].body;
        assert_eq!(
            body,
            "Subject: x\r\n\r\n.leading\r\n..three\r\n.\r\n".as_bytes()
        );
    }
}

/// No message was made up by its sender's octets, and what is sent on has one end only.
fn check_messages(hostile: &Hostile, bare: BareLineEnds, session: &Session) {
    let id = &hostile.id;
    for message in &session.messages {
        let from = message.envelope.from.to_string();
        assert!(!from.contains("evil"), "{id}: smuggled");
        let wire = data::stuff(vec![message.body.clone()]).expect(id).concat();
        let ends = memchr::memmem::find_iter(&wire, b"\r\n.\r\n").count();
        assert_eq!(ends, 1, "{id}: an end inside the message");
        let bare_left = wire.iter().filter(|b| **b == b'\n').count()
            != memchr::memmem::find_iter(&wire, b"\r\n").count();
        assert!(!bare_left, "{id}: a bare LF is sent on");
    }
    if hostile.class.starts_with("smuggling") {
        assert!(session.messages.len() <= 1, "{id}");
        if bare == BareLineEnds::Refuse {
            assert_eq!(session.messages, [], "{id}");
            assert!(session.codes().contains(&550), "{id}");
        }
    }
}

/// What came behind STARTTLS got no answer, and the session is over: with a word where none had
/// been given to begin TLS, without one after it.
fn check_injection(id: &str, session: &Session) {
    assert!(session.closed, "{id}");
    let last = session.codes().pop();
    assert!(matches!(last, Some(220 | 421)), "{id}: {}", session.said);
    assert_eq!(session.codes().len(), 3, "{id}: {}", session.said);
}

fn check_flood(session: &Session) {
    let codes = session.codes();
    let taken = codes.iter().filter(|code| **code == 250).count();
    assert!(taken >= 100);
    assert!(session.said.contains("452 4.5.3"));
}

fn play(pieces: &[&[u8]], bare_line_ends: BareLineEnds) -> Session {
    let mut server = Server::new(
        Arc::new(ServerOptions {
            max_message_size: 1_000_000,
            max_recipients: 1000,
            max_errors: 20,
            max_commands: 500,
            bare_line_ends,
            ..options()
        }),
        TERMS,
        NOW,
    );
    let mut session = Session::default();
    session.run(&mut server);
    for piece in pieces {
        session.feed(&mut server, piece);
    }
    session
}
