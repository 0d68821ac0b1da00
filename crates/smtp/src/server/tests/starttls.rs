//! STARTTLS: when, and what is left of the session before it.

use proptest::prelude::*;

use super::*;

const OFFERED: Terms = Terms {
    tls: Tls::Offered,
    login: Login::Required,
    cleartext_login: false,
    reports: Reports::Offered,
};

#[test]
fn the_session_begins_anew() {
    check_on(
        OFFERED,
        "S: 220 mx.test ESMTP Postbell
         C: STARTTLS
         S: 503 5.5.1 Send EHLO or HELO first
         C: EHLO c
         S: 250-mx.test
         S: 250-PIPELINING
         S: 250-SIZE 200
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-DSN
         S: 250 STARTTLS
         C: AUTH PLAIN AGEAYg==
         S: 538 5.7.11 Authentication needs TLS; send STARTTLS first
         C: MAIL FROM:<a@b.example>
         S: 530 5.7.0 Authentication required
         C: STARTTLS
         S: 220 2.0.0 Begin TLS
         TLS
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1 Send EHLO or HELO first
         C: EHLO c
         S: 250-mx.test
         S: 250-PIPELINING
         S: 250-SIZE 200
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-DSN
         S: 250 AUTH SCRAM-SHA-256 PLAIN LOGIN
         C: STARTTLS
         S: 421 4.7.0 Too many errors, goodbye
         closed",
    );
}

#[test]
fn a_transaction_does_not_survive() {
    let terms = Terms {
        login: Login::None,
        ..OFFERED
    };
    let session = check_on(
        terms,
        "S: 220 mx.test ESMTP Postbell
         C: HELO c
         S: 250 mx.test
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 Sender OK
         C: STARTTLS
         S: 220 2.0.0 Begin TLS
         TLS
         C: RCPT TO:<c@d.example>
         S: 503 5.5.1 Send MAIL first
         C: HELO c
         S: 250 mx.test
         C: STARTTLS
         S: 503 5.5.1 TLS is active already
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 Sender OK
         C: RCPT TO:<c@d.example>
         S: 250 2.1.5 Recipient OK
         C: DATA
         S: 354 End data with <CR><LF>.<CR><LF>
         C: .
         S: 250 2.0.0 Message accepted",
    );
    let envelope = &session.messages[0].envelope;
    assert!(envelope.tls && !envelope.authenticated);
}

#[test]
fn a_login_does_not_survive() {
    let terms = Terms {
        cleartext_login: true,
        ..OFFERED
    };
    let mut server = server_on(terms);
    let mut session = Session::default();
    session.feed(
        &mut server,
        b"EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\nMAIL FROM:<a@b.example>\r\nSTARTTLS\r\n",
    );
    assert_eq!(session.codes(), [220, 250, 235, 250, 220]);
    session.said.clear();
    server.secured(NOW);
    session.feed(&mut server, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    assert_eq!(session.codes(), [250, 530]);
}

#[test]
fn a_server_that_goes_down_says_so_under_tls() {
    let mut server = server_on(OFFERED);
    let mut session = Session::default();
    session.feed(&mut server, b"EHLO c\r\nSTARTTLS\r\n");
    server.shut_down();
    session.run(&mut server);
    assert!(session.wants_tls && !session.closed);
    session.said.clear();
    server.secured(NOW);
    session.run(&mut server);
    assert_eq!(session.codes(), [421]);
    assert!(session.closed);
}

proptest! {
    /// Whatever stands behind STARTTLS, and wherever the octets are cut, none of it is answered
    /// and TLS is not begun.
    #[test]
    fn nothing_behind_it_counts(
        injected in prop_oneof![
            Just(b"EHLO injected\r\nMAIL FROM:<a@b.example>\r\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 1..60),
        ],
        at in any::<proptest::sample::Index>(),
    ) {
        let begin = b"EHLO c\r\nSTARTTLS\r\n";
        let bytes = [&begin[..], &injected].concat();
        let (head, tail) = bytes.split_at(at.index(bytes.len()));
        let mut server = server_on(OFFERED);
        let mut session = Session::default();
        session.run(&mut server);
        session.feed(&mut server, head);
        session.feed(&mut server, tail);
        prop_assert!(session.closed, "{}", session.said);
        let codes = session.codes();
        prop_assert_eq!(codes.len(), 3, "{}", session.said);
        let said_220 = codes[2] == 220;
        prop_assert!(said_220 == (head.len() == begin.len()), "{}", session.said);
        server.secured(NOW);
        prop_assert_eq!(server.poll(), Step::Close);
    }
}
