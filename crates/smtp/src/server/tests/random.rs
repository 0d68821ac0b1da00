//! Random sessions: against a reference model of RFC 5321 §4.1.4, and cut at random places.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What the client has got so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Connected,
    Idle,
    Mail,
    Rcpt,
    Closed,
}

const LINES: &[&str] = &[
    "EHLO c",
    "HELO c",
    "MAIL FROM:<a@b.example>",
    "MAIL FROM:<no@b.example>",
    "RCPT TO:<c@d.example>",
    "RCPT TO:<no@d.example>",
    "RCPT TO:<later@d.example>",
    "DATA",
    "RSET",
    "NOOP",
    "VRFY x",
    "XYZZY",
    "MAIL FROM:<broken",
    "QUIT",
];

/// The code that a line gets, and what comes after.
fn expect(state: Model, line: &str) -> (u16, Model) {
    use Model::{Closed, Connected, Idle, Mail, Rcpt};
    match (line, state) {
        (_, Closed) => unreachable!("nothing is sent after the end"),
        ("EHLO c" | "HELO c", _) => (250, Idle),
        ("QUIT", _) => (221, Closed),
        ("RSET", Mail | Rcpt) => (250, Idle),
        ("RSET" | "NOOP", _) => (250, state),
        ("VRFY x", _) => (252, state),
        ("XYZZY", _) => (500, state),
        ("MAIL FROM:<broken", _) => (501, state),
        ("MAIL FROM:<a@b.example>", Idle) => (250, Mail),
        ("MAIL FROM:<no@b.example>", Idle) => (550, Idle),
        ("RCPT TO:<c@d.example>", Mail | Rcpt) => (250, Rcpt),
        ("RCPT TO:<no@d.example>", Mail | Rcpt) => (550, state),
        ("RCPT TO:<later@d.example>", Mail | Rcpt) => (451, state),
        ("DATA", Rcpt) => (354, Idle),
        ("DATA", Mail) => (554, Mail),
        (_, Connected | Idle | Mail | Rcpt) => (503, state),
    }
}

fn patient() -> Server {
    let options = ServerOptions {
        max_recipients: 1000,
        max_errors: 1000,
        max_commands: 1000,
        ..options()
    };
    Server::new(Arc::new(options), PLAIN, NOW)
}

fn follow(lines: &[usize]) {
    let mut server = patient();
    let mut session = Session::default();
    session.run(&mut server);
    let mut state = Model::Connected;
    for line in lines.iter().map(|index| LINES[*index]) {
        if state == Model::Closed {
            assert!(session.closed);
            return;
        }
        let (code, next) = expect(state, line);
        session.said.clear();
        session.feed(&mut server, format!("{line}\r\n").as_bytes());
        assert_eq!(session.codes(), [code], "{line} in {state:?} of {lines:?}");
        if code == 354 {
            session.said.clear();
            session.feed(&mut server, b"Subject: x\r\n\r\n..\r\n.\r\n");
            assert_eq!(session.codes(), [250]);
            assert_eq!(
                session.messages.last().unwrap().body,
                "Subject: x\r\n\r\n.\r\n"
            );
        }
        state = next;
    }
}

#[test]
fn all_short_sessions_follow_the_model() {
    let n = LINES.len();
    for number in 0..n * n * n * n {
        follow(&[
            number % n,
            number / n % n,
            number / n / n % n,
            number / n / n / n,
        ]);
    }
}

/// Octets that lead into every corner: whole commands, parts of them, ends of all kinds.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => proptest::sample::select(LINES).prop_map(|line| format!("{line}\r\n").into_bytes()),
        2 => proptest::sample::select(&["\r\n", "\n", "\r", "\0", ".", "\r\n.\r\n", "DATA\r\n"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
        1 => (0_usize..3000).prop_map(|n| vec![b'x'; n]),
    ]
}

proptest! {
    #[test]
    fn long_sessions_follow_the_model(lines in vec(0..LINES.len(), 0..60)) {
        follow(&lines);
    }

    #[test]
    fn the_cuts_between_reads_do_not_matter(
        fragments in vec(fragment(), 0..30),
        pieces in vec(1_usize..40, 1..20),
    ) {
        let bytes = fragments.concat();
        let mut whole = Session::default();
        let mut server = server();
        whole.run(&mut server);
        whole.feed(&mut server, &bytes);
        let mut cut = Session::default();
        let mut server = super::server();
        cut.run(&mut server);
        let mut rest = bytes.as_slice();
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (head, tail) = rest.split_at(rest.len().min(*piece));
            cut.feed(&mut server, head);
            rest = tail;
        }
        prop_assert_eq!(whole.said, cut.said);
        prop_assert_eq!(whole.messages, cut.messages);
        prop_assert_eq!(whole.closed, cut.closed);
    }
}
