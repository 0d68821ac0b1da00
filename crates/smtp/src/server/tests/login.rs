//! AUTH: the exchanges, and what is no answer to a challenge.

use data_encoding::BASE64;

use super::*;

const CLEAR: Terms = Terms {
    tls: Tls::None,
    login: Login::Required,
    cleartext_login: true,
    reports: Reports::Offered,
};

fn patient(terms: Terms) -> Server {
    let options = ServerOptions {
        max_errors: 1000,
        max_commands: 1000,
        ..options()
    };
    Server::new(Arc::new(options), terms, NOW)
}

/// Says EHLO and then each line by itself; the codes of the replies to the lines.
fn exchange(lines: &[&str]) -> (Vec<u16>, Session) {
    let mut server = patient(CLEAR);
    let mut session = Session::default();
    session.feed(&mut server, b"EHLO c\r\n");
    session.said.clear();
    for line in lines {
        session.feed(&mut server, format!("{line}\r\n").as_bytes());
    }
    (session.codes(), session)
}

fn b64(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

#[test]
fn plain_with_an_initial_response() {
    let mail = "MAIL FROM:<a@b.example> AUTH=<>";
    let auth = format!("AUTH PLAIN {}", b64("\0ada\0secret"));
    let (codes, session) = exchange(&[mail, &auth, mail, "RSET", &auth]);
    assert_eq!(codes, [530, 235, 250, 250, 503]);
    assert!(session.said.contains("530 5.7.0 Authentication required"));
    assert!(session.said.contains("235 2.7.0 Authenticated"));
    assert_eq!(session.logins, ["ada"]);
}

#[test]
fn plain_and_login_with_challenges() {
    let response = b64("ada\0ada\0secret");
    let (codes, session) = exchange(&["auth plain", &response]);
    assert_eq!(codes, [334, 235]);
    assert!(session.said.starts_with("334 \r\n"), "{}", session.said);
    let (codes, session) = exchange(&["AUTH LOGIN", &b64("ada"), &b64("secret")]);
    assert_eq!(codes, [334, 334, 235]);
    assert!(
        session
            .said
            .starts_with("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n")
    );
    let (codes, session) = exchange(&[&format!("AUTH LOGIN {}", b64("ada")), &b64("secret")]);
    assert_eq!(codes, [334, 235]);
    assert_eq!(session.logins, ["ada"]);
}

#[test]
fn the_envelope_says_that_the_client_had_logged_in() {
    let (_, session) = exchange(&[
        &format!("AUTH PLAIN {}", b64("\0ada\0secret")),
        "MAIL FROM:<a@b.example>",
        "RCPT TO:<c@d.example>",
        "DATA",
        ".",
    ]);
    let envelope = &session.messages[0].envelope;
    assert!(envelope.authenticated && !envelope.tls);
}

#[test]
fn a_wrong_password_leaves_the_session_as_it_was() {
    let wrong = format!("AUTH PLAIN {}", b64("\0ada\0wrong"));
    let right = format!("AUTH PLAIN {}", b64("\0ada\0secret"));
    let mail = "MAIL FROM:<a@b.example>";
    let (codes, session) = exchange(&[&wrong, mail, &right, mail]);
    assert_eq!(codes, [535, 530, 235, 250]);
    assert_eq!(session.logins.len(), 2);
}

#[test]
fn what_is_no_answer_ends_the_exchange() {
    let name = b64("ada");
    for (lines, expected, text) in [
        (&["AUTH PLAIN", "*"][..], &[334, 501][..], "501 5.7.0"),
        (&["AUTH LOGIN", &name, "*"], &[334, 334, 501], "501 5.7.0"),
        (&["AUTH PLAIN !!!!"], &[501], "501 5.5.2"),
        (&["AUTH PLAIN", "===="], &[334, 501], "501 5.5.2"),
        (&["AUTH PLAIN", ""], &[334, 501], "501 5.5.2"),
        (&["AUTH PLAIN ="], &[501], "501 5.5.2"),
        (&["AUTH PLAIN", &b64("ada")], &[334, 501], "501 5.5.2"),
        (
            &["AUTH PLAIN", &b64("\0\0secret")],
            &[334, 501],
            "501 5.5.2",
        ),
        (
            &["AUTH PLAIN", &b64("\0a\nb\0secret")],
            &[334, 501],
            "501 5.5.2",
        ),
        (&["AUTH PLAIN", &b64("\0a\0b\0c")], &[334, 501], "501 5.5.2"),
        (
            &["AUTH PLAIN", &b64("root\0ada\0secret")],
            &[334, 535],
            "535 5.7.8",
        ),
        (&["AUTH LOGIN ="], &[501], "501 5.5.2"),
        (&["AUTH CRAM-MD5"], &[504], "504 5.5.4"),
        (&["AUTH"], &[501], "501 5.5.4"),
    ] {
        let lines: Vec<_> = lines.iter().copied().chain(["NOOP"]).collect();
        let expected: Vec<u16> = expected.iter().copied().chain([250]).collect();
        let (codes, session) = exchange(&lines);
        assert_eq!(codes, expected, "{lines:?}: {}", session.said);
        assert!(session.said.contains(text), "{lines:?}: {}", session.said);
        assert_eq!(session.logins, [""; 0]);
    }
}

#[test]
fn lines_within_an_exchange_are_longer_than_commands_and_still_limited() {
    let fits = format!("{}==", "A".repeat(AUTH_LINE_MAX - 4));
    let long = "A".repeat(AUTH_LINE_MAX - 1);
    let (codes, session) = exchange(&["AUTH PLAIN", &fits, "NOOP"]);
    assert_eq!(codes, [334, 501, 250]);
    assert!(session.said.contains("501 5.5.2"), "{}", session.said);
    let (codes, session) = exchange(&["AUTH PLAIN", &long, "NOOP"]);
    assert_eq!(codes, [334, 500, 250]);
    assert!(session.said.contains("500 5.5.6"), "{}", session.said);
    let (codes, _) = exchange(&["AUTH PLAIN", "QUIT\nQUIT", "NOOP"]);
    assert_eq!(codes, [334, 500, 250]);
}

#[test]
fn only_after_ehlo_and_only_where_it_is_offered() {
    let auth = "AUTH PLAIN AGEAc2VjcmV0\r\n";
    let offered = |terms| {
        let mut server = patient(terms);
        let mut session = Session::default();
        session.feed(&mut server, auth.as_bytes());
        session.feed(&mut server, format!("HELO c\r\n{auth}").as_bytes());
        session.feed(&mut server, format!("EHLO c\r\n{auth}").as_bytes());
        let announced = session.said.contains("AUTH SCRAM-SHA-256 PLAIN LOGIN");
        (announced, session.codes())
    };
    assert_eq!(offered(CLEAR), (true, vec![220, 503, 250, 503, 250, 235]));
    let none = Terms {
        login: Login::None,
        ..CLEAR
    };
    assert_eq!(offered(none), (false, vec![220, 502, 250, 502, 250, 502]));
    let clear = Terms {
        cleartext_login: false,
        ..CLEAR
    };
    assert_eq!(offered(clear), (false, vec![220, 503, 250, 503, 250, 538]));
    let tls = Terms {
        tls: Tls::Active,
        ..clear
    };
    assert_eq!(offered(tls), (true, vec![220, 503, 250, 503, 250, 235]));
}

#[test]
fn no_password_is_in_the_debug_form() {
    let ask = Ask::Login {
        username: "ada".to_owned(),
        password: Secret::new("secret"),
    };
    assert!(!format!("{ask:?}").contains("secret"));
}

#[test]
fn the_cuts_between_reads_do_not_matter() {
    let sent = format!(
        "EHLO c\r\nAUTH LOGIN\r\n{}\r\n{}\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN {}\r\n\
         MAIL FROM:<a@b.example>\r\n",
        b64("ada"),
        b64("wrong"),
        b64("\0ada\0secret"),
    );
    let play = |pieces: &[&[u8]]| {
        let mut server = patient(CLEAR);
        let mut session = Session::default();
        session.run(&mut server);
        for piece in pieces {
            session.feed(&mut server, piece);
        }
        session.said
    };
    let whole = play(&[sent.as_bytes()]);
    assert!(whole.ends_with("250 2.1.0 Sender OK\r\n"), "{whole}");
    for at in 0..sent.len() {
        let (head, tail) = sent.as_bytes().split_at(at);
        assert_eq!(play(&[head, tail]), whole, "cut at {at}");
    }
    let octets: Vec<_> = sent.as_bytes().chunks(1).collect();
    assert_eq!(play(&octets), whole);
}
