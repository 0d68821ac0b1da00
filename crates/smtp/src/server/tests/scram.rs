//! SCRAM-SHA-256 in the session. Which proof is right is decided elsewhere; here one always is.

use data_encoding::BASE64;

use super::*;

pub(super) const RIGHT: [u8; 32] = [1; 32];
pub(super) const SIGNATURE: [u8; 32] = [2; 32];

const CLEAR: Terms = Terms {
    tls: Tls::None,
    login: Login::Required,
    cleartext_login: true,
    reports: Reports::Offered,
};
const FIRST: &str = "n,,n=ada,r=client";
const MAIL: &str = "MAIL FROM:<a@b.example>";

pub(super) fn challenge() -> ScramChallenge {
    ScramChallenge {
        salt: b"salt".to_vec(),
        iterations: 4096,
        nonce: "server".to_owned(),
    }
}

fn b64(octets: impl AsRef<[u8]>) -> String {
    BASE64.encode(octets.as_ref())
}

fn last(nonce: &str, proof: [u8; 32]) -> String {
    b64(format!("c=biws,r={nonce},p={}", b64(proof)))
}

/// Says EHLO and then each line by itself.
fn exchange(lines: &[&str]) -> Session {
    let sent: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    play(&[b"EHLO c\r\n", sent.as_bytes()])
}

fn play(pieces: &[&[u8]]) -> Session {
    let options = ServerOptions {
        max_errors: 1000,
        max_commands: 1000,
        ..options()
    };
    let mut server = Server::new(Arc::new(options), CLEAR, NOW);
    let mut session = Session::default();
    session.run(&mut server);
    for piece in pieces {
        session.feed(&mut server, piece);
    }
    session
}

#[test]
fn both_sides_prove_that_they_know() {
    let session = exchange(&[
        "AUTH SCRAM-SHA-256",
        &b64(FIRST),
        &last("clientserver", RIGHT),
        "",
        MAIL,
    ]);
    assert_eq!(session.codes()[2..], [334, 334, 334, 235, 250]);
    let answer = b64("r=clientserver,s=c2FsdA==,i=4096");
    assert!(session.said.contains(&format!("334 {answer}\r\n")));
    let verifier = b64(format!("v={}", b64(SIGNATURE)));
    let end = format!("334 {verifier}\r\n235 2.7.0 Authenticated\r\n");
    assert!(session.said.contains(&end), "{}", session.said);
    assert_eq!(session.logins, ["ada"]);
    assert_eq!(
        session.proven,
        ["n=ada,r=client,r=clientserver,s=c2FsdA==,i=4096,c=biws,r=clientserver"]
    );
    let at_once = format!("auth scram-sha-256 {}", b64(FIRST));
    let session = exchange(&[&at_once, &last("clientserver", RIGHT), "="]);
    assert_eq!(session.codes()[2..], [334, 334, 235]);
}

#[test]
fn without_the_proof_nobody_is_known() {
    let auth = format!("AUTH SCRAM-SHA-256 {}", b64(FIRST));
    let auth = auth.as_str();
    let right = last("clientserver", RIGHT);
    let (wrong, other) = (last("clientserver", [3; 32]), last("clientother", RIGHT));
    for (lines, expected) in [
        (&[auth, &wrong][..], &[334, 535][..]),
        (&[auth, &other], &[334, 501]),
        (&[auth, "*"], &[334, 501]),
        (&[auth, ""], &[334, 501]),
        (&[auth, auth], &[334, 501]),
        // The client does not believe the server.
        (&[auth, &right, "*"], &[334, 334, 501]),
        (&[auth, &right, "eA=="], &[334, 334, 501]),
        (&["AUTH SCRAM-SHA-256 ="], &[501]),
        (&["AUTH SCRAM-SHA-256-PLUS"], &[504]),
        (&["AUTH SCRAM-SHA-1"], &[504]),
    ] {
        let session = exchange(&[lines, &[MAIL]].concat());
        let expected = [expected, &[530]].concat();
        assert_eq!(
            session.codes()[2..],
            expected,
            "{lines:?}: {}",
            session.said
        );
    }
    let binding = b64("p=tls-exporter,,n=ada,r=client");
    let other = b64("n,a=root,n=ada,r=client");
    let session = exchange(&["AUTH SCRAM-SHA-256", &binding, "AUTH SCRAM-SHA-256", &other]);
    assert_eq!(session.codes()[2..], [334, 501, 334, 535]);
    assert!(session.logins.is_empty());
}

#[test]
fn a_yes_without_the_servers_proof_is_none() {
    for yes in [
        Answer::Accept,
        Answer::Reply(Reply::new(250, 0, 0, "OK")),
        Answer::Challenge(challenge()),
    ] {
        let mut server = server_on(CLEAR);
        let auth = format!("EHLO c\r\nAUTH SCRAM-SHA-256 {}\r\n", b64(FIRST));
        server.handle(auth.as_bytes(), NOW);
        server.answer(Answer::Challenge(challenge()), NOW);
        server.handle(
            format!("{}\r\n", last("clientserver", RIGHT)).as_bytes(),
            NOW,
        );
        server.answer(yes, NOW);
        let mut session = Session::default();
        session.run(&mut server);
        assert_eq!(session.codes().pop(), Some(454), "{}", session.said);
        assert!(!server.is_authenticated());
    }
}

#[test]
fn the_cuts_between_reads_do_not_matter() {
    let wrong = last("clientserver", [3; 32]);
    let right = last("clientserver", RIGHT);
    let first = b64(FIRST);
    let sent = format!(
        "EHLO c\r\nAUTH SCRAM-SHA-256 {first}\r\n{wrong}\r\n\
         AUTH SCRAM-SHA-256\r\n{first}\r\n{right}\r\n\r\n{MAIL}\r\n"
    );
    let whole = play(&[sent.as_bytes()]);
    assert!(whole.said.ends_with("250 2.1.0 Sender OK\r\n"));
    for at in 0..sent.len() {
        let (head, tail) = sent.as_bytes().split_at(at);
        assert_eq!(play(&[head, tail]).said, whole.said, "cut at {at}");
    }
    let octets: Vec<_> = sent.as_bytes().chunks(1).collect();
    assert_eq!(play(&octets).said, whole.said);
}
