//! All short sessions at a door with TLS and logins, against a reference model that knows nothing
//! of the machine: who is known, what was begun, and what the client's next line is.

use super::*;

const TERMS: Terms = Terms {
    tls: Tls::Offered,
    login: Login::Required,
    cleartext_login: true,
    reports: Reports::Offered,
};

/// What stands before each session, and how many lines it has then.
const BEGINNINGS: &[(&[&str], usize)] = &[
    (&[], 5),
    (&["EHLO c", "AUTH PLAIN AGFkYQBzZWNyZXQ="], 5),
    (
        &[
            "EHLO c",
            "STARTTLS",
            "EHLO c",
            "AUTH PLAIN AGFkYQBzZWNyZXQ=",
        ],
        4,
    ),
];

const LINES: &[&str] = &[
    "EHLO c",
    "HELO c",
    "AUTH PLAIN AGFkYQBzZWNyZXQ=",
    "AUTH PLAIN AGFkYQB3cm9uZw==",
    "AUTH PLAIN",
    "MAIL FROM:<a@b.example> RET=FULL",
    "RCPT TO:<c@d.example> NOTIFY=NEVER",
    "RCPT TO:<later@d.example>",
    "DATA",
    "RSET",
    "BDAT 5 LAST",
    "STARTTLS",
    // The end of a message where one is coming in, and no command elsewhere.
    ".",
    "QUIT",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Model {
    place: Place,
    esmtp: bool,
    known: bool,
    tls: bool,
    recipients: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Connected,
    Idle,
    LoggingIn,
    Mail,
    Data,
    Closed,
}

const FRESH: Model = Model {
    place: Place::Connected,
    esmtp: false,
    known: false,
    tls: false,
    recipients: 0,
};

impl Model {
    /// The code that a line gets, 0 for none, and what comes after.
    fn take(self, line: &str) -> (u16, Self) {
        let at = |place| Self { place, ..self };
        let idle = Self {
            recipients: 0,
            ..at(Place::Idle)
        };
        match (self.place, line) {
            (Place::Closed, _) => unreachable!("nothing is sent after the end"),
            (Place::Data, ".") => (250, idle),
            (Place::Data, _) => (0, self),
            // Base64 or not, none of the lines is an answer.
            (Place::LoggingIn, _) => (501, idle),
            (_, "QUIT") => (221, at(Place::Closed)),
            (_, "EHLO c") => (
                250,
                Self {
                    esmtp: true,
                    ..idle
                },
            ),
            (_, "HELO c") => (
                250,
                Self {
                    esmtp: false,
                    ..idle
                },
            ),
            (_, "BDAT 5 LAST") => (502, self),
            (_, ".") => (500, self),
            (Place::Mail, "RSET") => (250, idle),
            (_, "RSET") => (250, self),
            (_, "STARTTLS") if self.tls || self.place == Place::Connected => (503, self),
            (_, "STARTTLS") => (220, Self { tls: true, ..FRESH }),
            (Place::Idle, auth) if auth.starts_with("AUTH") && self.esmtp && !self.known => {
                match auth {
                    "AUTH PLAIN" => (334, at(Place::LoggingIn)),
                    "AUTH PLAIN AGFkYQBzZWNyZXQ=" => (
                        235,
                        Self {
                            known: true,
                            ..self
                        },
                    ),
                    _ => (535, self),
                }
            }
            (Place::Idle, mail) if mail.starts_with("MAIL") => match self.known {
                true => (250, at(Place::Mail)),
                false => (530, self),
            },
            (Place::Mail, "RCPT TO:<later@d.example>") => (451, self),
            (Place::Mail, rcpt) if rcpt.starts_with("RCPT") => {
                let recipients = self.recipients + 1;
                (250, Self { recipients, ..self })
            }
            (Place::Mail, "DATA") if self.recipients == 0 => (554, self),
            (Place::Mail, "DATA") => (354, at(Place::Data)),
            _ => (503, self),
        }
    }
}

/// Says one line in both worlds and compares them.
fn say(server: &mut Server, model: Model, line: &str) -> Model {
    let (code, next) = model.take(line);
    let mut session = Session::default();
    session.feed(server, format!("{line}\r\n").as_bytes());
    let expected: &[u16] = if code == 0 { &[] } else { &[code] };
    assert_eq!(session.codes(), expected, "{line} in {model:?}");
    assert_eq!(session.wants_tls, code == 220, "{line} in {model:?}");
    assert_eq!(session.closed, next.place == Place::Closed);
    assert_eq!(server.is_authenticated() && code != 220, next.known);
    if code == 220 {
        server.secured(NOW);
    }
    let ends = model.place == Place::Data && line == ".";
    assert_eq!(session.messages.len(), usize::from(ends));
    for message in &session.messages {
        let envelope = &message.envelope;
        assert!(envelope.authenticated && envelope.ret == Some(Ret::Full));
        assert_eq!(envelope.tls, model.tls);
        assert_eq!(envelope.recipients.len(), model.recipients, "{model:?}");
    }
    next
}

/// Plays everything that can be said in so many lines; how many sessions that were.
fn walk(server: &Server, model: Model, left: usize) -> usize {
    if left == 0 || model.place == Place::Closed {
        return 1;
    }
    let go_on = |line: &&str| {
        let mut server = server.clone();
        let next = say(&mut server, model, line);
        walk(&server, next, left - 1)
    };
    LINES.iter().map(go_on).sum()
}

#[test]
fn all_short_sessions_follow_the_model() {
    let options = Arc::new(ServerOptions {
        max_recipients: 1000,
        max_errors: 1000,
        max_commands: 1000,
        ..options()
    });
    let mut sessions = 0;
    for (beginning, length) in BEGINNINGS {
        let mut server = Server::new(Arc::clone(&options), TERMS, NOW);
        Session::default().run(&mut server);
        let mut model = FRESH;
        for line in *beginning {
            model = say(&mut server, model, line);
        }
        sessions += walk(&server, model, *length);
    }
    assert!(sessions > 800_000, "{sessions}");
}
