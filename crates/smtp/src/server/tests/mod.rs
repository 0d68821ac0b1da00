mod dsn;
mod hostile;
mod login;
mod model;
mod pace;
mod random;
mod scram;
mod starttls;

use super::*;

/// Refuses addresses with the local part `no`; keeps every message.
#[derive(Debug, Default)]
struct Session {
    said: String,
    messages: Vec<Incoming>,
    logins: Vec<String>,
    proven: Vec<String>,
    writes: usize,
    closed: bool,
    wants_tls: bool,
}

const NOW: Monotonic = Monotonic(Duration::ZERO);

fn options() -> ServerOptions {
    ServerOptions {
        hostname: "mx.test".to_owned(),
        max_message_size: 200,
        max_recipients: 3,
        max_errors: 4,
        max_commands: 12,
        min_data_rate: 0,
        bare_line_ends: BareLineEnds::Refuse,
        timeouts: ServerTimeouts::default(),
    }
}

/// Neither TLS nor AUTH.
const PLAIN: Terms = Terms {
    tls: Tls::None,
    login: Login::None,
    cleartext_login: false,
    reports: Reports::Offered,
};

fn server() -> Server {
    server_on(PLAIN)
}

fn server_on(terms: Terms) -> Server {
    Server::new(Arc::new(options()), terms, NOW)
}

impl Session {
    /// Does what the machine says until it wants to read.
    fn run(&mut self, server: &mut Server) {
        loop {
            match server.poll() {
                Step::Read => return,
                Step::StartTls => {
                    self.wants_tls = true;
                    return;
                }
                Step::Close => {
                    self.closed = true;
                    return;
                }
                Step::Write(bytes) => {
                    self.writes += 1;
                    self.said.push_str(str::from_utf8(&bytes).unwrap());
                }
                Step::Ask(ask) => server.answer(self.decide(ask), NOW),
            }
        }
    }

    fn decide(&mut self, ask: Ask) -> Answer {
        let refused = |local: &str| match local {
            "no" => Answer::Reply(Reply::new(550, 7, 1, "Not you")),
            "later" => Answer::Reply(Reply::new(451, 3, 0, "Not now")),
            "leave" => Answer::Reply(Reply::new(421, 3, 0, "Leave")),
            _ => Answer::Accept,
        };
        match ask {
            Ask::Mail { from, .. } => refused(from.mailbox().map_or("", Address::local_part)),
            Ask::Login { username, password } => {
                self.logins.push(username);
                match password.expose() {
                    b"secret" => Answer::Accept,
                    _ => Answer::Reply(Reply::new(535, 7, 8, "Not you")),
                }
            }
            Ask::ScramChallenge { username } => {
                self.logins.push(username);
                Answer::Challenge(scram::challenge())
            }
            Ask::ScramProof {
                auth_message,
                proof,
            } => {
                self.proven.push(auth_message);
                match proof == scram::RIGHT {
                    true => Answer::Proven(scram::SIGNATURE),
                    false => Answer::Reply(Reply::new(535, 7, 8, "Not you")),
                }
            }
            Ask::Rcpt { to } => refused(to.local_part()),
            Ask::Message(message) => {
                let subject = message.body.starts_with(b"no");
                self.messages.push(message);
                refused(if subject { "no" } else { "" })
            }
        }
    }

    /// The codes of all replies, in their order.
    fn codes(&self) -> Vec<u16> {
        self.said
            .lines()
            .filter(|line| line.as_bytes()[3] == b' ')
            .map(|line| line[..3].parse().unwrap())
            .collect()
    }

    fn feed(&mut self, server: &mut Server, bytes: &[u8]) {
        server.handle(bytes, NOW);
        self.run(server);
    }
}

/// Plays a transcript: each `C:` line is sent by itself, the `S:` lines are all that may come.
fn check(transcript: &str) -> Session {
    check_on(PLAIN, transcript)
}

fn check_on(terms: Terms, transcript: &str) -> Session {
    let mut server = server_on(terms);
    let mut session = Session::default();
    session.run(&mut server);
    for line in transcript.lines().map(str::trim_start) {
        if let Some(sent) = line.strip_prefix("C: ").or(line.strip_prefix("C:")) {
            assert_eq!(session.said, "", "before {line}");
            session.feed(&mut server, format!("{sent}\r\n").as_bytes());
        } else if let Some(expected) = line.strip_prefix("S: ") {
            let (said, rest) = session.said.split_once("\r\n").unwrap_or_default();
            assert_eq!(said, expected);
            session.said = rest.to_owned();
        } else if line == "TLS" {
            assert!(session.wants_tls);
            session.wants_tls = false;
            server.secured(NOW);
            session.run(&mut server);
        } else if line == "closed" {
            assert!(session.closed);
        } else {
            assert_eq!(line, "", "neither C: nor S:");
        }
    }
    assert_eq!(session.said, "", "at the end");
    session
}

/// Sends everything at once; the replies' codes in their order.
fn codes(bytes: &[u8]) -> (Vec<u16>, Session) {
    let mut server = server();
    let mut session = Session::default();
    session.run(&mut server);
    session.said.clear();
    session.feed(&mut server, bytes);
    (session.codes(), session)
}

#[test]
fn a_typical_transaction() {
    // RFC 5321 Appendix D.1, with our texts.
    let session = check(
        "S: 220 mx.test ESMTP Postbell
         C: EHLO bar.com
         S: 250-mx.test
         S: 250-PIPELINING
         S: 250-SIZE 200
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250 DSN
         C: MAIL FROM:<Smith@bar.com>
         S: 250 2.1.0 Sender OK
         C: RCPT TO:<Jones@foo.com>
         S: 250 2.1.5 Recipient OK
         C: RCPT TO:<no@foo.com>
         S: 550 5.7.1 Not you
         C: RCPT TO:<Brown@foo.com>
         S: 250 2.1.5 Recipient OK
         C: DATA
         S: 354 End data with <CR><LF>.<CR><LF>
         C: Blah blah blah...
         C: ..etc. etc. etc.
         C: .
         S: 250 2.0.0 Message accepted
         C: QUIT
         S: 221 2.0.0 mx.test goodbye
         closed",
    );
    let [message] = session.messages.as_slice() else {
        panic!("one message");
    };
    assert_eq!(message.body, "Blah blah blah...\r\n.etc. etc. etc.\r\n");
    let envelope = &message.envelope;
    assert_eq!((envelope.helo.as_str(), envelope.esmtp), ("bar.com", true));
    assert_eq!(envelope.from.to_string(), "Smith@bar.com");
    let recipients: Vec<_> = envelope
        .recipients
        .iter()
        .map(|to| to.address.as_str())
        .collect();
    assert_eq!(recipients, ["Jones@foo.com", "Brown@foo.com"]);
}

#[test]
fn an_aborted_transaction() {
    // RFC 5321 Appendix D.2.
    check(
        "S: 220 mx.test ESMTP Postbell
         C: HELO bar.com
         S: 250 mx.test
         C: MAIL FROM:<Smith@bar.com>
         S: 250 2.1.0 Sender OK
         C: RCPT TO:<Jones@foo.com>
         S: 250 2.1.5 Recipient OK
         C: RCPT TO:<no@foo.com>
         S: 550 5.7.1 Not you
         C: RSET
         S: 250 2.0.0 OK
         C: DATA
         S: 503 5.5.1 Send MAIL first
         C: QUIT
         S: 221 2.0.0 mx.test goodbye
         closed",
    );
}

#[test]
fn verifying_and_helping_say_nothing() {
    check(
        "S: 220 mx.test ESMTP Postbell
         C: VRFY Crispin
         S: 252 2.0.0 Not verified; send a message to find out
         C: EXPN Example-People
         S: 502 5.5.1 Command not offered
         C: HELP
         S: 214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY HELP
         C: NOOP whatever
         S: 250 2.0.0 OK
         C: STARTTLS
         S: 502 5.5.1 Command not offered",
    );
}

#[test]
fn order_is_kept() {
    check(
        "S: 220 mx.test ESMTP Postbell
         C: MAIL FROM:<a@example.org>
         S: 503 5.5.1 Send EHLO or HELO first
         C: HELO c
         S: 250 mx.test
         C: RCPT TO:<b@example.com>
         S: 503 5.5.1 Send MAIL first
         C: MAIL FROM:<a@example.org>
         S: 250 2.1.0 Sender OK
         C: MAIL FROM:<b@example.org>
         S: 503 5.5.1 A sender was given already
         C: DATA
         S: 554 5.5.1 No recipient was accepted
         C: HELO c
         S: 250 mx.test
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender OK
         C: XYZZY
         S: 421 4.7.0 Too many errors, goodbye
         closed",
    );
}

#[test]
fn a_refused_sender_leaves_nothing() {
    check(
        "S: 220 mx.test ESMTP Postbell
         C: HELO c
         S: 250 mx.test
         C: MAIL FROM:<no@example.org>
         S: 550 5.7.1 Not you
         C: RCPT TO:<b@example.com>
         S: 503 5.5.1 Send MAIL first
         C: MAIL FROM:<leave@example.org>
         S: 421 4.3.0 Leave
         closed",
    );
}

#[test]
fn postmaster_without_a_domain_is_ours() {
    let (_, session) =
        codes(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\nDATA\r\nSubject: x\r\n.\r\n");
    let to = &session.messages[0].envelope.recipients[0];
    assert_eq!(to.address.as_str(), "postmaster@mx.test");
}

#[test]
fn sizes() {
    let (got, session) = codes(
        b"EHLO c\r\nMAIL FROM:<a@b.example> SIZE=201\r\nMAIL FROM:<a@b.example> SIZE=200\r\n",
    );
    assert_eq!(got, [250, 552, 250]);
    assert!(session.said.contains("552 5.3.4"));
    let begin = "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";
    let fits = format!("{begin}{}\r\n.\r\n", "x".repeat(198));
    assert_eq!(codes(fits.as_bytes()).1.messages.len(), 1);
    let over = format!("{begin}{}\r\n.\r\nNOOP\r\n", "x".repeat(199));
    let (got, session) = codes(over.as_bytes());
    assert_eq!(got, [250, 250, 250, 354, 552, 250]);
    assert!(session.messages.is_empty());
}

#[test]
fn recipients_are_counted_apart_from_commands() {
    let mut sent = "EHLO c\r\nMAIL FROM:<a@b.example>\r\n".to_owned();
    for n in 0..6 {
        sent += &format!("RCPT TO:<u{n}@d.example>\r\n");
    }
    let (got, session) = codes(sent.as_bytes());
    assert_eq!(got, [250, 250, 250, 250, 250, 452, 452, 452]);
    assert!(session.said.contains("452 4.5.3"));
}

#[test]
fn commands_without_a_message_are_limited() {
    let (got, session) = codes(&b"NOOP\r\n".repeat(20));
    assert_eq!(got.len(), 13);
    assert_eq!(got.last(), Some(&421));
    assert!(session.closed);
}

#[test]
fn an_accepted_message_forgives() {
    let message = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n";
    let errors = "XYZZY\r\n".repeat(4);
    let (got, _) = codes(format!("EHLO c\r\n{errors}{message}{errors}NOOP\r\n").as_bytes());
    assert_eq!(got.last(), Some(&250));
}

#[test]
fn addresses_outside_ascii_need_smtputf8() {
    let text = "EHLO c\r\nMAIL FROM:<jörg@b.example>\r\nMAIL FROM:<a@bücher.example>\r\n\
        MAIL FROM:<a@b.example>\r\nRCPT TO:<jörg@d.example>\r\nRSET\r\n\
        MAIL FROM:<jörg@b.example> SMTPUTF8\r\nRCPT TO:<jörg@d.example>\r\nDATA\r\nx\r\n.\r\n";
    let (got, session) = codes(text.as_bytes());
    assert_eq!(got, [250, 553, 553, 250, 553, 250, 250, 250, 354, 250]);
    assert!(session.said.contains("553 5.6.7"));
    assert!(session.messages[0].envelope.smtputf8);
}

#[test]
fn pipelined_replies_go_out_together() {
    let (got, session) = codes(
        b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<no@d.example>\r\nDATA\r\n",
    );
    assert_eq!(got, [250, 250, 250, 550, 354]);
    assert_eq!(session.writes, 2, "greeting and the group");
}

#[test]
fn the_message_is_asked_about_after_the_replies_before_it_are_out() {
    let mut server = server();
    let mut session = Session::default();
    session.run(&mut server);
    server.handle(
        b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n",
        NOW,
    );
    let mut kinds = Vec::new();
    while kinds.last() != Some(&"message") {
        match server.poll() {
            Step::Write(_) => kinds.push("write"),
            Step::Ask(Ask::Message(_)) => kinds.push("message"),
            Step::Ask(_) => server.answer(Answer::Accept, NOW),
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(kinds, ["write", "message"]);
}

#[test]
fn broken_lines_are_one_command_at_most() {
    for (sent, expected) in [
        (&b"NOOP\nNOOP\r\nQUIT\r\n"[..], &[500, 221][..]),
        (b"NOOP\rNOOP\r\nQUIT\r\n", &[500, 221]),
        (b"NO\0OP\r\nQUIT\r\n", &[500, 221]),
        (b"NOOP\n\r\nQUIT\r\n", &[500, 221]),
        (b"NOOP\r\r\nQUIT\r\n", &[500, 221]),
        (b"QUIT\r\nEHLO c\r\n", &[221]),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nEHLO c\r\n", &[421]),
    ] {
        assert_eq!(codes(sent).0, expected, "{sent:?}");
    }
    let long = |n: usize| format!("NOOP {}\r\nQUIT\r\n", "x".repeat(n - 7));
    assert_eq!(codes(long(LINE_MAX).as_bytes()).0, [250, 221]);
    assert_eq!(codes(long(LINE_MAX + 1).as_bytes()).0, [500, 221]);
    assert_eq!(codes(long(9 * LINE_MAX).as_bytes()).0, [500, 221]);
}

#[test]
fn the_client_is_not_waited_for_longer_than_allowed() {
    let timeouts = options().timeouts;
    let at = |d: Duration| Monotonic(d);
    let mut server = server();
    assert_eq!(server.deadline(), at(timeouts.command));
    // Half a command is no command.
    server.handle(b"EHL", at(Duration::from_secs(60)));
    assert_eq!(server.deadline(), at(timeouts.command));
    let start = at(Duration::from_secs(90));
    server.handle(b"O c\r\n", start);
    assert_eq!(server.deadline(), start.after(timeouts.command));
    server.handle(b"MAIL FROM:<a@b.example>\r\n", start);
    assert_eq!(server.deadline(), at(Duration::MAX), "the question is ours");
    server.answer(Answer::Accept, start);
    server.handle(b"RCPT TO:<a@b.example>\r\n", start);
    server.answer(Answer::Accept, start);
    server.handle(b"DATA\r\n", start);
    assert_eq!(server.deadline(), start.after(timeouts.data_block));
    let later = start.after(timeouts.data_total - Duration::from_secs(1));
    server.handle(b"x", later);
    assert_eq!(server.deadline(), start.after(timeouts.data_total));
    server.timed_out(server.deadline());
    let mut session = Session::default();
    session.run(&mut server);
    assert!(
        session
            .said
            .ends_with("421 4.4.2 Nothing came in time, goodbye\r\n")
    );
    assert!(session.closed && session.messages.is_empty());
}

#[test]
fn shutting_down_spares_a_message_that_is_coming_in() {
    let mut server = server();
    let mut session = Session::default();
    session.feed(
        &mut server,
        b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nfirst\r\n",
    );
    session.said.clear();
    assert!(server.is_receiving());
    server.shut_down();
    session.feed(&mut server, b"last\r\n.\r\nMAIL FROM:<a@b.example>\r\n");
    assert_eq!(session.messages.len(), 1);
    let codes: Vec<_> = session.said.lines().map(|line| &line[..9]).collect();
    assert_eq!(codes, ["250 2.0.0", "421 4.3.2"]);
    assert!(session.closed);
}

#[test]
fn shutting_down_ends_an_idle_session() {
    let mut server = server();
    let mut session = Session::default();
    session.feed(&mut server, b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    server.shut_down();
    session.run(&mut server);
    assert!(session.said.contains("\r\n421 4.3.2 "));
    assert!(session.closed);
}

#[test]
fn what_is_sent_ahead_is_bounded() {
    let mut server = server();
    server.handle(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n", NOW);
    for _ in 0..100 {
        server.handle(&[b'x'; 16 * 1024], NOW);
        assert!(server.input.octets().len() <= AHEAD_MAX + 16 * 1024);
    }
    let mut session = Session::default();
    session.run(&mut server);
    assert!(session.closed && session.said.contains("421 4.7.0"));
}
