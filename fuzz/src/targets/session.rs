use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postbell_model::{Address, Monotonic, Reply};
use postbell_smtp::data::stuff;
use postbell_smtp::reply::ReplyReader;
use postbell_smtp::{
    Answer, Ask, BareLineEnds, Incoming, Login, Reports, ScramChallenge, Server, ServerOptions,
    ServerTimeouts, Step, Terms, Tls,
};

use crate::input::{Input, sizes};

const NOW: Monotonic = Monotonic(Duration::ZERO);
const MAX_MESSAGE: u64 = 400;
const MAX_RECIPIENTS: usize = 3;
/// What stands in the input where the client would shake hands.
const HANDSHAKE: &[u8] = b"\n--tls--\n";

/// The cuts between reads do not matter, but for what comes behind STARTTLS, which ends the
/// session in any case; what is said are replies; what is taken can be sent on. The first octet
/// chooses the terms, the second the size of the pieces.
pub fn session(data: &[u8]) {
    let mut input = Input::new(data);
    let (options, terms) = options(input.octet());
    let size = input.octet();
    let said = input.rest();
    let [whole, others @ ..] = sizes(said.len(), size).map(|size| {
        let mut session = Session::new(&options, terms);
        session.play(said, size);
        session
    });
    check(&whole, said.len());
    for cut in others {
        check(&cut, said.len());
        check_same(&whole, &cut);
    }
}

fn options(choice: u8) -> (Arc<ServerOptions>, Terms) {
    let bit = |number: u8| choice >> number & 1 == 1;
    let options = ServerOptions {
        hostname: "mx.test".to_owned(),
        max_message_size: MAX_MESSAGE,
        max_recipients: MAX_RECIPIENTS,
        max_errors: 6,
        max_commands: 30,
        min_data_rate: 0,
        bare_line_ends: match bit(0) {
            true => BareLineEnds::Refuse,
            false => BareLineEnds::Normalise,
        },
        timeouts: ServerTimeouts::default(),
    };
    let terms = Terms {
        tls: if bit(1) { Tls::Offered } else { Tls::None },
        login: match (bit(2), bit(3)) {
            (false, _) => Login::None,
            (true, false) => Login::Optional,
            (true, true) => Login::Required,
        },
        cleartext_login: bit(4),
        reports: match bit(5) {
            true => Reports::None,
            false => Reports::Offered,
        },
    };
    (Arc::new(options), terms)
}

struct Session {
    server: Server,
    said: Vec<u8>,
    messages: Vec<Incoming>,
    logins: Vec<String>,
    closed: bool,
    wants_tls: bool,
    /// Something came between STARTTLS and the handshake.
    injected: bool,
}

impl Session {
    fn new(options: &Arc<ServerOptions>, terms: Terms) -> Self {
        let mut session = Self {
            server: Server::new(options.clone(), terms, NOW),
            said: Vec::new(),
            messages: Vec::new(),
            logins: Vec::new(),
            closed: false,
            wants_tls: false,
            injected: false,
        };
        session.run();
        session
    }

    /// Everything up to the handshake, and after it where one is asked for.
    fn play(&mut self, said: &[u8], size: usize) {
        let mut rest = said;
        loop {
            let at = rest.windows(HANDSHAKE.len()).position(|at| at == HANDSHAKE);
            let (part, after) = rest.split_at(at.unwrap_or(rest.len()));
            for piece in part.chunks(size) {
                self.injected |= self.wants_tls;
                self.server.handle(piece, NOW);
                self.run();
            }
            if at.is_none() || !self.wants_tls || self.closed {
                return;
            }
            self.wants_tls = false;
            self.server.secured(NOW);
            self.run();
            rest = &after[HANDSHAKE.len()..];
        }
    }

    fn run(&mut self) {
        loop {
            match self.server.poll() {
                Step::Read => return,
                Step::StartTls => return self.wants_tls = true,
                Step::Close => return self.closed = true,
                Step::Write(bytes) => self.said.extend_from_slice(&bytes),
                Step::Ask(ask) => {
                    let answer = self.decide(ask);
                    self.server.answer(answer, NOW);
                }
            }
        }
    }

    fn decide(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Mail { from, .. } => said_to(from.mailbox().map_or("", Address::local_part)),
            Ask::Rcpt { to } => said_to(to.local_part()),
            Ask::Login { username, password } => {
                let is_right = password.expose() == b"secret";
                self.logins.push(username);
                if is_right {
                    Answer::Accept
                } else {
                    said_to("no")
                }
            }
            Ask::ScramChallenge { username } => {
                self.logins.push(username);
                Answer::Challenge(ScramChallenge {
                    salt: b"salt".to_vec(),
                    iterations: 4096,
                    nonce: "nonce".to_owned(),
                })
            }
            Ask::ScramProof { proof, .. } => match proof[0] % 2 {
                0 => Answer::Proven([7; 32]),
                _ => said_to("no"),
            },
            Ask::Message(message) => {
                let answer = said_to(if message.body.starts_with(b"no") {
                    "no"
                } else {
                    ""
                });
                self.messages.push(message);
                answer
            }
        }
    }
}

fn said_to(local_part: &str) -> Answer {
    match local_part {
        "no" => Answer::Reply(Reply::new(550, 7, 1, "Not you")),
        "later" => Answer::Reply(Reply::new(451, 3, 0, "Not now")),
        "leave" => Answer::Reply(Reply::new(421, 3, 0, "Leave")),
        _ => Answer::Accept,
    }
}

fn check(session: &Session, len: usize) {
    let mut reader = ReplyReader::new(usize::MAX);
    let mut rest = &session.said[..];
    while !rest.is_empty() {
        let (reply, after) = reader.read(rest).expect("a server says replies alone");
        assert!(reply.is_some(), "a reply is said as a whole");
        rest = after;
    }
    for line in session.said.split_inclusive(|octet| *octet == b'\n') {
        assert!(line.ends_with(b"\r\n") && line.len() <= 512);
    }
    // What is said to an octet has a bound: a line without content costs one line.
    assert!(session.said.len() <= 1_000 + 60 * len);
    for message in &session.messages {
        check_message(message);
    }
}

fn check_message(message: &Incoming) {
    let recipients = message.envelope.recipients.len();
    assert!((1..=MAX_RECIPIENTS).contains(&recipients));
    let body = &message.body;
    assert!(body.len() as u64 <= MAX_MESSAGE && !body.contains(&0));
    assert!(body.is_empty() || body.ends_with(b"\r\n"));
    assert!(stuff(vec![Bytes::clone(body)]).is_ok());
}

fn check_same(whole: &Session, cut: &Session) {
    assert_eq!(whole.messages, cut.messages);
    assert_eq!(whole.logins, cut.logins);
    if cut.injected {
        // In one piece there is no 220 any more, in several there is.
        assert!(whole.closed && cut.closed);
        assert_eq!(but_last_line(&whole.said), but_last_line(&cut.said));
        return;
    }
    let said = String::from_utf8_lossy;
    assert_eq!(said(&whole.said), said(&cut.said));
    assert_eq!(whole.closed, cut.closed);
}

fn but_last_line(said: &[u8]) -> &[u8] {
    let lines = said.strip_suffix(b"\r\n").unwrap_or(said);
    let end = lines.iter().rposition(|octet| *octet == b'\n');
    &said[..end.map_or(0, |at| at + 1)]
}
